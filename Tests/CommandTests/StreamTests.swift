import Foundation
import Testing

@Suite("Standard streams")
struct StreamTests {
    static let printing = [
        "--help", "--version", "help convert", "convert idx --help", "--generate-completion-script zsh",
        "summary lenet5 --json",
        "inspect d.h5", "inspect d.h5 --json", "inspect run", "evaluate run --threads 1",
        "evaluate run --json --threads 1",
        "bench lenet5 --seconds 0.01 --threads 1", "--print-config", "--data d.h5 --dry-run --threads 1",
        "convert synthetic --train 9 --test 9 --force --output o.h5",
    ]

    /// A folder with data and a short run.
    private static func trained() throws -> Workshop {
        let workshop = try Workshop.withData()
        let run = try workshop.run(
            "--data", "d.h5", "--run-dir", "run", "--set", "epochs=1", "--set", "optimizer.learning_rate=0.02",
            "--threads",
            "1")
        try #require(run.code == 0, "\(run.errors)")
        return workshop
    }

    @Test("what a command prints is not lost without a word: 74, and once")
    func lostOutput() throws {
        let workshop = try Self.trained()
        for line in Self.printing {
            let full = try workshop.shell("$program \(line) >/dev/full")
            #expect(full.code == 74 && full.errorLines.count == 1, "\(line): \(full)")
            #expect(full.errors.contains("standard output: write: No space left on device"), "\(full.errors)")
            let closed = try workshop.shell("$program \(line) >&-")
            #expect(closed.code == 74 && closed.errors.hasSuffix("standard output: is closed\n"), "\(line): \(closed)")
        }
    }

    @Test("a reader that has gone ends a command quietly")
    func noReader() throws {
        let workshop = try Self.trained()
        for line in Self.printing {
            // The reader has gone before the program starts.
            let outcome = try workshop.shell(
                "mkfifo p; exec 3<>p 4>p 3<&-; rm p; $program \(line) >&4")
            #expect(outcome.code == 74 && outcome.errors.isEmpty, "\(line): \(outcome)")
        }
    }

    @Test("where nothing can be said the exit code still is")
    func noErrors() throws {
        let workshop = try Workshop.withData()
        for (line, code) in [
            ("inspect none", Int32(66)), ("trian", 64), ("--data none.h5", 66), ("--set lr=1", 78),
            ("--data d.h5 --run-dir .", 73),
        ] {
            for redirection in ["2>&-", "2>/dev/full", "<&- >&- 2>&-"] {
                #expect(try workshop.shell("$program \(line) \(redirection)").code == code, "\(line) \(redirection)")
            }
        }
    }

    @Test("a run goes on when its lines are lost, and no file of it gets the number of a closed stream")
    func run() throws {
        let workshop = try Workshop.withData()
        let options =
            "--data d.h5 --threads 1 --set epochs=1 --set optimizer.learning_rate=1e30 --set on_not_finite=skip"
        for (index, redirection) in [">/dev/full 2>&1", "<&- >&- 2>&-", "| head -c 1", ">&-", "2>&-"].enumerated() {
            let outcome = try workshop.shell("$program \(options) --run-dir run\(index) \(redirection)")
            #expect(outcome.code == 0, "\(redirection): \(outcome)")
            #expect(try workshop.events("run\(index)").last?["event"]?.text == "end", "\(redirection)")
            #expect(try workshop.text("run\(index)/run.lock").isEmpty)
        }
        // Also while the built-in data is drawn.
        let drawn = try workshop.shell("$program --threads 1 --set epochs=0 >/dev/full")
        #expect(drawn.code == 0 && drawn.errors.isEmpty && workshop.names.contains("data/synthetic.h5"), "\(drawn)")
        let quiet = try Workshop().run("--threads", "1", "--set", "epochs=0", "--quiet")
        #expect(quiet.code == 0 && quiet.output.isEmpty && quiet.errors.isEmpty, "\(quiet)")
    }

    @Test("a configuration may come from a pipe, and waiting for one can be ended")
    func pipes() throws {
        let workshop = try Workshop.withData()
        try workshop.write("model: lenet5\ndata: {file: d.h5}\nseed: 17\n", "c.yaml")
        let expected = try workshop.run("--config", "c.yaml", "--print-config").output
        #expect(expected.contains("seed: 17"))
        for line in [
            "$program --config - --print-config <c.yaml", "cat c.yaml | $program --config - --print-config",
            "cat c.yaml | $program --config /dev/stdin --print-config",
            "mkfifo p; cat c.yaml >p & $program --config p --print-config",
        ] {
            let outcome = try workshop.shell(line)
            #expect(outcome.code == 0 && outcome.output == expected, "\(line): \(outcome)")
        }
        let long = try workshop.shell("$program --config /dev/zero --print-config")
        #expect(long.code == 78 && long.errors.contains("more than 1048576 bytes"), "\(long)")
        // Nobody writes; the signal comes once the program has opened the pipe.
        let ended = try workshop.shell(
            "mkfifo q; $program --config q & until [ -e /proc/$!/fd/3 ] && ls -l /proc/$!/fd | grep -q '/q$'; do :; done; "
                + "kill -TERM $!; wait $!")
        #expect(ended.code == 66 && ended.errors.contains("asked to stop"), "\(ended)")
    }
}
