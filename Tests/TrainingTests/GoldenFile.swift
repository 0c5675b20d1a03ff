import Foundation
import HDF5
import Testing

@testable import Training

/// A golden file of these tests.
struct GoldenFile {
    let file: HDF5File

    init(_ name: String) throws {
        let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("Golden")
        file = try HDF5File.open(folder.appendingPathComponent(name).path)
    }

    func numbers(_ path: String) throws -> [Double] { try file.dataset(path).readAll(as: Double.self) }

    func integer(_ attribute: String, of group: String) throws -> Int {
        guard case .integer(let value)? = try file.attribute(attribute, on: group) else {
            Issue.record("\(group) has no whole number \(attribute)")
            return 0
        }
        return Int(value)
    }

    /// The configuration that the attribute `assignments` makes of the default one.
    func configuration(of group: String) throws -> Configuration {
        guard case .string(let text)? = try file.attribute("assignments", on: group) else {
            Issue.record("\(group) has no assignments")
            return Configuration()
        }
        return try Configuration(
            yaml: nil, file: "golden", assignments: text.split(separator: "\n").map(String.init),
            models: ["fashion-classifier"],
            defaults: Configuration())
    }
}
