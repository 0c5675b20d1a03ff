/// What a run's metrics.jsonl tells, in bounded memory: the numbers of its curves, where its time went, how it ended.
///
/// Lines are judged where they are read: whole numbers in 0…2⁴⁸, others within ±10³⁰, no epoch without a step. What is drawn from
/// them needs no second judgement.
package struct RunHistory: Sendable, Equatable {
    /// Steps taken together, or an epoch of them.
    package struct Training: Thinnable {
        package var step: Double
        package var loss: Double?
        package var accuracy: Double?
        package var rate: Double?
        package var imagesPerSecond: Double?

        /// The last step with the means of what is known.
        package static func joined(_ points: ArraySlice<Training>) -> Training {
            guard points.count > 1, let last = points.last else { return points[points.startIndex] }
            func mean(_ values: [Double?]) -> Double? {
                let known = values.compactMap { $0 }
                return known.isEmpty ? nil : known.reduce(0, +) / Double(known.count)
            }
            return Training(
                step: last.step, loss: mean(points.map(\.loss)), accuracy: mean(points.map(\.accuracy)),
                rate: last.rate, imagesPerSecond: mean(points.map(\.imagesPerSecond)))
        }
    }

    package struct Evaluation: Thinnable {
        package let epoch: Int
        package let step: Int
        package let split: String
        package let loss: Double?
        package let accuracy1: Double?
        package let accuracy5: Double?

        /// The last one: a score is none of several.
        package static func joined(_ points: ArraySlice<Evaluation>) -> Evaluation { points[points.endIndex - 1] }
    }

    package enum Metric: Sendable { case accuracy1, accuracy5, loss }

    package struct End: Sendable, Equatable {
        package let step: Int
        package let weightsDigest: String
        /// Of the average, where the run kept one.
        package let averageDigest: String?
        package let exitCode: Int
    }

    /// Why the newest process ended before its run did.
    package struct Failure: Sendable, Equatable {
        package let step: Int
        package let message: String
        package let exitCode: Int

        package init(step: Int, message: String, exitCode: Int) {
            (self.step, self.message, self.exitCode) = (step, message, exitCode)
        }
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

    private var stepSeries = ThinnedSeries<Training>()
    private var epochSeries = ThinnedSeries<Training>()
    private var evaluationSeries = ThinnedSeries<Evaluation>()
    /// The first of the best by each metric.
    private var best: [Metric: Evaluation] = [:]
    package private(set) var warnings: [String] = []
    /// The first lines of the newest start, by their names.
    package private(set) var startFacts: [String: String] = [:]
    /// Nil while the run goes on, and where it ended without a word.
    package private(set) var end: End?
    package private(set) var failure: Failure?
    package private(set) var times = Times()
    package private(set) var stepsPerEpoch: Int?
    /// When the first process began and when the last line was written, seconds since 1970.
    package private(set) var begin: Double?
    package private(set) var latest: Double?
    /// Processes that worked on the run.
    package private(set) var starts = 0
    /// The training time since the last whole epoch, which its own line will hold.
    private var loose = Times()

    private static let mostWarnings = 100

    package init() {}

    package var steps: [Training] { stepSeries.points }
    package var epochs: [Training] { epochSeries.points }
    package var evaluations: [Evaluation] { evaluationSeries.points }

    package var lastStep: Int {
        [
            stepSeries.last.map { Int($0.step) }, epochSeries.last.map { Int($0.step) }, evaluationSeries.last?.step,
            end?.step, failure?.step,
        ].compactMap { $0 }.max() ?? 0
    }

    /// Images a second of all steps, by the training time of the epochs or windows.
    package var imagesPerSecond: Double? {
        let speeds = (epochSeries.isEmpty ? steps : epochs).compactMap(\.imagesPerSecond)
        return speeds.isEmpty ? nil : Double(speeds.count) / speeds.reduce(0) { $0 + 1 / max($1, 1e-9) }
    }

    /// Takes a failure that metrics.jsonl may have had no room for.
    package mutating func fail(_ failure: Failure) { self.failure = failure }

    /// The best evaluation by a metric, the first one of equals; the first of all where none has a value.
    package func best(by metric: Metric) -> Evaluation? { best[metric] }

    /// Adds lines of metrics.jsonl, each whole. Returns the number of those that are no events.
    @discardableResult package mutating func add(lines: some Sequence<some Collection<UInt8>>) -> Int {
        lines.reduce(0) { bad, line in
            guard !line.isEmpty else { return bad }
            guard let event = Line(line) else { return bad + 1 }
            add(event)
            return bad
        }
    }

    private mutating func add(_ line: Line) {
        if let time = line.time {
            if line.event != "start", let latest, time > latest { times.total += time - latest }
            begin = begin ?? time
            latest = time
        }
        let point = Training(
            step: Double(line.step ?? 0), loss: line.loss, accuracy: line.accuracy1, rate: line.rate,
            imagesPerSecond: line.imagesPerSecond)
        switch line.event {
        case "start":
            settle()
            starts += 1
            (end, failure, startFacts) = (nil, nil, line.words)
        case "step":
            loose.training += line.trainingSeconds ?? 0
            loose.dataWait += line.dataWaitSeconds ?? 0
            loose.communication += line.communicationSeconds ?? 0
            stepSeries.append(point)
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
            epochSeries.append(point)
        case "eval":
            times.evaluation += line.seconds ?? 0
            add(
                Evaluation(
                    epoch: line.epoch ?? 0, step: line.step ?? 0, split: line.split ?? "", loss: line.loss,
                    accuracy1: line.accuracy1, accuracy5: line.accuracy5))
        case "checkpoint": times.saving += line.stallSeconds ?? 0
        case "warning": if warnings.count < Self.mostWarnings { warnings.append(line.message ?? "") }
        case "failed":
            settle()
            failure = Failure(step: line.step ?? 0, message: line.message ?? "", exitCode: line.exitCode ?? -1)
        case "end":
            settle()
            end = End(
                step: line.step ?? 0, weightsDigest: line.weightsDigest ?? "", averageDigest: line.averageDigest,
                exitCode: line.exitCode ?? -1)
        default: break
        }
    }

    private mutating func add(_ evaluation: Evaluation) {
        evaluationSeries.append(evaluation)
        let values: [(metric: Metric, path: KeyPath<Evaluation, Double?>, sign: Double)] = [
            (.accuracy1, \.accuracy1, 1), (.accuracy5, \.accuracy5, 1), (.loss, \.loss, -1),
        ]
        for (metric, path, sign) in values {
            func value(_ evaluation: Evaluation) -> Double { evaluation[keyPath: path].map { sign * $0 } ?? -.infinity }
            if best[metric].map({ value(evaluation) > value($0) }) ?? true { best[metric] = evaluation }
        }
    }

    /// Counts the time of steps whose epoch was not ended by the process that took them.
    private mutating func settle() {
        times.training += loose.training
        times.dataWait += loose.dataWait
        times.communication += loose.communication
        loose = Times()
    }

    /// A line as it is written; what an event does not have is nil.
    private struct Line {
        let event: String
        let time, loss, accuracy1, accuracy5, rate, seconds: Double?
        let imagesPerSecond, trainingSeconds, dataWaitSeconds, communicationSeconds, stallSeconds: Double?
        let epoch, step, exitCode: Int?
        let split, message, weightsDigest, averageDigest: String?
        /// All fields that are words.
        let words: [String: String]

        private static let counts = 0...1 << 48
        private static let largest = 1e30

        /// Nil for what is no event that a run writes.
        init?(_ line: some Collection<UInt8>) {
            guard case .object(let members)? = JSON(parsing: line) else { return nil }
            let fields = Dictionary(members.map { ($0.key, $0.value) }) { first, _ in first }
            var isSound = true
            func number(_ key: String) -> Double? {
                switch fields[key] {
                case .number(let value) where abs(value) <= Self.largest: return value
                case .integer(let value): return Double(value)
                case .unsigned(let value): return Double(value)
                case nil, .null: return nil
                default:
                    isSound = false
                    return nil
                }
            }
            func count(_ key: String) -> Int? {
                switch fields[key] {
                case .integer(let value) where Self.counts.contains(value): return value
                case nil, .null: return nil
                default:
                    isSound = false
                    return nil
                }
            }
            func text(_ key: String) -> String? {
                switch fields[key] {
                case .string(let value): return value
                case nil, .null: return nil
                default:
                    isSound = false
                    return nil
                }
            }
            guard case .string(let event)? = fields["event"] else { return nil }
            self.event = event
            time = number("time")
            guard event != "start" else {
                words = fields.compactMapValues { if case .string(let text) = $0 { text } else { nil } }
                (loss, accuracy1, accuracy5, rate, seconds) = (nil, nil, nil, nil, nil)
                (imagesPerSecond, trainingSeconds, dataWaitSeconds) = (nil, nil, nil)
                (communicationSeconds, stallSeconds, epoch, step, exitCode) = (nil, nil, nil, nil, nil)
                (split, message, weightsDigest, averageDigest) = (nil, nil, nil, nil)
                if isSound { return } else { return nil }
            }
            words = [:]
            (loss, accuracy1, accuracy5) = (number("loss"), number("acc1"), number("acc5"))
            (rate, seconds, imagesPerSecond) = (number("lr"), number("seconds"), number("images_per_second"))
            (trainingSeconds, dataWaitSeconds) = (number("training_seconds"), number("data_wait_seconds"))
            (communicationSeconds, stallSeconds) = (number("communication_seconds"), number("stall_seconds"))
            (epoch, step, exitCode) = (count("epoch"), count("step"), count("exit_code"))
            (split, message) = (text("split"), text("message"))
            (weightsDigest, averageDigest) = (text("weights_sha256"), text("ema_sha256"))
            switch event {
            case "epoch": isSound = isSound && (step ?? 0) >= (epoch ?? 0)
            case "end": isSound = isSound && weightsDigest?.isEmpty == false
            default: break
            }
            guard isSound else { return nil }
        }
    }
}
