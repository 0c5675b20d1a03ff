import Foundation
import Testing

/// How a command ended.
struct Outcome {
    let code: Int32
    let output: String
    let errors: String

    var errorLines: [String] { errors.split(separator: "\n").map(String.init) }
    /// The object that a command with --json has printed.
    var object: [String: Value]? { try? JSONDecoder().decode([String: Value].self, from: Data(output.utf8)) }
}

/// A value of a JSON object. JSONDecoder reads numbers exactly; JSONSerialization can be off by their last bit.
struct Value: Decodable {
    var number: Double?
    var text: String?

    init(from decoder: any Decoder) throws {
        let container = try? decoder.singleValueContainer()
        number = try? container?.decode(Double.self)
        text = try? container?.decode(String.self)
    }
}

/// A current folder for commands, removed with it.
final class Workshop: Sendable {
    let path: String

    init() throws {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("swift-train-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        path = folder.path
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    /// A folder with `d.h5`: 200 training and 50 test glyphs.
    static func withData() throws -> Workshop {
        let workshop = try Workshop()
        try FileManager.default.copyItem(atPath: try sharedData.get().path + "/d.h5", toPath: workshop.path + "/d.h5")
        return workshop
    }

    /// Drawn once for all tests.
    private static let sharedData = Result {
        let folder = try SharedFolder()
        let outcome = try start(
            program, ["convert", "synthetic", "--train", "200", "--test", "50", "--output", "d.h5"], in: folder.path)
        try #require(outcome.code == 0, "\(outcome.errors)")
        return folder
    }

    /// Lives as long as the process; in the system's folder for temporary files. Never changes.
    private struct SharedFolder: Sendable {
        let path = FileManager.default.temporaryDirectory.appendingPathComponent("swift-train-commands-\(getpid())")
            .path
        init() throws {
            try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
            atexit {
                let path = FileManager.default.temporaryDirectory.appendingPathComponent(
                    "swift-train-commands-\(getpid())")
                try? FileManager.default.removeItem(at: path)
            }
        }
    }

    /// All files and folders below, sorted.
    var names: [String] { (FileManager.default.subpaths(atPath: path) ?? []).sorted() }

    func text(_ name: String) throws -> String { try String(contentsOfFile: "\(path)/\(name)", encoding: .utf8) }

    func write(_ text: String, _ name: String) throws {
        try text.write(toFile: "\(path)/\(name)", atomically: false, encoding: .utf8)
    }

    /// The events of a run folder's metrics.jsonl.
    func events(_ run: String) throws -> [[String: Value]] {
        try text("\(run)/metrics.jsonl").split(separator: "\n").map { line in
            try JSONDecoder().decode([String: Value].self, from: Data(line.utf8))
        }
    }

    /// Runs the program alone.
    func run(_ arguments: String...) throws -> Outcome { try Self.start(Self.program, arguments, in: path) }
    func run(_ arguments: [String]) throws -> Outcome { try Self.start(Self.program, arguments, in: path) }

    /// Runs the program alone with variables as a launcher sets them.
    func run(_ arguments: [String], with variables: [String: String]) throws -> Outcome {
        try Self.start(Self.program, arguments, in: path, variables: variables)
    }

    /// Runs lines of bash, in which `$0` is the program.
    func bash(_ lines: String) throws -> Outcome {
        try Self.start("/bin/bash", ["-c", lines, Self.program], in: path)
    }

    /// Runs a line of a shell in which `$program` is the program.
    func shell(_ line: String) throws -> Outcome {
        try Self.start("/bin/sh", ["-c", "program='\(Self.program)'; \(line)"], in: path)
    }

    /// Runs the program on several ranks of this machine.
    func run(ranks: Int, _ arguments: String...) throws -> Outcome {
        try mpirun([["-np", "\(ranks)", Self.program] + arguments])
    }

    /// Runs one rank for each list of arguments.
    func run(each arguments: [[String]]) throws -> Outcome {
        try mpirun(arguments.map { ["-np", "1", Self.program] + $0 })
    }

    /// Runs one rank for each variable, such as `SWIFT_TRAIN_ISA=avx2`, which it alone has.
    func run(withEach variables: [String], _ arguments: [String]) throws -> Outcome {
        try mpirun(variables.map { ["-np", "1", "/usr/bin/env", $0, Self.program] + arguments })
    }

    private func mpirun(_ applications: [[String]]) throws -> Outcome {
        var words = ["--oversubscribe", "--bind-to", "none", "--mca", "pml", "ob1", "--mca", "btl", "vader,self"]
        words += ["--mca", "mpi_yield_when_idle", "1"]
        if geteuid() == 0 { words.append("--allow-run-as-root") }
        words += applications.joined(separator: [":"])
        return try Self.start("/usr/bin/env", ["mpirun"] + words, in: path)
    }

    /// Runs the program alone on a terminal of so many columns; `output` is everything that it has written there.
    ///
    /// `signal` is sent once when `moment` has been written.
    func terminal(
        columns: Int, _ arguments: [String], with variables: [String: String] = [:], signal: Int32? = nil,
        at moment: String = ""
    ) throws -> Outcome {
        let master = open("/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC)
        try #require(master >= 0)
        defer { close(master) }
        var size = winsize(ws_row: 24, ws_col: UInt16(columns), ws_xpixel: 0, ws_ypixel: 0)
        try #require(ioctl(master, UInt(TIOCSWINSZ), &size) == 0)
        var (isLocked, number) = (Int32(0), Int32(-1))
        try #require(
            ioctl(master, Self.setTerminalLock, &isLocked) == 0 && ioctl(master, Self.terminalNumber, &number) == 0)
        let slave = open("/dev/pts/\(number)", O_RDWR | O_NOCTTY | O_CLOEXEC)
        try #require(slave >= 0)
        let process = Process()
        process.executableURL = URL(fileURLWithPath: Self.program)
        process.arguments = arguments
        process.currentDirectoryURL = URL(fileURLWithPath: path)
        process.environment = Self.environment.filter { $0.key != "CI" }.merging(
            ["TERM": "xterm", "LC_ALL": "C.UTF-8"]
        ) { $1 }.merging(variables) { $1 }
        let handle = FileHandle(fileDescriptor: slave, closeOnDealloc: false)
        process.standardInput = FileHandle.nullDevice
        process.standardOutput = handle
        process.standardError = handle
        try process.run()
        close(slave)
        var written: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 1 << 16)
        var isSent = signal == nil
        while true {
            let count = read(master, &buffer, buffer.count)
            // EIO: nobody has the terminal open any more.
            guard count > 0 || count < 0 && errno == EINTR else { break }
            written += buffer[..<max(0, count)]
            if !isSent, let signal, String(decoding: written, as: UTF8.self).contains(moment) {
                isSent = true
                kill(process.processIdentifier, signal)
            }
        }
        process.waitUntilExit()
        return Outcome(
            code: process.terminationReason == .exit ? process.terminationStatus : 128 + process.terminationStatus,
            output: String(decoding: written, as: UTF8.self), errors: "")
    }

    /// TIOCSPTLCK and TIOCGPTN, which Swift does not import; grantpt and its kin hide behind a macro of the C library's.
    private static let setTerminalLock: UInt = 0x4004_5431
    private static let terminalNumber: UInt = 0x8004_5430

    /// Without what a launcher around the tests has set.
    private static var environment: [String: String] {
        ProcessInfo.processInfo.environment.filter { name, _ in
            !["OMPI_", "PMIX_", "PMI_", "SLURM_"].contains { name.hasPrefix($0) }
        }
    }

    /// The program lies beside the tests in the build folder.
    private static let program: String = {
        let tests =
            (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")) ?? CommandLine.arguments[0]
        return URL(fileURLWithPath: tests).deletingLastPathComponent().appendingPathComponent("swift-train").path
    }()

    private static func start(
        _ program: String, _ arguments: [String], in folder: String, variables: [String: String] = [:]
    ) throws -> Outcome {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: program)
        process.arguments = arguments
        process.currentDirectoryURL = URL(fileURLWithPath: folder)
        process.environment = environment.merging(variables) { $1 }
        // Files, not pipes: a pipe that nobody empties would stop the program.
        let base = FileManager.default.temporaryDirectory.appendingPathComponent("swift-train-\(UUID().uuidString)")
            .path
        let streams = try ["out", "err"].map { name in
            try Data().write(to: URL(fileURLWithPath: "\(base).\(name)"))
            return try #require(FileHandle(forWritingAtPath: "\(base).\(name)"))
        }
        defer { for name in ["out", "err"] { try? FileManager.default.removeItem(atPath: "\(base).\(name)") } }
        process.standardInput = FileHandle.nullDevice
        process.standardOutput = streams[0]
        process.standardError = streams[1]
        try process.run()
        process.waitUntilExit()
        func text(_ name: String) -> String {
            String(decoding: FileManager.default.contents(atPath: "\(base).\(name)") ?? Data(), as: UTF8.self)
        }
        return Outcome(
            code: process.terminationReason == .exit ? process.terminationStatus : 128 + process.terminationStatus,
            output: text("out"), errors: text("err"))
    }
}
