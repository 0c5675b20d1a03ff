import Foundation
import Testing

@testable import DataParallel

/// The schedule alone, without threads or messages: ranks' vectors as arrays, and an interpreter that checks every step.
@Suite("Schedule of exchanges between ranks")
struct ExchangeScheduleTests {
    private typealias Piece = ExchangeSchedule.Piece

    /// What the ranks hold while a schedule runs.
    private struct World {
        let count: Int
        var vectors: [[[Float]]]
        var elementsSent: [Int]

        init(_ leaves: [[Float]], ranks: Int) throws {
            count = leaves[0].count
            vectors = try (0..<ranks).map { rank in
                try ShardLayout(shards: leaves.count, ranks: ranks, rank: rank).subtrees.map {
                    referenceTree(Array(leaves[$0]))
                }
            }
            elementsSent = Array(repeating: 0, count: ranks)
        }

        /// Does what both ranks of a meeting do, and expects that it fits.
        mutating func meet(
            _ lower: Int, _ own: ExchangeSchedule.Meeting, _ upper: Int, _ other: ExchangeSchedule.Meeting
        ) {
            #expect(own.peer == upper && other.peer == lower && own.adds == other.adds)
            #expect(own.sends.map(\.span) == other.receives.map(\.span))
            #expect(own.receives.map(\.span) == other.sends.map(\.span))
            let upward = own.sends.map { values(lower, $0) }
            let downward = other.sends.map { values(upper, $0) }
            elementsSent[lower] += upward.reduce(0) { $0 + $1.count }
            elementsSent[upper] += downward.reduce(0) { $0 + $1.count }
            for (piece, arrived) in zip(own.receives, downward) {
                let sum = zip(values(lower, piece), arrived).map { $0 + $1 }
                put(own.adds ? sum : arrived, lower, piece)
            }
            for (piece, arrived) in zip(other.receives, upward) {
                let sum = zip(arrived, values(upper, piece)).map { $0 + $1 }
                put(other.adds ? sum : arrived, upper, piece)
            }
        }

        mutating func alone(_ rank: Int, _ action: ExchangeSchedule.Action) {
            switch action {
            case .meet: Issue.record("rank \(rank) meets nobody")
            case .add(let lower, let upper, let span):
                let (left, right) = (Piece(vector: lower, span: span), Piece(vector: upper, span: span))
                put(zip(values(rank, left), values(rank, right)).map { $0 + $1 }, rank, left)
            case .move(let piece): put(values(rank, piece), rank, Piece(vector: 0, span: piece.span))
            }
        }

        private func values(_ rank: Int, _ piece: Piece) -> [Float] {
            Array(vectors[rank][piece.vector][piece.span.elements(of: count)])
        }

        private mutating func put(_ values: [Float], _ rank: Int, _ piece: Piece) {
            vectors[rank][piece.vector].replaceSubrange(piece.span.elements(of: count), with: values)
        }
    }

    /// Runs all ranks, each as far as its peers have come. Fails where nobody can go on.
    private func run(_ schedule: ExchangeSchedule, _ leaves: [[Float]]) throws -> World {
        var world = try World(leaves, ranks: schedule.ranks)
        var next = Array(repeating: 0, count: schedule.ranks)
        func action(_ rank: Int) -> ExchangeSchedule.Action? {
            next[rank] < schedule.actions[rank].count ? schedule.actions[rank][next[rank]] : nil
        }
        var moved = true
        while moved {
            moved = false
            for rank in 0..<schedule.ranks {
                while let action = action(rank) {
                    if case .meet(let own) = action {
                        guard case .meet(let other) = (own.peer > rank ? self.peer(own.peer, schedule, next) : nil),
                            other.peer == rank
                        else { break }
                        world.meet(rank, own, own.peer, other)
                        next[own.peer] += 1
                    } else {
                        world.alone(rank, action)
                    }
                    next[rank] += 1
                    moved = true
                }
            }
        }
        #expect(next == schedule.actions.map(\.count), "\(schedule.ranks) ranks, \(schedule.shards) shards: deadlock")
        return world
    }

    private func peer(_ rank: Int, _ schedule: ExchangeSchedule, _ next: [Int]) -> ExchangeSchedule.Action? {
        next[rank] < schedule.actions[rank].count ? schedule.actions[rank][next[rank]] : nil
    }

    private func check(shards: Int, ranks: Int, count: Int) throws {
        let leaves = shardVectors(shards, count: count, seed: 100 * shards + ranks, ordinary: true)
        let expected = referenceTree(leaves)
        let schedule = ExchangeSchedule(shards: shards, ranks: ranks)
        let world = try run(schedule, leaves)
        for rank in 0..<ranks {
            #expect(sameBits(world.vectors[rank][0], expected), "rank \(rank) of \(ranks), \(shards) shards")
            let traffic = schedule.traffic(ofRank: rank)
            let rounding = Double(8 * traffic.messages + 8)
            #expect(abs(Double(world.elementsSent[rank]) - traffic.fraction * Double(count)) <= rounding)
        }
    }

    @Test("up to 32 shards on every number of ranks: the bits of the serial tree, every message received, no deadlock")
    func all() throws {
        for shards in 1...32 {
            for ranks in 1...shards { try check(shards: shards, ranks: ranks, count: 203) }
        }
    }

    @Test("some larger ones", arguments: [33, 48, 60, 64, 65, 80, 96])
    func larger(shards: Int) throws {
        for ranks in [1, 2, 3, 5, 7, 12, 24, 31, 47, 48, 64, 65, 80, 95, 96] where ranks <= shards {
            try check(shards: shards, ranks: ranks, count: 301)
        }
    }

    @Test("vectors of fewer elements than ranks")
    func short() throws {
        for count in 0...5 {
            for ranks in 1...13 { try check(shards: 13, ranks: ranks, count: count) }
        }
    }

    @Test(
        "equal shares of a power of two: one meeting a level with the ranks at distance 1, 2, 4 …, halves, 2(R - 1)/R in all"
    )
    func powersOfTwo() {
        for ranks in [1, 2, 4, 8, 16] {
            for shards in [ranks, 4 * ranks] {
                let schedule = ExchangeSchedule(shards: shards, ranks: ranks)
                for rank in 0..<ranks {
                    let distances = (0..<ranks.trailingZeroBitCount).map { 1 << $0 }
                    let meetings = schedule.actions[rank].compactMap { action -> ExchangeSchedule.Meeting? in
                        if case .meet(let meeting) = action { meeting } else { nil }
                    }
                    #expect(meetings.count == schedule.actions[rank].count)
                    #expect(meetings.map(\.peer) == (distances + distances.reversed()).map { rank ^ $0 })
                    #expect(meetings.allSatisfy { $0.sends.count == 1 && $0.receives.count == 1 })
                    let fractions = distances.map { 0.5 / Double($0) }
                    #expect(meetings.map { $0.sends[0].span.fraction } == fractions + fractions.reversed())
                    #expect(schedule.traffic(ofRank: rank).fraction == 2 * Double(ranks - 1) / Double(ranks))
                }
            }
        }
    }

    @Test("a rank sends at most one subtree more a level than with equal shares of a power of two; examples")
    func bytes() {
        func fractions(_ shards: Int, _ ranks: Int) -> [Double] {
            let schedule = ExchangeSchedule(shards: shards, ranks: ranks)
            return (0..<ranks).map { schedule.traffic(ofRank: $0).fraction }
        }
        #expect(fractions(3, 3) == [1.5, 1.5, 1] && fractions(8, 3).max() == 2.75 && fractions(8, 6).max() == 1.75)
        for shards in 1...48 {
            let levels = Double((0...).first { 1 << $0 >= shards } ?? 0)
            for ranks in 1...shards {
                let largest = fractions(shards, ranks).max() ?? 0
                let even = 2 * Double(ranks - 1) / Double(ranks)
                #expect(largest <= even + levels, "\(ranks) ranks, \(shards) shards: \(largest)")
            }
        }
    }

    @Test("the table of docs/launching.md holds what ranks send")
    func table() throws {
        let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent()
        let text = try String(contentsOf: root.appending(path: "docs/launching.md"), encoding: .utf8)
        func words(_ value: Double) -> String {
            let hundredths = Int(100 * value + 0.5)
            return "\(hundredths / 100).\(hundredths % 100 < 10 ? "0" : "")\(hundredths % 100)"
        }
        for shards in [8, 12, 16, 24, 48] {
            let cells = (2...8).map { ranks in
                let schedule = ExchangeSchedule(shards: shards, ranks: ranks)
                let fractions = (0..<ranks).map { schedule.traffic(ofRank: $0).fraction }
                return "\(words(fractions.reduce(0, +) / Double(ranks))), \(words(fractions.max() ?? 0))"
            }
            #expect(text.contains("| \(shards) | \(cells.joined(separator: " | ")) |"))
        }
    }

    @Test("many ranks are planned in little time", arguments: [(4_096, 4_096), (6_000, 4_097), (65_536, 1_000)])
    func many(shards: Int, ranks: Int) {
        let schedule = ExchangeSchedule(shards: shards, ranks: ranks)
        #expect(schedule.actions.count == ranks && schedule.actions.allSatisfy { !$0.isEmpty })
    }
}
