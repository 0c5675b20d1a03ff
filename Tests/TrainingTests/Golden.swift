import Foundation
import TestSupport

@testable import Training

extension GoldenFile {
    /// One of this target's.
    init(_ name: String) throws {
        let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("Golden")
        try self.init(path: folder.appendingPathComponent(name).path)
    }

    /// The configuration that the attribute `assignments` makes of the default one.
    func configuration(of group: String) throws -> Configuration {
        try Configuration(
            yaml: nil, file: "golden",
            assignments: try text("assignments", of: group).split(separator: "\n").map(String.init),
            models: ["fashion-classifier"],
            defaults: Configuration())
    }
}
