internal import Diagnostics
internal import Layers
internal import Tensors

/// A sealed file is whole, not true: every number in it is checked before anything is computed from it.
extension Checkpoint.Header {
    private static let mostSteps = 1 << 40
    private static let mostSamples = 1 << 56
    private static let mostBytes = 1 << 56
    private static let largestBatch = 1 << 40
    /// Of an image, by side and in all.
    private static let largestSide = 1 << 24
    private static let largestImage = 1 << 32

    /// Throws: `Failure(.badData)` naming the first attribute that is out of range or does not go with the others.
    func check(path: String) throws {
        func require(_ isTrue: Bool, _ name: String, _ found: Any, _ expected: String) throws {
            guard !isTrue else { return }
            throw Failure(.badData, "\(path): attribute \(name) = \(found), expected \(expected)")
        }
        func require(_ value: Int, _ name: String, in range: ClosedRange<Int>, _ what: String = "") throws {
            try require(range.contains(value), name, value, "\(range.lowerBound)…\(range.upperBound)\(what)")
        }
        try require(
            (3...4).contains(input.count) && input.allSatisfy { (1...Self.largestSide).contains($0) }
                && Self.product(input).map { $0 <= Self.largestImage } == true,
            "input", input, "an image [C, H, W] or a volume [C, D, H, W]")
        try require(
            inputMean.count == input[0] && inputMean.allSatisfy(\.isFinite), "input_mean", inputMean,
            "a number for each of \(input[0]) channels")
        try require(
            inputStd.count == input[0] && inputStd.allSatisfy { $0.isFinite && $0 > 0 }, "input_std", inputStd,
            "a number above 0 for each of \(input[0]) channels")
        try require(!classes.isEmpty, "/classes", classes, "a name for each class")
        try require(step, "step", in: 0...Self.mostSteps)
        try require(epoch, "epoch", in: 0...step, " (step)")
        try require(skippedSteps, "skipped_steps", in: 0...step, " (step)")
        let updates = step - skippedSteps
        try require(
            updatesMissed.allSatisfy { (0...updates).contains($0) }, "updates_missed", updatesMissed,
            "0…\(updates) (updates) for each trained parameter")
        try require(batchSize, "batch_size", in: 1...Self.largestBatch)
        try require(shards, "shards", in: 1...batchSize, " (batch_size)")
        try require(
            samplesSeen, "samples_seen",
            in: 0...min(Self.mostSamples, Self.product([step, batchSize]) ?? .max), " (step × batch_size at most)")
        try require(
            initialWeights.isEmpty || initialWeights.utf8.count == 64, "initial_weights_sha256", initialWeights,
            "64 hexadecimal digits")
        try require(metricsBytes, "metrics_bytes", in: 0...Self.mostBytes)
        let counts = [epochScore.divisor, epochScore.samples, epochScore.correct1, epochScore.correct5]
        try require(
            counts.allSatisfy { (0...Double(Self.mostSamples)).contains($0) }
                && epochScore.correct1 <= epochScore.correct5 && epochScore.correct5 <= epochScore.samples,
            "epoch_score", epochScore.fields, "sum of losses, divisor, samples, and how many of them were right")
        var previous = 0
        for (index, evaluation) in evaluations.enumerated() {
            try check(evaluation, from: previous, place: { "/metrics/\($0)[\(index)]" }, require)
            previous = evaluation.step
        }
        if let best { try check(best, from: 0, place: { "best_\($0)" }, require) }
    }

    private func check(
        _ evaluation: Evaluation, from first: Int, place: (String) -> String,
        _ require: (Bool, String, Any, String) throws -> Void
    ) throws {
        try require(
            (first...step).contains(evaluation.step), place("step"), evaluation.step, "\(first)…\(step) (step)")
        try require(
            (0...epoch).contains(evaluation.epoch), place("epoch"), evaluation.epoch, "0…\(epoch) (epoch)")
        for (name, value) in [("acc1", evaluation.accuracy1), ("acc5", evaluation.accuracy5)] {
            try require(value.isNaN || (0...1).contains(value), place(name), value, "a fraction 0…1")
        }
    }

    private static func product(_ factors: [Int]) -> Int? {
        var product = 1
        for factor in factors {
            let (next, overflow) = product.multipliedReportingOverflow(by: factor)
            guard !overflow else { return nil }
            product = next
        }
        return product
    }
}

/// What no training leaves behind in weights.
enum WeightsCheck {
    /// Throws: `Failure(.badData)` naming the first value that is not finite, or that is a negative variance.
    static func check(_ key: String, _ values: UnsafeBufferPointer<Float>, path: String) throws {
        let isVariance = key == "running_var" || key.hasSuffix(".running_var")
        guard let index = values.firstIndex(where: { !$0.isFinite || isVariance && $0 < 0 }) else { return }
        throw Failure(
            .badData,
            "\(path)/\(key)[\(index)] = \(values[index]), expected a finite number\(isVariance ? " from 0, a variance" : "")"
                + "; use other weights, such as an earlier checkpoint's")
    }
}

extension Checkpoint {
    /// Throws: `Failure(.badData)` naming the first value of weights, average or optimizer state that is not finite, and the
    /// first negative variance.
    package func checkValues(path: String) throws {
        for (group, tensors) in [("/model", weights), ("/ema", average)] + optimizer.map({ ("/optimizer/\($0)", $1) }) {
            for tensor in tensors {
                try tensor.values.withUnsafeBufferPointer {
                    try WeightsCheck.check(tensor.key, $0, path: "\(path):\(group)")
                }
            }
        }
    }
}
