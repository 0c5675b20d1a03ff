import Foundation
import TestSupport
import Testing

@Suite("A run on a terminal")
struct TerminalTests {
    private static func arguments(_ run: String, epochs: Int) -> [String] {
        [
            "--data", "d.h5", "--run-dir", run, "--set", "epochs=\(epochs)", "--set", "optimizer.learning_rate=0.02",
            "--set", "evaluate.every=50 epochs", "--set", "checkpoint.every=1000 epochs", "--threads", "1",
        ]
    }

    private static func screen(columns: Int, _ outcome: Outcome) -> TerminalScreen {
        var screen = TerminalScreen(columns: columns)
        screen.write(outcome.output)
        return screen
    }

    /// What belongs to a bar alone.
    private static let marks = ["░", "█", "img/s", "\u{1B}"]

    @Test("the bar fits its terminal and leaves nothing behind", arguments: [60, 80, 120, 200])
    func widths(columns: Int) throws {
        let workshop = try Workshop.withData()
        let run = try workshop.terminal(columns: columns, Self.arguments("run", epochs: 100))
        #expect(run.code == 0, "\(run.output)")
        let draws = run.output.components(separatedBy: "\r\u{1B}[K").filter { $0.contains("░") }
        #expect(!draws.isEmpty)
        for draw in draws {
            #expect(draw.count <= columns - 3 && draw.hasPrefix("epoch ") && draw.contains(" %  loss "), "\(draw)")
        }
        let lines = Self.screen(columns: columns, run).lines
        #expect(!lines.contains { line in Self.marks.contains { line.contains($0) } }, "\(lines)")
        #expect(!lines.contains("") && lines.count { $0.hasPrefix("epoch ") && $0.contains("  train  ") } == 100)
        // The folder's log has the steps that the terminal shows as a bar.
        #expect(try workshop.text("run/train.log").contains(" info done  700 of 700 steps, "))
    }

    @Test("a terminal that cannot move its cursor, and one of a CI service, get plain lines")
    func plain() throws {
        let workshop = try Workshop.withData()
        for (index, variables) in [["TERM": "dumb"], ["CI": "true"]].enumerated() {
            let run = try workshop.terminal(columns: 80, Self.arguments("run\(index)", epochs: 2), with: variables)
            #expect(run.code == 0 && !Self.marks.contains { run.output.contains($0) }, "\(run.output)")
        }
        let ascii = try workshop.terminal(columns: 80, Self.arguments("run", epochs: 2), with: ["LC_ALL": "C"])
        #expect(ascii.output.contains(".... ") && !ascii.output.contains("░"))
    }

    @Test("Ctrl-C is answered at once, on a line of its own")
    func interrupt() throws {
        let workshop = try Workshop.withData()
        let run = try workshop.terminal(
            columns: 80, Self.arguments("run", epochs: 1_000_000), signal: SIGINT, at: "epoch 3  train")
        #expect(run.code == 75, "\(run.output.suffix(2_000))")
        let lines = Self.screen(columns: 80, run).lines
        #expect(lines.contains("stopping after this step; again ends without saving"), "\(lines.suffix(12))")
        #expect(!lines.contains { line in Self.marks.contains { line.contains($0) } }, "\(lines.suffix(12))")
        #expect(
            lines.last?.contains(" --run-dir run --threads 1") == true || lines.suffix(2).joined().contains("--run-dir")
        )
    }

    @Test("--quiet prints warnings alone, on a terminal and elsewhere; the folder's log has all lines")
    func quiet() throws {
        let workshop = try Workshop.withData()
        let elsewhere = try workshop.run(Self.arguments("run0", epochs: 2) + ["--quiet"])
        let terminal = try workshop.terminal(columns: 80, Self.arguments("run1", epochs: 2) + ["--quiet"])
        #expect(elsewhere.code == 0 && elsewhere.output.isEmpty, "\(elsewhere)")
        #expect(elsewhere.errorLines.allSatisfy { $0.hasPrefix("warning: ") })
        let lines = Self.screen(columns: 80, terminal).lines
        #expect(terminal.code == 0 && !lines.contains { $0.hasPrefix("epoch") || $0.hasPrefix("done") }, "\(lines)")
        for run in ["run0", "run1"] { #expect(try workshop.text("\(run)/train.log").contains(" info done  14 of 14 ")) }
    }
}
