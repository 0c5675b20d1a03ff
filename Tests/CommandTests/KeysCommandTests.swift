import Foundation
import Testing

@Suite("keys")
struct KeysCommandTests {
    @Test("every key has a line, and a key says what it means, what it may be and what it is by default")
    func explained() throws {
        let workshop = try Workshop()
        let all = try workshop.run("keys")
        #expect(all.code == 0 && all.errors.isEmpty)
        let lines = all.output.split(separator: "\n")
        #expect(lines.count > 50 && lines.contains { $0.hasPrefix("batch_size ") && $0.contains("over all ranks") })
        let momentum = try workshop.run("keys", "optimizer.momentum").output
        for words in ["a number from 0, below 1", "0.9 (sgd, ", "must be the same"] {
            #expect(momentum.contains(words), "\(momentum)")
        }
        #expect(try workshop.run("keys", "data.file").output.contains("may change when a run goes on"))
        let factor = try workshop.run("keys", "schedule.factor").output
        #expect(factor.contains("to be given (step, multi_step, exponential), 0.1 (plateau)"), "\(factor)")
        #expect(try workshop.run("keys", "clip").output.contains("clip.value"))
    }

    @Test("the page of all keys is the one that the program writes")
    func page() throws {
        let page = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent().appendingPathComponent("docs/configuration.md")
        let written = try Workshop().run("keys", "--markdown")
        #expect(written.code == 0 && written.output.contains("| `batch_size` | "))
        #expect(
            try String(contentsOf: page, encoding: .utf8) == written.output,
            "write it again: swift-train keys --markdown > docs/configuration.md")
        #expect(try Workshop().run("keys", "seed", "--markdown").code == 64)
    }

    @Test(
        "a key that does not exist is a usage error with the nearest one",
        arguments: [
            ("lr", "did you mean optimizer.learning_rate?"), ("batch_sice", "did you mean batch_size?"),
            ("threads", "--threads N"), ("qqqqqq", "swift-train keys lists them all"),
        ])
    func unknown(key: String, words: String) throws {
        let outcome = try Workshop().run("keys", key)
        #expect(outcome.code == 64 && outcome.errors.contains(words), "\(outcome)")
    }
}
