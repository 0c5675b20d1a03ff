internal import Foundation
internal import Report

/// Commands for the user to type next, word for word.
package enum RunCommand {
    /// What launch scripts call themselves and their options; the arguments of swift-train follow.
    package static let launcherVariable = "SWIFT_TRAIN_LAUNCHER"

    /// The program as it was called.
    package static var program: String { ShellWords.quoted(CommandLine.arguments.first ?? "swift-train") }

    /// The command that goes on with the run in a folder, with the configuration that it keeps.
    ///
    /// With several ranks it begins with the launcher: as a launch script names itself in the environment, or as mpirun was
    /// called, this process's parent. Where neither is known, the words say so.
    package static func continuation(
        folder: String, threads: Int?, ranks: Int, environment: [String: String] = [:],
        parentWords: () -> [String] = parentWords
    ) -> String {
        let arguments =
            "--run-dir \(ShellWords.quoted(folder))" + (threads.map { " --threads \($0)" } ?? "")
        if let launcher = environment[launcherVariable], !launcher.isEmpty { return "\(launcher) \(arguments)" }
        guard ranks > 1 else { return "\(program) \(arguments)" }
        let own = CommandLine.arguments.first ?? ""
        let words = parentWords()
        let name = words.first.map { ($0 as NSString).lastPathComponent } ?? ""
        guard ["mpirun", "mpiexec", "orterun", "prterun"].contains(name), let place = words.firstIndex(of: own),
            !words.contains(":")
        else { return "\(program) \(arguments), started by the same launcher" }
        return "\(ShellWords.quoted(Array(words[..<place]))) \(program) \(arguments)"
    }

    /// The command line of the process that started this one.
    package static func parentWords() -> [String] {
        guard let bytes = FileManager.default.contents(atPath: "/proc/\(getppid())/cmdline") else { return [] }
        return bytes.split(separator: 0).map { String(decoding: $0, as: UTF8.self) }
    }
}
