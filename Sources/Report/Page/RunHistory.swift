internal import Foundation

/// What a run's metrics.jsonl tells, in bounded memory: the numbers of its curves, where its time went, how it ended.
package struct RunHistory: Sendable, Equatable {
    /// Steps taken together, or an epoch of them.
    package struct Training: Sendable, Equatable {
        package var step: Double
        package var loss: Double?
        package var accuracy: Double?
        package var rate: Double?
        package var imagesPerSecond: Double?
    }

    package struct Evaluation: Sendable, Equatable {
        package let epoch: Int
        package let step: Int
        package let split: String
        package let loss: Double?
        package let accuracy1: Double?
        package let accuracy5: Double?
    }

    package struct End: Sendable, Equatable {
        package let step: Int
        package let weightsDigest: String
        /// Of the average, where the run kept one.
        package let averageDigest: String?
        package let exitCode: Int
    }

    /// Seconds, over all processes that worked on the run.
    package struct Times: Sendable, Equatable {
        package var total = 0.0
        /// In steps, with what they waited for.
        package var training = 0.0
        package var dataWait = 0.0
        package var communication = 0.0
        package var evaluation = 0.0
        /// That training stood still for saves.
        package var saving = 0.0
    }

    package private(set) var steps: [Training] = []
    package private(set) var epochs: [Training] = []
    package private(set) var evaluations: [Evaluation] = []
    package private(set) var warnings: [String] = []
    /// The first lines of the newest start, by their names.
    package private(set) var startFacts: [String: String] = [:]
    /// Nil while the run goes on, and where it ended without a word.
    package private(set) var end: End?
    package private(set) var times = Times()
    package private(set) var stepsPerEpoch: Int?
    /// When the first process began and when the last line was written, seconds since 1970.
    package private(set) var begin: Double?
    package private(set) var latest: Double?
    /// Processes that worked on the run.
    package private(set) var starts = 0
    /// The training time since the last whole epoch, which its own line will hold.
    private var loose = Times()
    private var windowsPerPoint = 1
    private var waiting: [Training] = []

    private static let mostPoints = 2_048
    private static let mostWarnings = 100

    package init() {}

    package var lastStep: Int {
        [steps.last.map { Int($0.step) }, epochs.last.map { Int($0.step) }, evaluations.last?.step, end?.step]
            .compactMap { $0 }.max() ?? 0
    }

    /// Images a second of all steps, by the training time of the epochs or windows.
    package var imagesPerSecond: Double? {
        let speeds = (epochs.isEmpty ? steps : epochs).compactMap(\.imagesPerSecond)
        return speeds.isEmpty ? nil : Double(speeds.count) / speeds.reduce(0) { $0 + 1 / max($1, 1e-9) }
    }

    /// Adds lines of metrics.jsonl, each whole. Returns the number of those that are no events.
    @discardableResult package mutating func add(lines: some Sequence<some Collection<UInt8>>) -> Int {
        let decoder = JSONDecoder()
        return lines.reduce(0) { bad, line in
            guard !line.isEmpty else { return bad }
            guard let event = try? decoder.decode(Line.self, from: Data(line)) else { return bad + 1 }
            if line.starts(with: Self.startOfStart) {
                let words = (try? decoder.decode([String: Word].self, from: Data(line))) ?? [:]
                startFacts = words.compactMapValues(\.text)
            }
            add(event)
            return bad
        }
    }

    private mutating func add(_ line: Line) {
        if let time = line.time, time.isFinite {
            if line.event != "start", let latest, time > latest { times.total += time - latest }
            begin = begin ?? time
            latest = time
        }
        let point = Training(
            step: Double(line.step ?? 0), loss: line.loss, accuracy: line.acc1, rate: line.lr,
            imagesPerSecond: line.imagesPerSecond)
        switch line.event {
        case "start":
            settle()
            starts += 1
            end = nil
        case "step":
            loose.training += line.trainingSeconds ?? 0
            loose.dataWait += line.dataWaitSeconds ?? 0
            loose.communication += line.communicationSeconds ?? 0
            addWindow(point)
        case "epoch":
            if let seconds = line.trainingSeconds {
                loose = Times()
                times.training += seconds
                times.dataWait += line.dataWaitSeconds ?? 0
                times.communication += line.communicationSeconds ?? 0
            } else {
                settle()
            }
            if let epoch = line.epoch, epoch > 0, let step = line.step { stepsPerEpoch = step / epoch }
            epochs.append(point)
            epochs = Self.thinned(epochs)
        case "eval":
            times.evaluation += line.seconds ?? 0
            evaluations.append(
                Evaluation(
                    epoch: line.epoch ?? 0, step: line.step ?? 0, split: line.split ?? "", loss: line.loss,
                    accuracy1: line.acc1, accuracy5: line.acc5))
        case "checkpoint": times.saving += line.stallSeconds ?? 0
        case "warning": if warnings.count < Self.mostWarnings { warnings.append(line.message ?? "") }
        case "end":
            settle()
            end = End(
                step: line.step ?? 0, weightsDigest: line.weightsDigest ?? "", averageDigest: line.averageDigest,
                exitCode: line.exitCode ?? -1)
        default: break
        }
    }

    /// Counts the time of steps whose epoch was not ended by the process that took them.
    private mutating func settle() {
        times.training += loose.training
        times.dataWait += loose.dataWait
        times.communication += loose.communication
        loose = Times()
    }

    /// A point stands for more and more windows, the longer the run.
    private mutating func addWindow(_ point: Training) {
        waiting.append(point)
        guard waiting.count >= windowsPerPoint else { return }
        steps.append(Self.mean(waiting[...]))
        waiting = []
        guard steps.count >= Self.mostPoints else { return }
        steps = Self.thinned(steps)
        windowsPerPoint *= 2
    }

    private static func thinned(_ points: [Training]) -> [Training] {
        guard points.count >= mostPoints else { return points }
        return stride(from: 0, to: points.count, by: 2).map { mean(points[$0..<min($0 + 2, points.count)]) }
    }

    private static func mean(_ points: ArraySlice<Training>) -> Training {
        guard points.count > 1, let last = points.last else { return points[points.startIndex] }
        func mean(_ values: [Double?]) -> Double? {
            let known = values.compactMap { $0 }
            return known.isEmpty ? nil : known.reduce(0, +) / Double(known.count)
        }
        return Training(
            step: last.step, loss: mean(points.map(\.loss)), accuracy: mean(points.map(\.accuracy)), rate: last.rate,
            imagesPerSecond: mean(points.map(\.imagesPerSecond)))
    }

    /// A line as it is written; what an event does not have is nil.
    private struct Line: Decodable {
        let event: String
        let time, loss, acc1, acc5, lr, seconds: Double?
        let imagesPerSecond, trainingSeconds, dataWaitSeconds, communicationSeconds, stallSeconds: Double?
        let epoch, step, exitCode: Int?
        let split, message, weightsDigest, averageDigest: String?

        private enum CodingKeys: String, CodingKey {
            case event, time, loss, acc1, acc5, lr, seconds, epoch, step, split, message
            case imagesPerSecond = "images_per_second"
            case trainingSeconds = "training_seconds"
            case dataWaitSeconds = "data_wait_seconds"
            case communicationSeconds = "communication_seconds"
            case stallSeconds = "stall_seconds"
            case exitCode = "exit_code"
            case weightsDigest = "weights_sha256"
            case averageDigest = "ema_sha256"
        }
    }

    /// The fields of a start are words, whatever they are called.
    private struct Word: Decodable {
        let text: String?

        init(from decoder: any Decoder) throws { text = try? decoder.singleValueContainer().decode(String.self) }
    }

    private static let startOfStart = Array(#"{"event":"start""#.utf8)
}
