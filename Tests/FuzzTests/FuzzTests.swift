import Diagnostics
import Foundation
import Testing

@Suite("Changed inputs", .serialized)
struct FuzzTests {
    /// An input takes this long at most.
    private static let limitSeconds: UInt32 = 20

    /// Mutation `number`, always the same.
    private static func input(_ number: Int, _ corpus: [[UInt8]]) -> [UInt8] {
        var draws = Draws(seed: UInt64(number) &* 0xD134_2543_DE82_EF95)
        return Mutation.of(corpus, &draws)
    }

    private static func scratch() throws -> String {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("swift-train-\(UUID().uuidString)")
            .path
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        return folder
    }

    @Test("the inputs that are changed are good ones, but for YAML that is refused", arguments: Parser.allCases)
    func corpus(parser: Parser) throws {
        let folder = try Self.scratch()
        defer { try? FileManager.default.removeItem(atPath: folder) }
        for bytes in try parser.corpus() {
            do { try parser.read(bytes, in: folder) } catch let failure as Failure {
                #expect(parser == .yaml, "\(failure)")
            }
        }
    }

    private static let variables = ProcessInfo.processInfo.environment
    private static let parsers = variables["FUZZ_PARSER"].flatMap(Parser.init).map { [$0] } ?? Parser.ours

    /// 2,000 of each parser of ours; Tests/Acceptance/fuzz runs FUZZ_PARSER from number FUZZ_FIRST on for FUZZ_SECONDS. Before each
    /// input it stands in FUZZ_FOLDER/bytes and its number in FUZZ_FOLDER/number, so that a crash can be told and repeated.
    @Test("changed inputs are read or refused", arguments: parsers)
    func changed(parser: Parser) throws {
        let kept = Self.variables["FUZZ_FOLDER"]
        let folder = try kept ?? Self.scratch()
        defer { if kept == nil { try? FileManager.default.removeItem(atPath: folder) } }
        let first = Self.variables["FUZZ_FIRST"].flatMap(Int.init) ?? 0
        let seconds = Self.variables["FUZZ_SECONDS"].flatMap(Int.init)
        let corpus = try parser.corpus()
        let start = ContinuousClock.now
        for number in first... {
            if let seconds {
                if ContinuousClock.now - start >= .seconds(seconds) { break }
            } else if number == 2_000 {
                break
            }
            let bytes = Self.input(number, corpus)
            if kept != nil {
                try Data(bytes).write(to: URL(fileURLWithPath: folder + "/bytes"))
                try "\(number)\n".write(toFile: folder + "/number", atomically: false, encoding: .utf8)
                alarm(Self.limitSeconds)
            }
            do { try parser.read(bytes, in: folder) } catch is Failure {}
        }
        alarm(0)
    }
}
