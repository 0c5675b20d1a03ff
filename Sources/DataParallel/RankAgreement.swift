package import Diagnostics
internal import Glibc
internal import Report

/// Checks at start-up that all ranks are about to do the same, and ends them together when one cannot go on.
package enum RankAgreement {
    /// One thing that must be equal on every rank.
    package struct Fact: Equatable, Sendable {
        package let name: String
        package let value: String

        package init(_ name: String, _ value: String) {
            self.name = name
            self.value = value
        }
    }

    /// Compares every rank's facts. Collective.
    ///
    /// Throws: `Failure(.ranksDisagree)` with a table of the ranks, hosts and values of each fact that differs; the same
    ///         text on every rank.
    package static func check(_ facts: [Fact], over communicator: any Communicator, host: String = hostName()) throws {
        let words = [host] + facts.flatMap { [$0.name, $0.value] }
        let gathered = try communicator.allGather(encode(words)).map(decode)
        let hosts = gathered.map { $0.first ?? "?" }
        let perRank = gathered.map { words in
            stride(from: 1, to: words.count - 1, by: 2).map { Fact(words[$0], words[$0 + 1]) }
        }
        var names: [String] = []
        for fact in perRank.joined() where !names.contains(fact.name) { names.append(fact.name) }

        var tables: [String] = []
        for name in names {
            let values = perRank.map { facts in facts.first { $0.name == name }?.value ?? "(absent)" }
            if Set(values).count > 1 { tables.append(table(name, values, hosts)) }
        }
        guard !tables.isEmpty else { return }
        let what = tables.count == 1 ? "1 value differs" : "\(tables.count) values differ"
        throw Failure(
            .ranksDisagree,
            "\(what) between the ranks; start every rank with the same program, options and files\n"
                + tables.joined(separator: "\n"))
    }

    /// Ends the start-up on all ranks if it failed on any. Collective: every rank comes here, with its failure or nil.
    ///
    /// Throws: the lowest failing rank's failure, the same on every rank; the message names that rank unless it is 0,
    ///         and is no longer local, so that rank 0 prints it.
    package static func agreeOnFailure(
        _ failure: Failure?, over communicator: any Communicator, host: String = hostName()
    ) throws {
        let codes = try communicator.allGather(values: [Int32(failure?.code.rawValue ?? 0)])
        guard let first = codes.firstIndex(where: { $0 != 0 }) else { return }
        let place = first == 0 ? "" : "[rank \(first)@\(host)] "
        let text = try communicator.broadcast(Array((place + (failure?.message ?? "")).utf8), from: first)
        throw Failure(ExitCode(rawValue: codes[first]) ?? .internalError, String(decoding: text, as: UTF8.self))
    }

    /// Runs a step of the start-up that may fail on some ranks only; all go on or all throw the same failure. Collective.
    ///
    /// `work` must not communicate; an error of the communicator itself passes through unchanged.
    package static func together<T>(_ communicator: any Communicator, _ work: () throws -> T) throws -> T {
        let outcome = Result { try work() }
        switch outcome {
        case .success(let value):
            try agreeOnFailure(nil, over: communicator)
            return value
        case .failure(let error):
            if error is MPIError { throw error }
            let failure = error as? Failure ?? Failure(.internalError, "\(error)")
            try agreeOnFailure(failure, over: communicator)
            throw failure
        }
    }

    package static func hostName() -> String {
        withUnsafeTemporaryAllocation(of: CChar.self, capacity: 256) { buffer in
            guard let start = buffer.baseAddress, gethostname(start, buffer.count - 1) == 0 else { return "?" }
            start[buffer.count - 1] = 0
            return String(cString: start)
        }
    }

    /// One row per host and value: which ranks, where, what.
    private static func table(_ name: String, _ values: [String], _ hosts: [String]) -> String {
        var rows: [(value: String, host: String, ranks: [Int])] = []
        for rank in values.indices {
            if let row = rows.firstIndex(where: { $0.value == values[rank] && $0.host == hosts[rank] }) {
                rows[row].ranks.append(rank)
            } else {
                rows.append((values[rank], hosts[rank], [rank]))
            }
        }
        let table = TextTable(rows.map { [runs($0.ranks), $0.host, $0.value] }, [.left], indent: 4)
        return "  \(name)\n\(table.text)"
    }

    /// "rank 3", "ranks 0-2, 5".
    private static func runs(_ ranks: [Int]) -> String {
        var parts: [ClosedRange<Int>] = []
        for rank in ranks {
            if let last = parts.last, last.upperBound == rank - 1 {
                parts[parts.count - 1] = last.lowerBound...rank
            } else {
                parts.append(rank...rank)
            }
        }
        let texts = parts.map { $0.count == 1 ? "\($0.lowerBound)" : "\($0.lowerBound)-\($0.upperBound)" }
        return "\(ranks.count == 1 ? "rank" : "ranks") \(texts.joined(separator: ", "))"
    }

    /// Words with their lengths in front, so that values may hold any character.
    private static func encode(_ words: [String]) -> [UInt8] {
        words.flatMap { word in
            let bytes = Array(word.utf8)
            return withUnsafeBytes(of: UInt32(bytes.count).littleEndian) { Array($0) } + bytes
        }
    }

    private static func decode(_ bytes: [UInt8]) -> [String] {
        var words: [String] = []
        var place = 0
        while place + 4 <= bytes.count {
            let count = (0..<4).reduce(0) { $0 | Int(bytes[place + $1]) << (8 * $1) }
            let end = min(bytes.count, place + 4 + count)
            words.append(String(decoding: bytes[place + 4..<end], as: UTF8.self))
            place = end
        }
        return words
    }
}
