import Foundation
import Testing

/// ARCHITECTURE.md and CONTRIBUTING.md against the tree they describe.
@Suite("The map")
struct MapTests {
    private static let root = URL(fileURLWithPath: #filePath)
        .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()

    private func text(_ name: String) throws -> String {
        try String(contentsOf: Self.root.appendingPathComponent(name), encoding: .utf8)
    }

    /// The words between backticks.
    private func quoted(_ text: some StringProtocol) -> [String] {
        text.split(separator: "`", omittingEmptySubsequences: false).enumerated()
            .filter { $0.offset % 2 == 1 }.map { String($0.element) }
    }

    @Test("the table of targets says what Package.swift says, in its order")
    func targets() throws {
        let rows = try text("ARCHITECTURE.md").split(separator: "\n").filter { $0.hasPrefix("| `") }
            .map { $0.split(separator: "|").map { $0.trimmingCharacters(in: .whitespaces) } }.filter { $0.count == 3 }
        let table = rows.map { (quoted($0[0]).first ?? "", Set(quoted($0[2]))) }
        // Up to the targets of the tests, a name in quotes behind `systemLibrary(`, `swiftTarget(` or `name:` begins a target.
        let package = try text("Package.swift")
        let start = try #require(package.firstRange(of: "    targets: [")).upperBound
        let end = try #require(package.firstRange(of: ".target(name: \"CAllocationCounter\"")).lowerBound
        let declared = package[start..<end].replacing(/\.product\(name: ("[^"]*"), package: "[^"]*"\)/) { "\($0.1)" }
        var found: [(String, Set<String>)] = []
        for part in declared.split(separator: /systemLibrary\(|swiftTarget\(|\.target\(|\.executableTarget\(/)
            .dropFirst()
        {
            let isLibrary = part.contains("pkgConfig:")
            let list = part.replacing(/(linkerSettings|exclude): \[.*\]/, with: "")
            let words = list.split(separator: "\"", omittingEmptySubsequences: false).enumerated()
                .filter { $0.offset % 2 == 1 }.map { String($0.element) }
            found.append((words.first ?? "", isLibrary ? [] : Set(words.dropFirst())))
        }
        #expect(table.map(\.0) == found.map(\.0))
        for ((name, imports), (_, dependencies)) in zip(table, found) {
            #expect(imports == dependencies, "\(name)")
        }
    }

    @Test("a target imports what its row names, and all of it")
    func imports() throws {
        let everywhere: Set = ["Foundation", "FoundationEssentials", "Glibc", "Synchronization"]
        let sources = Self.root.appendingPathComponent("Sources")
        for row in try text("ARCHITECTURE.md").split(separator: "\n") where row.hasPrefix("| `") {
            let cells = row.split(separator: "|").map { $0.trimmingCharacters(in: .whitespaces) }
            guard cells.count == 3, let name = quoted(cells[0]).first else { continue }
            let folder = sources.appendingPathComponent(name)
            let files = try #require(FileManager.default.enumerator(at: folder, includingPropertiesForKeys: nil))
                .compactMap { $0 as? URL }.filter { $0.pathExtension == "swift" }
            guard !files.isEmpty else { continue }
            let found = try files.flatMap { file in
                try String(contentsOf: file, encoding: .utf8)
                    .matches(of: /(?m)^(?:[a-z]+ )?import (?:[a-z]+ )?(\w+)/).map { String($0.1) }
            }
            #expect(Set(found).subtracting(everywhere) == Set(quoted(cells[2])), "\(name)")
        }
    }

    @Test("every path that the pages name is there", arguments: ["ARCHITECTURE.md", "CONTRIBUTING.md"])
    func paths(page: String) throws {
        let roots = ["Sources/", "Tests/", "Benchmarks/", "launch/", "configs/"]
        for word in try quoted(text(page)) where roots.contains(where: word.hasPrefix) {
            let path = String(word.prefix { $0 != " " })
            #expect(
                FileManager.default.fileExists(atPath: Self.root.appendingPathComponent(path).path), "\(page): \(path)")
        }
    }

    @Test("every folder of sources and of tests is a target", arguments: ["Sources", "Tests"])
    func folders(top: String) throws {
        let package = try text("Package.swift")
        let folder = Self.root.appendingPathComponent(top).path
        for name in try FileManager.default.contentsOfDirectory(atPath: folder) where name != "Acceptance" {
            #expect(package.contains("\"\(name)\""), "\(top)/\(name) is built by nothing")
        }
    }
}
