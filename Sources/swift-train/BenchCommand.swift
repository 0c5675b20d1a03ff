internal import ArgumentParser
internal import DataParallel
internal import Diagnostics
internal import Foundation
internal import Layers
internal import Models
internal import Tensors
internal import Training

struct BenchCommand: Command {
    static let configuration = CommandConfiguration(
        commandName: "bench", abstract: "Time the training step, or the inference, of a network on images in memory.")

    @Argument(help: "The network.", completion: .list(ModelRegistry.names))
    var model: String

    @Option(help: "Samples of a step, over all ranks.")
    var batch = 32

    @Option(help: "Logical shards of the batch.")
    var shards = 4

    @Option(help: "Threads of each rank; default: its share of the cores.")
    var threads: Int?

    @Option(help: "How long to measure.")
    var seconds = 3.0

    @Flag(help: "Time what evaluation does with a block of images instead of the training step.")
    var inference = false

    @Flag(help: "Print one JSON object.")
    var json = false

    func validate() throws {
        guard ModelRegistry.names.contains(model) else {
            throw ValidationError("\(model) is no network; known: \(ModelRegistry.names.joined(separator: ", "))")
        }
        guard shards > 0, shards & (shards - 1) == 0, batch > 0, batch % shards == 0 else {
            throw ValidationError(
                "--batch \(batch) --shards \(shards): expected shards to be a power of two and batch a multiple of it")
        }
        guard seconds > 0, seconds <= 3600 else { throw ValidationError("--seconds \(seconds): expected up to 3600") }
        if let threads, threads < 1 || threads > 1024 {
            throw ValidationError("--threads \(threads): expected 1…1024")
        }
    }

    mutating func execute(over communicator: any Communicator, environment: [String: String]) throws -> ExitCode {
        guard let usual = ModelRegistry.usual(model),
            let description = ModelRegistry.description(
                ModelRequest(name: model, input: usual.input, classes: usual.classes))
        else { throw Failure(.usage, "\(model) is no network") }
        guard batch % communicator.size == 0 else {
            throw Failure(
                .usage, "--batch \(batch) on \(communicator.size) ranks: expected a multiple of the number of ranks")
        }
        let pool = try RankAgreement.together(communicator) {
            try BLAS.load()
            return try ThreadPool(threads: threads ?? Machine.defaultThreads(localRanks: communicator.localSize))
        }
        let work: Benchmark.Work = inference ? .inference : .training
        let benchmark = try Benchmark(
            work, network: Network(description), batchSize: batch, shards: shards, communicator: communicator,
            pool: pool)
        let result = try benchmark.run(seconds: seconds)
        guard communicator.rank == 0 else { return .done }
        if json {
            print(
                try JSONLine.text([
                    "model": model, "work": work.rawValue, "batch": batch, "shards": shards, "ranks": communicator.size,
                    "threads": pool.threads, "isa": Machine.kernelSet, "steps": result.steps,
                    "images_per_second": result.imagesPerSecond, "step_ms_median": result.stepMillisecondsMedian,
                    "step_ms_min": result.stepMillisecondsMinimum, "peak_rss_bytes": result.peakResidentBytes,
                    "gflops": result.gigaflops, "fma_peak_gflops": result.peakGigaflops,
                ]))
        } else {
            let shape = inference ? "inference, batch \(batch)" : "batch \(batch) in \(shards) shards"
            print("\(model), \(shape), \(communicator.size) ranks × \(pool.threads) threads")
            print("kernels        \(Machine.kernelSet)")
            print("images/s       \(decimal(result.imagesPerSecond, 1))")
            print(
                "ms a \(inference ? "block" : "step")      \(decimal(result.stepMillisecondsMedian, 3)) median, "
                    + "\(decimal(result.stepMillisecondsMinimum, 3)) minimum")
            print(
                "GFLOP/s        \(decimal(result.gigaflops, 1)) of \(decimal(result.peakGigaflops, 1)), "
                    + "the FMA peak of the cores in use")
            print("peak memory    \(result.peakResidentBytes >> 20) MiB a rank")
        }
        return .done
    }

    private func decimal(_ value: Double, _ digits: Int) -> String { String(format: "%.\(digits)f", value) }
}
