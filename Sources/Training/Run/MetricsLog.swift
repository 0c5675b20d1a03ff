internal import Files
internal import Report

/// metrics.jsonl: one JSON object a line, appended whole; numbers that are not finite become null.
///
/// `@unchecked Sendable`: lines are appended by the training thread alone; the saving thread only calls `synchronize`,
/// which touches nothing but the descriptor.
package final class MetricsLog: RunEventSink, @unchecked Sendable {
    private let file: AppendFile
    package var byteCount: Int { file.byteCount }

    /// Opens the file and cuts it to the first `keeping` bytes: what a checkpoint knew of it.
    ///
    /// Throws: `Failure(.cannotCreate)`.
    package init(path: String, keeping: Int) throws {
        file = try AppendFile(path: path, keeping: keeping)
    }

    package func receive(_ event: RunEvent, at time: RunTime) -> String? {
        guard let (name, fields) = Self.fields(of: event, elapsed: time.elapsed) else { return nil }
        let members =
            [JSON.Member("event", .string(name))] + fields
            + [JSON.Member("time", .number((time.unix * 1000).rounded() / 1000))]
        do {
            try file.append(JSON.object(members).text() + "\n")
            return nil
        } catch {
            return "\(error)"
        }
    }

    /// Makes what has been appended durable.
    package func synchronize() throws { try file.synchronize() }

    /// What programs are told of an event; nil for what only people follow.
    private static func fields(of event: RunEvent, elapsed: Double) -> (event: String, fields: [JSON.Member])? {
        switch event {
        case .started(let facts):
            return ("start", facts.map { JSON.Member($0.key, .string($0.value)) })
        case .warning(let message):
            return ("warning", [JSON.Member("message", .string(message))])
        case .progress(let window, let progress, _):
            return (
                "step",
                [
                    JSON.Member("epoch", .integer(progress.currentEpoch)),
                    JSON.Member("step", .integer(progress.stepsDone)), JSON.Member("split", "train"),
                    JSON.Member("loss", .number(window.meanLoss)), JSON.Member("acc1", .number(window.accuracy1)),
                    JSON.Member("lr", .number(window.learningRate)),
                    JSON.Member("images_per_second", .number(window.imagesPerSecond)),
                    JSON.Member("seconds", .number(elapsed)),
                ] + times(of: window)
            )
        case .epochEnded(let progress, let window):
            let score = progress.epochScore
            return (
                "epoch",
                [
                    JSON.Member("epoch", .integer(progress.epochsDone)),
                    JSON.Member("step", .integer(progress.stepsDone)), JSON.Member("split", "train"),
                    JSON.Member("loss", .number(score.meanLoss)), JSON.Member("acc1", .number(score.accuracy1)),
                    JSON.Member("acc5", .number(score.accuracy5)), JSON.Member("lr", .number(window.learningRate)),
                    JSON.Member("images_per_second", .number(window.imagesPerSecond)),
                    JSON.Member("seconds", .number(elapsed)),
                ] + times(of: window)
            )
        case .evaluated(let evaluation, let facts):
            return (
                "eval",
                [
                    JSON.Member("epoch", .integer(evaluation.epoch)), JSON.Member("step", .integer(evaluation.step)),
                    JSON.Member("split", .string(facts.split)), JSON.Member("loss", .number(evaluation.loss)),
                    JSON.Member("acc1", .number(evaluation.accuracy1)),
                    JSON.Member("acc5", .number(evaluation.accuracy5)),
                    JSON.Member("seconds", .number(facts.seconds)),
                ]
            )
        case .saved(let checkpoint):
            return (
                "checkpoint",
                [
                    JSON.Member("step", .integer(checkpoint.step)),
                    JSON.Member("file", .string(FilePath.name(of: checkpoint.path))),
                    JSON.Member("seconds", .number(checkpoint.seconds)),
                    JSON.Member("stall_seconds", .number(checkpoint.stallSeconds)),
                ]
            )
        case .ended(let end):
            var fields = [
                JSON.Member("epoch", .integer(end.progress.epochsDone)),
                JSON.Member("step", .integer(end.progress.stepsDone)),
                JSON.Member("weights_sha256", .string(end.weightsDigest)),
            ]
            if let digest = end.averageDigest { fields.append(JSON.Member("ema_sha256", .string(digest))) }
            if let last = end.progress.evaluations.last {
                fields.append(JSON.Member("acc1", .number(last.accuracy1)))
            }
            fields += [
                JSON.Member("exit_code", .integer(Int(end.exitCode.rawValue))),
                JSON.Member("seconds", .number(elapsed)),
            ]
            return ("end", fields)
        case .failed(let failure, let step):
            return (
                "failed",
                [
                    JSON.Member("step", .integer(step)), JSON.Member("message", .string(failure.message)),
                    JSON.Member("exit_code", .integer(Int(failure.code.rawValue))),
                    JSON.Member("seconds", .number(elapsed)),
                ]
            )
        case .note, .step, .expected: return nil
        }
    }

    /// Where the time of steps went.
    private static func times(of window: StepWindow) -> [JSON.Member] {
        [
            JSON.Member("training_seconds", .number(window.seconds)),
            JSON.Member("data_wait_seconds", .number(window.dataWaitSeconds)),
            JSON.Member("communication_seconds", .number(window.communicationSeconds)),
        ]
    }
}
