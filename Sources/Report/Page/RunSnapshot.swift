package import Foundation

/// What a report shows besides a run's numbers, and what nothing else in the run folder holds: report.json.
package struct RunSnapshot: Codable, Sendable, Equatable {
    package static let currentVersion = 1

    package var version = currentVersion
    package var classes: [String]
    /// Height, width, channels.
    package var imageShape: [Int]
    package var network: Network?
    /// The evaluation that best.h5 is from.
    package var best: Scored?
    /// Training images as they are stored.
    package var samples: [Picture] = []
    /// Rows of one image as it is stored, and as augmentation has made it in the first epochs.
    package var augmented: [[Picture]] = []

    package init(classes: [String], imageShape: [Int]) {
        (self.classes, self.imageShape) = (classes, imageShape)
    }

    /// A picture as PNG, and what it shows.
    package struct Picture: Codable, Sendable, Equatable {
        package var title: String
        package var detail: String
        package var png: Data
        /// Pixels of its longer side.
        package var side: Int

        package init(title: String, detail: String, png: Data, side: Int) {
            (self.title, self.detail, self.png, self.side) = (title, detail, png, side)
        }
    }

    package struct Network: Codable, Sendable, Equatable {
        package struct Row: Codable, Sendable, Equatable {
            package var path, type, output: String
            package var parameters, multiplyAdds: Int

            package init(path: String, type: String, output: String, parameters: Int, multiplyAdds: Int) {
                (self.path, self.type, self.output) = (path, type, output)
                (self.parameters, self.multiplyAdds) = (parameters, multiplyAdds)
            }
        }
        package var name: String
        package var rows: [Row]
        package var parameters, multiplyAdds: Int

        package init(name: String, rows: [Row], parameters: Int, multiplyAdds: Int) {
            (self.name, self.rows, self.parameters, self.multiplyAdds) = (name, rows, parameters, multiplyAdds)
        }
    }

    /// What the network made of a split.
    package struct Scored: Codable, Sendable, Equatable {
        package var split: String
        package var epoch, step: Int
        package var loss, accuracy1: Double?
        /// True class, predicted class, samples; only pairs that occur.
        package var pairs: [[Int]]
        /// Samples without a prediction, by true class.
        package var unpredicted: [Int]
        /// Where the matrix has too many classes to be drawn on the page.
        package var matrixPNG: Data?
        package var worst: [Picture] = []

        package init(
            split: String, epoch: Int, step: Int, loss: Double?, accuracy1: Double?, matrix: ConfusionMatrix
        ) {
            (self.split, self.epoch, self.step) = (split, epoch, step)
            (self.loss, self.accuracy1) = (loss, accuracy1)
            pairs = matrix.occurring.map { [$0.truth, $0.predicted, $0.count] }
            unpredicted = matrix.unpredicted
        }
    }

    /// Equal content gives equal bytes.
    package func json() throws -> [UInt8] {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        encoder.nonConformingFloatEncodingStrategy = .convertToString(
            positiveInfinity: "inf", negativeInfinity: "-inf", nan: "nan")
        return [UInt8](try encoder.encode(self))
    }

    /// Nil for anything but a snapshot of this version that fits together.
    package init?(json: [UInt8]) {
        let decoder = JSONDecoder()
        decoder.nonConformingFloatDecodingStrategy = .convertFromString(
            positiveInfinity: "inf", negativeInfinity: "-inf", nan: "nan")
        guard let snapshot = try? decoder.decode(Self.self, from: Data(json)), snapshot.isSound else { return nil }
        self = snapshot
    }

    private var isSound: Bool {
        let signature: [UInt8] = [0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A]
        let pictures = samples + augmented.joined() + (best?.worst ?? [])
        guard version == Self.currentVersion, (3...4).contains(imageShape.count),
            (pictures.map(\.png) + [best?.matrixPNG].compactMap { $0 }).allSatisfy({ $0.starts(with: signature) })
        else { return false }
        return best.map { matrix(of: $0) != nil } ?? true
    }

    /// Nil for numbers that are no matrix of these classes.
    func matrix(of scored: Scored) -> ConfusionMatrix? {
        let numbers = 0..<classes.count
        guard scored.unpredicted.count == classes.count, scored.unpredicted.allSatisfy({ (0...1 << 40).contains($0) }),
            scored.pairs.allSatisfy({
                $0.count == 3 && numbers.contains($0[0]) && numbers.contains($0[1]) && (1...1 << 40).contains($0[2])
            }), Set(scored.pairs.map { [$0[0], $0[1]] }).count == scored.pairs.count
        else { return nil }
        return ConfusionMatrix(
            classNames: classes,
            pairs: scored.pairs.map { .init(truth: $0[0], predicted: $0[1], count: $0[2]) },
            unpredicted: scored.unpredicted)
    }
}
