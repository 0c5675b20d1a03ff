import Foundation
import Testing

@Suite("Run folders and their surroundings")
struct FileSystemCommandTests {
    private let run = [
        "train", "--data", "d.h5", "--threads", "1", "--set", "steps=4", "--set", "checkpoint.every=2 steps",
    ]

    @Test("what is planted in a run folder is neither followed nor overwritten")
    func planted() throws {
        let workshop = try Workshop.withData()
        try workshop.write("precious\n", "v")
        for name in ["metrics.jsonl", "train.log", "samples.bin", "checkpoints"] {
            let folder = "run-\(name)"
            try FileManager.default.createDirectory(
                atPath: "\(workshop.path)/\(folder)", withIntermediateDirectories: false)
            try workshop.write("", "\(folder)/run.lock")
            try FileManager.default.createSymbolicLink(
                atPath: "\(workshop.path)/\(folder)/\(name)", withDestinationPath: "../v")
            let outcome = try workshop.run(run + ["--run-dir", folder, "--set", "log.samples=true"])
            #expect(outcome.code == 73 && outcome.errors.contains("\(name): is a symbolic link"), "\(outcome)")
            #expect(try workshop.text("v") == "precious\n")
        }
    }

    @Test("a run folder reached through a link, and one with an odd name, are as good as any")
    func links() throws {
        let workshop = try Workshop.withData()
        try FileManager.default.createDirectory(
            atPath: workshop.path + "/elsewhere", withIntermediateDirectories: false)
        try FileManager.default.createSymbolicLink(
            atPath: workshop.path + "/link", withDestinationPath: "elsewhere")
        for folder in ["link", "a\nb \"c\"", String(repeating: "n", count: 255)] {
            for _ in 0..<2 {
                let outcome = try workshop.run(run + ["--run-dir", folder])
                #expect(outcome.code == 0, "\(outcome)")
            }
            let names = workshop.names.filter {
                $0.hasPrefix(folder == "link" ? "elsewhere/checkpoints/" : folder + "/checkpoints/")
            }
            #expect(
                names.map { ($0 as NSString).lastPathComponent } == [
                    "best.h5", "last", "step-000000002.h5", "step-000000004.h5",
                ])
        }
    }

    @Test("a run goes on past a newest checkpoint that cannot be read, and last may be a file")
    func unreadable() throws {
        let workshop = try Workshop.withData()
        #expect(try workshop.run(run + ["--run-dir", "run"]).code == 0)
        let checkpoints = workshop.path + "/run/checkpoints"
        try FileManager.default.removeItem(atPath: checkpoints + "/last")
        try FileManager.default.copyItem(atPath: checkpoints + "/step-000000002.h5", toPath: checkpoints + "/last")
        #expect(try workshop.run("inspect", "run/checkpoints/last").code == 0)
        #expect(try workshop.run("evaluate", "--checkpoint", "run/checkpoints/last").code == 0)
        try FileManager.default.removeItem(atPath: checkpoints + "/step-000000004.h5")
        #expect(mkfifo(checkpoints + "/step-000000004.h5", 0o600) == 0)
        let outcome = try workshop.run(run + ["--run-dir", "run"])
        #expect(outcome.code == 0 && outcome.output.contains("after step 2"), "\(outcome)")
        #expect(outcome.errors.contains("step-000000004.h5: is a named pipe"), "\(outcome)")
        #expect(
            try FileManager.default.destinationOfSymbolicLink(atPath: checkpoints + "/last") == "step-000000004.h5")
    }
    @Test("a name that is not UTF-8 is refused before another one is meant")
    func bytes() throws {
        let workshop = try Workshop.withData()
        for words in ["inspect $'caf\\xe9.h5'", "train --data d.h5 --run-dir $'r\\xff'"] {
            let outcome = try workshop.bash("\"$0\" \(words)")
            #expect(outcome.code == 64 && outcome.errors.contains("is not UTF-8"), "\(outcome)")
            #expect(outcome.errors.contains("\\xe9.h5") || outcome.errors.contains("\\xff"), "\(outcome)")
        }
        #expect(workshop.names == ["d.h5"])
    }
}
