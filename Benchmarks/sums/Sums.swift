internal import DataParallel
internal import Foundation
internal import Tensors

/// Times the sum of one gradient over ranks, beside a plain one: each rank adds its vectors as they come, MPI_Allreduce does the rest
/// in an order of its own. Both have all vectors ready; what computes them is not timed.
///
/// Usage: mpirun -np R sums SHARDS ELEMENTS SECONDS; rank 0 prints one JSON object. `Benchmarks/compare-sums` runs it.
@main
struct Sums {
    let communicator: MPICommunicator
    let tree: GradientTree
    let vectors: VectorRows<Float>

    static func main() throws {
        let numbers = CommandLine.arguments.dropFirst().map { Double($0) ?? 0 }
        guard numbers.count == 3, numbers[0] >= 1, numbers[1] >= 1, numbers[2] > 0 else {
            FileHandle.standardError.write(Data("usage: mpirun -np R sums SHARDS ELEMENTS SECONDS\n".utf8))
            exit(64)
        }
        let communicator = try MPICommunicator()
        let sums = try Sums(communicator, shards: Int(numbers[0]), elements: Int(numbers[1]))
        let result = try sums.run(seconds: numbers[2])
        if communicator.rank == 0 {
            print(
                "{\"ranks\":\(communicator.size),\"shards\":\(Int(numbers[0])),\"elements\":\(Int(numbers[1])),\(result)}"
            )
        }
        try communicator.finalize()
    }

    private init(_ communicator: MPICommunicator, shards: Int, elements: Int) throws {
        let layout = try ShardLayout(shards: shards, ranks: communicator.size, rank: communicator.rank)
        tree = GradientTree(
            communicator: communicator, layout: layout, gradientCount: elements, statisticCount: 0)
        let stride = (elements + 15) & ~15
        // Zeros stay zeros, however often they are added. Lives as long as the process.
        let memory = UnsafeMutablePointer<Float>.allocate(capacity: tree.rows * stride)
        memory.initialize(repeating: 0, count: tree.rows * stride)
        vectors = VectorRows(base: memory, count: elements, stride: stride, rows: tree.rows)
        self.communicator = communicator
    }

    private func run(seconds: Double) throws -> String {
        var (orderedTimes, plainTimes): ([Double], [Double]) = ([], [])
        for _ in 0..<3 {
            _ = try time(ordered)
            _ = try time(plain)
        }
        let sentBefore = communicator.bytesSent
        try ordered()
        let sent = try communicator.largest(Double(communicator.bytesSent - sentBefore))
        var spent = 0.0
        while spent < seconds || orderedTimes.count < 5 {
            // They take turns at going first.
            let isOrderedFirst = orderedTimes.count % 2 == 0
            if isOrderedFirst { orderedTimes.append(try time(ordered)) }
            plainTimes.append(try time(plain))
            if !isOrderedFirst { orderedTimes.append(try time(ordered)) }
            spent += orderedTimes[orderedTimes.count - 1] + plainTimes[plainTimes.count - 1]
        }
        func median(_ times: [Double]) -> Double { times.sorted()[times.count / 2] * 1e3 }
        return "\"rounds\":\(orderedTimes.count),\"sent_bytes\":\(Int(sent)),"
            + "\"ordered_ms_median\":\(median(orderedTimes)),\"plain_ms_median\":\(median(plainTimes))"
    }

    private func ordered() throws { try tree.allReduce(gradients: vectors, statistics: .none) }

    private func plain() throws {
        guard let sum = vectors[0].baseAddress else { return }
        for row in 1..<max(1, vectors.rows) {
            guard let other = vectors[row].baseAddress else { return }
            ElementwiseSum.sum(sum, other, count: vectors.count, into: sum)
        }
        try communicator.unorderedSum(vectors[0])
    }

    /// Seconds on the slowest rank, from where all begin.
    private func time(_ body: () throws -> Void) throws -> Double {
        try communicator.barrier()
        let start = ContinuousClock.now
        try body()
        let elapsed = (ContinuousClock.now - start).components
        return try communicator.largest(Double(elapsed.seconds) + Double(elapsed.attoseconds) * 1e-18)
    }
}
