import Diagnostics
import Foundation
import Synchronization
import TestSupport
import Testing

@testable import Ingest

@Suite("Output files")
struct OutputFileTests {
    @Test(
        "what a killed writer of the same file left goes at the next start; other files and what is being written stay")
    func leftovers() async throws {
        let scratch = try Scratch()
        await #expect(processExitsWith: .signal(SIGKILL)) { [folder = scratch.path as String] in
            let output = try OutputFile(path: "\(folder)/d.h5", replacing: false)
            withExtendedLifetime(output) { _ = kill(getpid(), SIGKILL) }
        }
        #expect(scratch.names().count == 1)
        let others = [".e.h5.1.tmp", ".d.h5.1.tmp.h5", "d.h5.1.tmp", ".d.h5.x.tmp"]
        for name in others { try scratch.write([1], name) }
        try FileManager.default.createDirectory(atPath: scratch.file(".d.h5.2.tmp"), withIntermediateDirectories: false)
        mkfifo(scratch.file(".d.h5.3.tmp"), 0o600)
        let stay = others + [".d.h5.2.tmp", ".d.h5.3.tmp"]
        do {
            let first = try OutputFile(path: scratch.file("d.h5"), replacing: false)
            let second = try OutputFile(path: scratch.file("d.h5"), replacing: false)
            #expect(first.temporaryPath != second.temporaryPath)
            #expect(scratch.names().count == stay.count + 2)
            try first.commit()
            withExtendedLifetime(second) {}
        }
        #expect(scratch.names() == (stay + ["d.h5"]).sorted())
    }

    @Test(
        "a signal that ends the process removes every output under way",
        arguments: [SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGUSR2, SIGXCPU])
    func signals(number: Int32) async throws {
        let scratch = try Scratch()
        try "\(number)".write(toFile: scratch.file("number"), atomically: false, encoding: .utf8)
        await #expect(processExitsWith: .failure) { [folder = scratch.path as String] in
            let number = Int32(try String(contentsOfFile: folder + "/number", encoding: .utf8)) ?? 0
            var all = sigset_t()
            sigfillset(&all)
            pthread_sigmask(SIG_UNBLOCK, &all, nil)
            signal(number, SIG_DFL)
            let outputs = try (0..<3).map { try OutputFile(path: "\(folder)/\($0).h5", replacing: false) }
            try outputs[1].commit()
            withExtendedLifetime(outputs) {
                guard access(outputs[0].temporaryPath, F_OK) == 0 else { exit(0) }
                kill(getpid(), number)
                sleep(10)
                exit(0)
            }
        }
        #expect(scratch.names() == ["1.h5", "number"])
    }

    @Test("an ignored signal stays ignored, and one that someone handles is left to them")
    func othersHandlers() async {
        await #expect(processExitsWith: .exitCode(7)) {
            let scratch = try Scratch()
            signal(SIGHUP, SIG_IGN)
            signal(SIGTERM) { _ in handled.store(true, ordering: .relaxed) }
            let output = try OutputFile(path: scratch.file("d.h5"), replacing: false)
            try withExtendedLifetime(output) {
                kill(getpid(), SIGHUP)
                kill(getpid(), SIGTERM)
                usleep(100_000)
                let isThere = access(output.temporaryPath, F_OK) == 0
                try FileManager.default.removeItem(atPath: scratch.path)
                exit(isThere && handled.load(ordering: .relaxed) ? 7 : 1)
            }
        }
    }

    @Test("a file that is read is not replaced, even where others may be")
    func inputs() throws {
        let scratch = try Scratch()
        try scratch.write([1, 2, 3], "in.h5")
        let failure = #expect(throws: Failure.self) {
            try OutputFile(path: scratch.file("in.h5"), replacing: true, unlike: [scratch.file("in.h5")])
        }
        #expect(failure?.code == .cannotCreate && failure?.message.contains("is what is read from") == true)
        #expect(try scratch.bytes("in.h5") == [1, 2, 3] && scratch.names() == ["in.h5"])
    }

    @Test("threads may begin and end outputs at once, more of them than the table holds")
    func threads() async throws {
        await withTaskGroup(of: Void.self) { group in
            for thread in 0..<4 {
                group.addTask {
                    for round in 0..<5_000 {
                        let claims = (0..<6).map {
                            SignalCleanup.begin(removing: "/nonexistent/\(thread).\(round).\($0)")
                        }
                        for claim in claims { SignalCleanup.end(claim) }
                    }
                }
            }
        }
        let claims = (0...SignalCleanup.capacity).map { SignalCleanup.begin(removing: "/nonexistent/\($0)") }
        for claim in claims { SignalCleanup.end(claim) }
        SignalCleanup.end(SignalCleanup.begin(removing: String(repeating: "x", count: 5_000)))
    }
}

private let handled = Atomic<Bool>(false)
