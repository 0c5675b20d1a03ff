import Testing

@testable import Tensors

/// Compares a gradient with central differences, in double.
///
/// `forward` maps x to y and `backward` x and dy to dx. The differences of L = Σ dy · y over ±h are off by h² · y‴/6 and by
/// rounding, 1e-16 · L / h; with h = 1e-5 and values about 1 that is some 1e-10 of the largest gradient.
func expectGradient(
    _ what: String, at x: [Double], outputs: Int, _ randoms: inout Randoms, tolerance: Double = 1e-8,
    forward: ([Double]) -> [Double], backward: (_ x: [Double], _ dy: [Double]) -> [Double],
    sourceLocation: SourceLocation = #_sourceLocation
) {
    let dy = randoms.floats(outputs).map(Double.init)
    let dx = backward(x, dy)
    let largest = dx.reduce(1e-3) { max($0, abs($1)) }
    func loss(_ x: [Double]) -> Double { zip(forward(x), dy).reduce(0.0) { $0 + $1.0 * $1.1 } }
    #expect(dx.count == x.count, "\(what)", sourceLocation: sourceLocation)
    for index in x.indices {
        let h = 1e-5
        var moved = x
        moved[index] = x[index] + h
        let above = loss(moved)
        moved[index] = x[index] - h
        let difference = (above - loss(moved)) / (2 * h)
        #expect(
            abs(difference - dx[index]) <= tolerance * largest,
            "\(what): element \(index) has \(dx[index]), the difference is \(difference)",
            sourceLocation: sourceLocation)
    }
}
