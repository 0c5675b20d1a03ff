internal import Tensors

/// Who adds which subtree of which part of a vector when V shards are shared by R ranks: a function of these two numbers alone.
///
/// A rank brings one vector for each of its largest subtrees (`ShardLayout.subtrees`). A node of the tree above them lies in pieces
/// on the ranks below it. Where both children's pieces overlap on two ranks, these meet: the lower rank keeps the lower half of the
/// overlap and the upper one the upper half, each sends the half that it gives up, and adds `lower child + upper child` of the other.
/// Where both lie on one rank, it adds them alone. Then the finished pieces travel back the same way, without what a rank has already.
///
/// Equal shares of a power of two make one vector a rank and one meeting a level: recursive halving and doubling (Thakur,
/// Rabenseifner and Gropp 2005) with the distances 1, 2, 4 …, at most 2(R − 1)/R of the vector sent by a rank. Otherwise a rank may
/// stand between two nodes of a level and take part in both: one subtree more to send at each level at most (of all V ≤ 96, the
/// rank that sends most sends 5.3 vectors: V = 86, R = 4).
///
/// Deadlock: all ranks take the meetings in one order (level, round, ranks), and in a round a rank meets one peer, so the first
/// meeting that is left always has both its ranks.
package struct ExchangeSchedule {
    /// Part of a vector of any length: bounds in units of 1/`whole`, sums of powers of a half.
    package struct Span: Equatable, Sendable {
        package let lower, upper: Int
        package static let whole = 1 << 40

        package var isEmpty: Bool { lower == upper }
        package var fraction: Double { Double(upper - lower) / Double(Self.whole) }

        /// The elements of a vector of `count`.
        package func elements(of count: Int) -> Range<Int> {
            Self.place(lower, count)..<Self.place(upper, count)
        }

        /// Halves a vector along the digits of a bound; of odd lengths the upper half has one more.
        private static func place(_ bound: Int, _ count: Int) -> Int {
            if bound == whole { return count }
            var (first, size, digit, rest) = (0, count, whole >> 1, bound)
            while rest != 0 {
                let half = size / 2
                if rest & digit != 0 {
                    first += half
                    size -= half
                    rest ^= digit
                } else {
                    size = half
                }
                digit >>= 1
            }
            return first
        }
    }

    /// A span of one of a rank's vectors.
    package struct Piece: Equatable, Sendable {
        package let vector: Int
        package let span: Span
    }

    /// What two ranks send each other at once. Both have as many pieces on either side, some of them empty.
    package final class Meeting: Sendable {
        package let peer: Int
        package let sends, receives: [Piece]
        /// Whether what arrives is added to what lies there, or takes its place.
        package let adds: Bool

        init(peer: Int, sends: [Piece], receives: [Piece], adds: Bool) {
            (self.peer, self.sends, self.receives, self.adds) = (peer, sends, receives, adds)
        }
    }

    package enum Action: Sendable {
        case meet(Meeting)
        /// Adds a span of one vector as left operand to that of another as right operand; the sum stays in the first.
        case add(lower: Int, upper: Int, span: Span)
        /// Brings a finished piece to the first vector.
        case move(Piece)
    }

    package let shards, ranks: Int
    /// What each rank does, in order; in the end the sum lies in its first vector.
    package let actions: [[Action]]

    package init(shards: Int, ranks: Int) {
        precondition(1 <= ranks && ranks <= shards, "\(ranks) ranks, \(shards) shards")
        (self.shards, self.ranks) = (shards, ranks)
        var planner = Planner(shards: shards, ranks: ranks)
        planner.plan()
        actions = planner.actions
    }

    /// The part of a vector's bytes that a rank sends in all, and in how many messages.
    package func traffic(ofRank rank: Int) -> (fraction: Double, messages: Int) {
        var (fraction, messages) = (0.0, 0)
        for case .meet(let meeting) in actions[rank] {
            fraction += meeting.sends.reduce(0) { $0 + $1.span.fraction }
            messages += 1
        }
        return (fraction, messages)
    }

    /// The part of a vector's bytes that the rank sends which sends most.
    package var largestFraction: Double { (0..<ranks).map { traffic(ofRank: $0).fraction }.max() ?? 0 }
}

/// Walks the tree and notes what the ranks do.
private struct Planner {
    typealias Span = ExchangeSchedule.Span
    typealias Piece = ExchangeSchedule.Piece

    let shards, ranks: Int
    var actions: [[ExchangeSchedule.Action]]

    /// A piece of a node on the rank that holds it.
    private struct Holding {
        let rank: Int
        let piece: Piece
    }

    /// Two children's overlap on two ranks: up to `middle` it is the lower one's.
    private struct Overlap {
        let span: Span
        let middle: Int
        let lowerVector, upperVector: Int
    }

    private struct Pair: Hashable {
        let lower, upper: Int
    }

    private struct Level {
        var overlaps: [Pair: [Overlap]] = [:]
        var additions: [(rank: Int, action: ExchangeSchedule.Action)] = []

        /// In rounds, in each of which a rank meets one peer at most.
        func rounds(ranks: Int) -> [(pair: Pair, overlaps: [Overlap])] {
            var taken = [Int: Set<Int>]()
            let pairs = overlaps.keys.sorted { ($0.lower, $0.upper) < ($1.lower, $1.upper) }
            let numbered = pairs.map { pair -> (round: Int, pair: Pair) in
                let others = taken[pair.lower, default: []].union(taken[pair.upper, default: []])
                let round = (0...).first { !others.contains($0) } ?? 0
                taken[pair.lower, default: []].insert(round)
                taken[pair.upper, default: []].insert(round)
                return (round, pair)
            }
            return numbered.sorted { ($0.round, $0.pair.lower) < ($1.round, $1.pair.lower) }
                .map { ($0.pair, overlaps[$0.pair] ?? []) }
        }
    }

    private var levels: [Level] = []
    /// Largest subtrees of each rank that the walk has come by, from the left.
    private var vectorsSeen: [Int]

    init(shards: Int, ranks: Int) {
        (self.shards, self.ranks) = (shards, ranks)
        actions = Array(repeating: [], count: ranks)
        vectorsSeen = Array(repeating: 0, count: ranks)
    }

    mutating func plan() {
        var height = 0
        while 1 << height < shards { height += 1 }
        levels = Array(repeating: Level(), count: height + 1)
        let root = holdings(ofNode: 0, level: height)
        let rounds = levels.map { $0.rounds(ranks: ranks) }
        for (level, meetings) in zip(levels, rounds) {
            for (pair, overlaps) in meetings { reduce(pair, overlaps) }
            for (rank, action) in level.additions { actions[rank].append(action) }
        }
        var finished = Array(repeating: Spans(), count: ranks)
        for holding in root {
            finished[holding.rank].add(holding.piece.span)
            if holding.piece.vector > 0 { actions[holding.rank].append(.move(holding.piece)) }
        }
        for meetings in rounds.reversed() {
            for (pair, overlaps) in meetings { gather(pair, overlaps, &finished) }
        }
    }

    /// Where the pieces of a node lie when its sum is made, in the order of the vector.
    private mutating func holdings(ofNode number: Int, level: Int) -> [Holding] {
        let size = 1 << level
        let (first, last) = (number * size, min(number * size + size, shards) - 1)
        let owner = ShardLayout.owner(ofShard: first, ranks: ranks, shards: shards)
        if owner == ShardLayout.owner(ofShard: last, ranks: ranks, shards: shards) {
            defer { vectorsSeen[owner] += 1 }
            let whole = Span(lower: 0, upper: Span.whole)
            return [Holding(rank: owner, piece: Piece(vector: vectorsSeen[owner], span: whole))]
        }
        let lower = holdings(ofNode: 2 * number, level: level - 1)
        guard first + size / 2 <= last else { return lower }
        return join(lower, holdings(ofNode: 2 * number + 1, level: level - 1), level: level)
    }

    private mutating func join(_ lower: [Holding], _ upper: [Holding], level: Int) -> [Holding] {
        var joined: [Holding] = []
        func hold(_ rank: Int, _ vector: Int, _ lower: Int, _ upper: Int) {
            if let last = joined.last, last.rank == rank, last.piece.vector == vector {
                joined.removeLast()
                let span = Span(lower: last.piece.span.lower, upper: upper)
                joined.append(Holding(rank: rank, piece: Piece(vector: vector, span: span)))
            } else {
                joined.append(Holding(rank: rank, piece: Piece(vector: vector, span: Span(lower: lower, upper: upper))))
            }
        }
        var (i, j, start) = (0, 0, 0)
        while start < Span.whole {
            let (left, right) = (lower[i], upper[j])
            let end = min(left.piece.span.upper, right.piece.span.upper)
            let span = Span(lower: start, upper: end)
            if left.rank == right.rank {
                levels[level].additions.append(
                    (left.rank, .add(lower: left.piece.vector, upper: right.piece.vector, span: span)))
                hold(left.rank, left.piece.vector, start, end)
            } else {
                let middle = start + (end - start) / 2
                levels[level].overlaps[Pair(lower: left.rank, upper: right.rank), default: []].append(
                    Overlap(
                        span: span, middle: middle, lowerVector: left.piece.vector, upperVector: right.piece.vector))
                hold(left.rank, left.piece.vector, start, middle)
                hold(right.rank, right.piece.vector, middle, end)
            }
            if left.piece.span.upper == end { i += 1 }
            if right.piece.span.upper == end { j += 1 }
            start = end
        }
        return joined
    }

    private mutating func reduce(_ pair: Pair, _ overlaps: [Overlap]) {
        let lower = overlaps.map { Span(lower: $0.span.lower, upper: $0.middle) }
        let upper = overlaps.map { Span(lower: $0.middle, upper: $0.span.upper) }
        func pieces(_ spans: [Span], _ vector: (Overlap) -> Int) -> [Piece] {
            zip(spans, overlaps).map { Piece(vector: vector($1), span: $0) }
        }
        actions[pair.lower].append(
            .meet(
                ExchangeSchedule.Meeting(
                    peer: pair.upper, sends: pieces(upper, \.lowerVector), receives: pieces(lower, \.lowerVector),
                    adds: true)))
        actions[pair.upper].append(
            .meet(
                ExchangeSchedule.Meeting(
                    peer: pair.lower, sends: pieces(lower, \.upperVector), receives: pieces(upper, \.upperVector),
                    adds: true)))
    }

    /// Both ranks of a meeting get the whole overlap again, as far as they have not got it from others.
    private mutating func gather(_ pair: Pair, _ overlaps: [Overlap], _ finished: inout [Spans]) {
        var upward: [Piece] = []
        var downward: [Piece] = []
        for overlap in overlaps {
            let (lower, upper) = (
                Span(lower: overlap.span.lower, upper: overlap.middle),
                Span(lower: overlap.middle, upper: overlap.span.upper)
            )
            upward += finished[pair.upper].missing(from: lower).map { Piece(vector: 0, span: $0) }
            downward += finished[pair.lower].missing(from: upper).map { Piece(vector: 0, span: $0) }
        }
        guard !upward.isEmpty || !downward.isEmpty else { return }
        for piece in upward { finished[pair.upper].add(piece.span) }
        for piece in downward { finished[pair.lower].add(piece.span) }
        let none = Piece(vector: 0, span: Span(lower: 0, upper: 0))
        let count = max(upward.count, downward.count)
        upward += Array(repeating: none, count: count - upward.count)
        downward += Array(repeating: none, count: count - downward.count)
        actions[pair.lower].append(
            .meet(ExchangeSchedule.Meeting(peer: pair.upper, sends: upward, receives: downward, adds: false)))
        actions[pair.upper].append(
            .meet(ExchangeSchedule.Meeting(peer: pair.lower, sends: downward, receives: upward, adds: false)))
    }
}

/// A set of places, as spans in order of which no two touch.
private struct Spans {
    private var spans: [ExchangeSchedule.Span] = []

    mutating func add(_ span: ExchangeSchedule.Span) {
        var (lower, upper) = (span.lower, span.upper)
        spans.removeAll { other in
            guard other.lower <= upper, lower <= other.upper else { return false }
            (lower, upper) = (min(lower, other.lower), max(upper, other.upper))
            return true
        }
        let place = spans.firstIndex { $0.lower > lower } ?? spans.count
        spans.insert(ExchangeSchedule.Span(lower: lower, upper: upper), at: place)
    }

    /// The parts of a span that are not in the set.
    func missing(from span: ExchangeSchedule.Span) -> [ExchangeSchedule.Span] {
        var parts: [ExchangeSchedule.Span] = []
        var lower = span.lower
        for other in spans where other.upper > lower && other.lower < span.upper {
            if other.lower > lower { parts.append(ExchangeSchedule.Span(lower: lower, upper: other.lower)) }
            lower = max(lower, other.upper)
        }
        if lower < span.upper { parts.append(ExchangeSchedule.Span(lower: lower, upper: span.upper)) }
        return parts
    }
}
