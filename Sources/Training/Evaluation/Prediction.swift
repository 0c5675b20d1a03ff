internal import DataParallel
package import Datasets
package import Tensors

/// What a network says of an image: its most probable classes, or why it says nothing.
package enum Prediction: Equatable, Sendable {
    /// The most probable one first; of equals the first in the order of the classes.
    case classes([ClassProbability])
    case none(UnreadableImage)

    package struct ClassProbability: Equatable, Sendable {
        /// Its number in the order of the network's outputs.
        package let index: Int
        /// The softmax of the outputs; after training with squared errors the output itself.
        package let probability: Float
    }

    /// The classes of one row of logits. `top` is at most their number.
    package init(logits: UnsafeBufferPointer<Float>, top: Int, loss: Loss) {
        guard logits.allSatisfy(\.isFinite) else {
            self = .none(UnreadableImage("leads to outputs of the network that are not finite"))
            return
        }
        var probabilities = Array(logits)
        if case .crossEntropy = loss {
            ChannelSoftmax.forward(x: logits.baseAddress!, classes: logits.count, area: 1, y: &probabilities)
        }
        // By the logits, which rounding does not make equal.
        var best: [Int] = []
        for index in logits.indices {
            guard best.count < top || logits[index] > logits[best[best.count - 1]] else { continue }
            if best.count == top { best.removeLast() }
            best.insert(index, at: best.firstIndex { logits[$0] < logits[index] } ?? best.count)
        }
        self = .classes(best.map { ClassProbability(index: $0, probability: probabilities[$0]) })
    }
}

/// The predictions of a round of batches, brought together from all ranks.
enum PredictionRound {
    /// Hands those of all ranks to `use`, in the order of the images. Collective; `use` runs on rank 0 alone.
    ///
    /// Throws: what `use` throws, the same on all ranks; the communicator's errors.
    static func gather(
        _ own: [Prediction], round: Int, batches: EvaluationBatches, over communicator: any Communicator,
        use: (_ image: Int, _ prediction: Prediction) throws -> Void
    ) throws {
        let all = try communicator.allGather(encode(own))
        try RankAgreement.together(communicator) {
            guard communicator.rank == 0 else { return }
            for (rank, bytes) in all.enumerated() {
                for (image, prediction) in zip(batches.samples(round: round, rank: rank), decode(bytes)) {
                    try use(image, prediction)
                }
            }
        }
    }

    /// Each as the number of its classes and these; or −1 for a bad image and −2 for something else, and the reason.
    private static func encode(_ predictions: [Prediction]) -> [UInt8] {
        var bytes: [UInt8] = []
        func add(_ value: some FixedWidthInteger) { withUnsafeBytes(of: value.littleEndian) { bytes += $0 } }
        for prediction in predictions {
            switch prediction {
            case .classes(let classes):
                add(Int32(classes.count))
                for one in classes {
                    add(Int32(one.index))
                    add(one.probability.bitPattern)
                }
            case .none(let why):
                add(Int32(why.isBad ? -1 : -2))
                let words = Array(why.reason.utf8)
                add(Int32(words.count))
                bytes += words
            }
        }
        return bytes
    }

    private static func decode(_ bytes: [UInt8]) -> [Prediction] {
        var place = 0
        func take<T: FixedWidthInteger>(_: T.Type) -> T {
            defer { place += MemoryLayout<T>.size }
            return bytes.withUnsafeBytes { T(littleEndian: $0.loadUnaligned(fromByteOffset: place, as: T.self)) }
        }
        var predictions: [Prediction] = []
        while place < bytes.count {
            let count = take(Int32.self)
            guard count < 0 else {
                predictions.append(
                    .classes(
                        (0..<count).map { _ in
                            Prediction.ClassProbability(
                                index: Int(take(Int32.self)), probability: Float(bitPattern: take(UInt32.self)))
                        }))
                continue
            }
            let length = Int(take(Int32.self))
            let words = String(decoding: bytes[place..<place + length], as: UTF8.self)
            place += length
            predictions.append(.none(UnreadableImage(words, isBad: count == -1)))
        }
        return predictions
    }
}
