@testable import Layers
@testable import Tensors

/// Random numbers and shapes for property tests: the same ones in every run.
struct PropertyDraws {
    private var stream: RandomStream

    init(id: UInt64) { stream = RandomStream(seed: 4, purpose: .synthetic, id: id) }

    mutating func integer(in range: ClosedRange<Int>) -> Int {
        range.lowerBound + Int(stream.next(below: UInt32(range.count)))
    }

    mutating func element<T>(of values: [T]) -> T { values[integer(in: 0...values.count - 1)] }

    mutating func floats(_ count: Int) -> [Float] { (0..<count).map { _ in Float(stream.nextNormal()) } }
}

extension LayerProbe {
    /// One run with all samples in one shard.
    static func result(
        _ layer: any Layer, input: Shape, x: [Float], dy: [Float]? = nil, parameters: [[Float]] = []
    ) throws -> Result {
        let samples = x.count / input.count
        let output = try layer.outputShape(for: [input])
        return try LayerProbe(layer, input: input, Arrangement(shards: 1, imagesPerShard: samples, threads: 1))
            .run(x: x, dy: dy ?? [Float](repeating: 0, count: samples * output.count), parameters: parameters)
    }
}
