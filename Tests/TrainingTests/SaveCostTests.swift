import Foundation
import Glibc
import Layers
import TestSupport
import Testing

@testable import Training

/// Measures what saving costs the training thread; started by Tests/Acceptance/save-cost, since it takes time and disk.
@Suite(.serialized) struct SaveCostTests {
    private static let isWanted = ProcessInfo.processInfo.environment["SWIFT_TRAIN_SAVE_COST"] != nil

    @Test(
        "how long a save stops training", .enabled(if: isWanted, "a measurement: Tests/Acceptance/save-cost runs it"),
        arguments: [(300, 150), (62_500, 1_000)])
    func stall(inputs: Int, outputs: Int) throws {
        let scratch = try Scratch()
        var description = ModelDescription(name: "made-up", input: [1, 1, inputs], classes: outputs)
        description.append("flatten", Flatten())
        description.append("fc", Linear(outputs: outputs))
        let state = ModelState(parameterList: try Network(description).parameterList, optimizerVectors: ["momentum"])
        state.initialize(seed: 1)
        var header = Checkpoint.Header()
        (header.input, header.inputMean, header.inputStd) = ([1, 1, inputs], [0], [1])
        let saver = CheckpointSaver(keeper: CheckpointKeeper(folder: scratch.path, keep: 1), state: state)
        let metrics = try MetricsLog(path: scratch.file("metrics.jsonl"), keeping: 0)
        let megabytes = Double(state.weights.count * 8) / 1e6
        for step in 1...6 {
            header.step = step
            let (processorStart, start) = (Self.processorSeconds(), Machine.now())
            #expect(saver.start(header, state: state, isBest: false, metrics: metrics) == nil)
            let stall = Machine.now() - start
            let result = try #require(saver.takeResult(waiting: true))
            _ = try result.outcome.get()
            print(
                String(
                    format:
                        "save-cost %.2f MB of state, save %d: stall %.2f ms, in the background %.1f ms, processor %.1f ms",
                    megabytes, step, stall * 1e3, result.seconds * 1e3, (Self.processorSeconds() - processorStart) * 1e3
                ))
        }
        print(String(format: "save-cost %.2f MB of state: most memory %.0f MB", megabytes, Self.peakBytes() / 1e6))
    }

    private static func usage() -> rusage {
        var usage = rusage()
        getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage)
        return usage
    }

    private static func processorSeconds() -> Double {
        let usage = usage()
        return Double(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec)
            + Double(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) * 1e-6
    }

    private static func peakBytes() -> Double { Double(usage().ru_maxrss) * 1024 }
}
