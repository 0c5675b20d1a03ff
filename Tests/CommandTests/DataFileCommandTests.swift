import Foundation
import HDF5
import Testing

@Suite("Data files of a command")
struct DataFileCommandTests {
    @Test("a configuration without data takes the file that --data names")
    func namedData() throws {
        let workshop = try Workshop.withData()
        try workshop.write("model: fashion-classifier\n", "c.yaml")
        let named = try workshop.run("--config", "c.yaml", "--data", "d.h5", "--print-config")
        #expect(named.code == 0 && named.output.contains("file: d.h5\n"), "\(named)")
        #expect(try workshop.run("--config", "c.yaml").code == 78)
    }

    @Test("a pipe, a folder or a device as data ends at once with 65", arguments: ["pipe", ".", "/dev/zero"])
    func kinds(name: String) throws {
        let workshop = try Workshop.withData()
        mkfifo("\(workshop.path)/pipe", 0o600)
        let outcome = try workshop.run("--data", name)
        #expect(outcome.code == 65 && outcome.errorLines.count == 1, "\(outcome)")
    }

    @Test(
        "a data file cut short under a run ends it with 74, one line with its name, and a checkpoint",
        arguments: [1, 2])
    func truncated(ranks: Int) throws {
        let workshop = try Workshop.withData()
        let (data, checkpoint) = ("\(workshop.path)/d.h5", "\(workshop.path)/run/checkpoints/last")
        let thread = Thread {
            // The run cannot end by itself; this ends with the folder if there never is a checkpoint.
            while access(checkpoint, F_OK) != 0, access(data, F_OK) == 0 { usleep(1000) }
            truncate(data, 50_000)
        }
        thread.start()
        let arguments = [
            "--data", "d.h5", "--threads", "1", "--run-dir", "run", "--set", "epochs=1000000", "--set",
            "checkpoint.every=20 steps", "--set", "evaluate.every=1000000 epochs", "--set", "log.every=1000000 epochs",
        ]
        let outcome = try ranks == 1 ? workshop.run(arguments) : workshop.run(each: (0..<ranks).map { _ in arguments })
        #expect(outcome.code == 74, "\(outcome.errors)")
        let lines = outcome.errorLines.filter { $0.contains("d.h5: was changed while it was in use") }
        #expect(lines.count == 1 && lines[0].contains("is saved"), "\(outcome.errors)")
        let evaluation = try workshop.run("evaluate", "--checkpoint", "run/checkpoints/last", "--data", "d.h5")
        #expect(evaluation.code == 65 && evaluation.errors.contains("truncated"), "\(evaluation.errors)")
    }

    @Test("two runs that start in one folder without data both draw it and end well")
    func together() throws {
        let workshop = try Workshop()
        let group = DispatchGroup()
        let codes = Codes()
        for index in 0..<2 {
            DispatchQueue.global().async(group: group) {
                let outcome = try? workshop.run("--set", "steps=3", "--threads", "1", "--run-dir", "run\(index)")
                codes.add(outcome?.code ?? -1)
            }
        }
        group.wait()
        #expect(codes.all == [0, 0])
        #expect(try FileManager.default.contentsOfDirectory(atPath: "\(workshop.path)/data") == ["synthetic.h5"])
    }

    @Test("names with control characters in a file reach the terminal escaped")
    func escaped() throws {
        let workshop = try Workshop()
        let file = try HDF5File.create("\(workshop.path)/x.h5")
        try file.createGroup("/a\u{1b}[31m\u{202e}")
        try file.close()
        let outcome = try workshop.run("inspect", "x.h5")
        #expect(outcome.code == 0 && outcome.output.contains("/a\\u{1b}[31m\\u{202e}  group"), "\(outcome)")
        let missing = try workshop.run("inspect", "none\u{1b}[2J")
        #expect(missing.code == 66 && !missing.errors.contains("\u{1b}"), "\(missing)")
    }
}

/// `@unchecked Sendable`: `lock` guards the codes.
private final class Codes: @unchecked Sendable {
    private let lock = NSLock()
    private var codes: [Int32] = []
    var all: [Int32] { lock.withLock { codes } }
    func add(_ code: Int32) { lock.withLock { codes.append(code) } }
}
