internal import ArgumentParser
internal import DataParallel
internal import Diagnostics
internal import Layers
internal import Models
internal import Tensors
internal import Training

struct BenchCommand: Command {
    static let configuration = CommandConfiguration(
        commandName: "bench", abstract: "Time the training step of a network on images in memory.")

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
        BLAS.useOneThread()
        let pool = try ThreadPool(threads: threads ?? Machine.defaultThreads(localRanks: communicator.localSize))
        let benchmark = try Benchmark(
            network: Network(description), batchSize: batch, shards: shards, communicator: communicator, pool: pool)
        let result = try benchmark.run(seconds: seconds)
        guard communicator.rank == 0 else { return .done }
        if json {
            print(
                try JSONLine.text([
                    "model": model, "batch": batch, "shards": shards, "ranks": communicator.size,
                    "threads": pool.threads, "isa": Machine.kernelSet, "steps": result.steps,
                    "images_per_second": result.imagesPerSecond, "step_ms_median": result.stepMillisecondsMedian,
                    "step_ms_min": result.stepMillisecondsMinimum, "peak_rss_bytes": result.peakResidentBytes,
                    "gflops": result.gigaflops, "fma_peak_gflops": result.peakGigaflops,
                ]))
        } else {
            print("\(model), batch \(batch) in \(shards) shards, \(communicator.size) ranks × \(pool.threads) threads")
            print("kernels        \(Machine.kernelSet)")
            print("images/s       \(Int(result.imagesPerSecond))")
            print("ms per step    \(result.stepMillisecondsMedian) median, \(result.stepMillisecondsMinimum) minimum")
            print("GFLOP/s        \(result.gigaflops) of \(result.peakGigaflops), the FMA peak of the cores in use")
            print("peak memory    \(result.peakResidentBytes >> 20) MiB a rank")
        }
        return .done
    }
}
