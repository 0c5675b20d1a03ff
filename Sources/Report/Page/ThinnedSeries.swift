/// What a series can join where it has too many points.
package protocol Thinnable: Equatable, Sendable {
    /// What stands for neighbours; there is at least one.
    static func joined(_ points: ArraySlice<Self>) -> Self
}

/// A series in bounded memory: the longer it gets, the more neighbours each of its points stands for.
package struct ThinnedSeries<Point: Thinnable>: Equatable, Sendable {
    /// At most this many points are kept.
    private let limit: Int
    private var whole: [Point] = []
    private var rest: [Point] = []
    private var perPoint = 1

    package init(limit: Int = 2_048) { self.limit = limit }

    /// In their order; the last one may stand for fewer.
    package var points: [Point] { rest.isEmpty ? whole : whole + [Point.joined(rest[...])] }

    package var isEmpty: Bool { whole.isEmpty && rest.isEmpty }
    package var last: Point? { rest.last ?? whole.last }

    package mutating func append(_ point: Point) {
        rest.append(point)
        guard rest.count == perPoint else { return }
        whole.append(Point.joined(rest[...]))
        rest = []
        guard whole.count >= limit else { return }
        whole = stride(from: 0, to: whole.count, by: 2).map { Point.joined(whole[$0..<min($0 + 2, whole.count)]) }
        perPoint *= 2
    }
}
