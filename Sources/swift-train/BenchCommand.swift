internal import ArgumentParser
internal import DataParallel
internal import Diagnostics
internal import Layers
internal import Report
internal import Tensors
internal import Training

struct BenchCommand: Command {
    static let configuration = CommandConfiguration(
        commandName: "bench", abstract: "Time the training step, or the inference, of a network on images in memory.",
        discussion: NetworkChoice.namesHelp)

    @OptionGroup var choice: NetworkChoice

    @Option(parsing: .unconditional, help: ArgumentHelp("Samples of a step, over all ranks.", valueName: "n"))
    var batch = 32

    @Option(parsing: .unconditional, help: ArgumentHelp("Logical shards of the batch.", valueName: "n"))
    var shards = 4

    @OptionGroup var parallel: ThreadOption

    @Option(parsing: .unconditional, help: ArgumentHelp("How long to measure.", valueName: "seconds"))
    var seconds = 3.0

    @Flag(
        help:
            "Time what evaluation does with a batch of images instead of the training step; of --layer the forward pass alone."
    )
    var inference = false

    @Option(
        help: ArgumentHelp(
            "Which engine computes: auto, blocks, or reference, which makes matrix products of convolutions (im2col); the configuration's, or auto.",
            valueName: "name"))
    var engine: EngineChoice?

    @Option(
        help: ArgumentHelp(
            "How blocks of channels are convolved: direct, winograd or auto; the configuration's, or direct.",
            valueName: "name"))
    var convolution: ConvolutionChoice?

    @Flag(help: "Print one JSON object.")
    var json = false

    func validate() throws {
        guard (1...1 << 20).contains(batch) else { throw ValidationError("--batch \(batch): expected 1…1048576") }
        guard (1...65_536).contains(shards) else { throw ValidationError("--shards \(shards): expected 1…65536") }
        guard batch % shards == 0 else {
            throw ValidationError("--batch \(batch) --shards \(shards): expected batch to be a multiple of shards")
        }
        guard seconds > 0, seconds <= 3600 else { throw ValidationError("--seconds \(seconds): expected up to 3600") }
    }

    mutating func execute(over communicator: any Communicator, environment: [String: String]) throws -> ExitCode {
        let text = try ConfigurationFile.text(ofFile: choice.config, over: communicator)
        var (network, options, checkpointing) = try RankAgreement.together(communicator) {
            try choice.network(configuration: text, isFragment: !choice.layer.isEmpty)
        }
        options.engine = engine ?? options.engine
        options.convolution = convolution ?? options.convolution
        guard network.description.input.rank == 3 else {
            throw Failure(
                .usage,
                "--input \(network.description.input): images of this shape are not timed, expected CHANNELSxHEIGHTxWIDTH"
            )
        }
        let work: Benchmark.Work = inference ? .inference : choice.layer.isEmpty ? .training : .layers
        guard work == .training || batch % communicator.size == 0 else {
            throw Failure(
                .usage, "--batch \(batch) on \(communicator.size) ranks: expected a multiple of the number of ranks")
        }
        let pool = try RankAgreement.together(communicator) {
            try BLAS.load()
            return try ThreadPool(
                threads: parallel.threads ?? Machine.defaultThreads(localRanks: communicator.localSize))
        }
        func benchmark(_ work: Benchmark.Work) throws -> Benchmark {
            try RankAgreement.together(communicator) {
                do {
                    return try Benchmark(
                        work, network: network, batchSize: batch, shards: shards, options: options,
                        checkpointing: checkpointing, communicator: communicator, pool: pool)
                } catch let error as Arena.OutOfMemory {
                    throw Failure(.internalError, "\(error); lower --batch, or use more ranks")
                }
            }
        }
        // Of layers both are of interest: what they take forward, and with what training adds.
        let forward = work == .layers ? try benchmark(.inference).run(seconds: seconds / 2) : nil
        let whole = try benchmark(work)
        let result = try whole.run(seconds: work == .layers ? seconds / 2 : seconds)
        try RankAgreement.together(communicator) {
            guard communicator.rank == 0 else { return }
            let report = BenchReport(
                name: network.description.name, work: work, batch: batch, shards: shards, ranks: communicator.size,
                threads: pool.threads, engine: whole.engine, result: result, forward: forward)
            try StandardOutput.line(json ? report.json.text() : report.text)
        }
        return .done
    }
}

/// A measurement as text and as JSON.
private struct BenchReport {
    let name: String
    let work: Benchmark.Work
    let batch: Int
    let shards: Int
    let ranks: Int
    let threads: Int
    let engine: String
    let result: Benchmark.Result
    /// Of layers: the forward pass alone.
    let forward: Benchmark.Result?

    /// A mean so many times the median is due to something else than the program.
    private static let quietRatio = 1.5
    /// Of all cores; a quiet system uses less for itself.
    private static let largestShareOfOthers = 0.1

    /// What it costs that ranks have different shares; nil where they have not.
    private var shares: String? {
        (try? ShardLayout(shards: shards, ranks: ranks, rank: 0))?.unevenness(batchSize: batch)
    }

    private var meanMilliseconds: Double { Double(batch) / result.imagesPerSecond * 1e3 }

    /// Why the figures say little about the program; nil when all seems well.
    private var doubt: String? {
        if let share = result.othersShare, share > Self.largestShareOfOthers {
            return "other processes took \(NumberText.percent(share)) of its cores meanwhile"
        }
        if meanMilliseconds > Self.quietRatio * result.stepMillisecondsMedian {
            return "mean and median differ much"
        }
        return result.gigaflops > result.peakGigaflops ? "more than the peak that was measured before" : nil
    }

    var json: JSON {
        [
            "model": .string(name), "work": .string(work.rawValue), "batch": .integer(batch),
            "shards": .integer(shards), "ranks": .integer(ranks), "threads": .integer(threads),
            "isa": .string(Machine.kernelSet), "engine": .string(engine), "steps": .integer(result.steps),
            "images_per_second": .number(result.imagesPerSecond), "step_ms_mean": .number(meanMilliseconds),
            "step_ms_median": .number(result.stepMillisecondsMedian),
            "step_ms_min": .number(result.stepMillisecondsMinimum),
            "peak_rss_bytes": .integer(result.peakResidentBytes), "sent_bytes": .integer(result.sentBytes),
            "gflops": .number(result.gigaflops),
            "fma_peak_gflops": .number(result.peakGigaflops), "machine_seems_busy": .boolean(doubt != nil),
            "others_share": .optional(result.othersShare, JSON.number),
            "forward_ms_median": .optional(forward?.stepMillisecondsMedian, JSON.number),
        ]
    }

    var text: String {
        let shape =
            switch work {
            case .training: "batch \(batch) in \(shards) shards"
            case .inference: "inference, batch \(batch)"
            case .layers: "forward and backward, batch \(batch)"
            }
        let milliseconds = [
            (result.stepMillisecondsMedian, "median"), (meanMilliseconds, "mean"),
            (result.stepMillisecondsMinimum, "minimum"),
        ].map { "\(NumberText.decimal($0, 3)) \($1)" }.joined(separator: ", ")
        let title = [
            name, shape, "\(NumberText.counted(ranks, "rank")) × \(NumberText.counted(threads, "thread"))",
        ]
        var facts = [
            ("kernels", Machine.kernelSet), ("engine", engine),
            ("images/s", NumberText.decimal(result.imagesPerSecond, 1)),
            ("ms a \(work == .training ? "step" : "batch")", milliseconds),
            (
                "GFLOP/s",
                "\(NumberText.decimal(result.gigaflops, 1)), \(NumberText.percent(result.gigaflops / max(result.peakGigaflops, 1e-9))) "
                    + "of \(NumberText.decimal(result.peakGigaflops, 1)), the FMA peak of the cores in use"
            ),
            ("peak memory", "\(NumberText.megabytes(result.peakResidentBytes)) a rank"),
        ]
        if let forward {
            facts.insert(
                (
                    "forward alone",
                    "\(NumberText.decimal(forward.stepMillisecondsMedian, 3)) ms median, "
                        + "\(NumberText.decimal(forward.imagesPerSecond, 1)) images/s"
                ), at: 4)
        }
        if work == .training, ranks > 1 {
            facts.append(("sent", "\(NumberText.counted(result.sentBytes, "byte")) a step by the rank that sends most"))
            if let shares { facts.append(("shares", shares)) }
        }
        if let doubt { facts.append(("warning", "the machine seems busy: \(doubt)")) }
        return ([title.joined(separator: ", ")] + TextTable(facts: facts).lines).joined(separator: "\n")
    }
}

extension EngineChoice: ExpressibleByArgument {}
extension ConvolutionChoice: ExpressibleByArgument {}
