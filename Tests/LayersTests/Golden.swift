import Foundation
import TestSupport
import Testing

extension GoldenFile {
    /// One of this target's.
    init(_ name: String) throws {
        let url = try #require(Bundle.module.url(forResource: name, withExtension: "h5", subdirectory: "Golden"))
        try self.init(path: url.path)
    }
}

/// Expects every element within `tolerance` times the largest expected magnitude. NaN is never close.
func expectClose(
    _ actual: [Float], _ expected: [Float], tolerance: Double, _ what: String,
    sourceLocation: SourceLocation = #_sourceLocation
) {
    guard actual.count == expected.count else {
        Issue.record("\(what): \(actual.count) elements, expected \(expected.count)", sourceLocation: sourceLocation)
        return
    }
    let largest = expected.reduce(0.0) { max($0, abs(Double($1))) }
    for index in actual.indices {
        let error = abs(Double(actual[index]) - Double(expected[index]))
        guard error <= tolerance * largest else {
            Issue.record(
                "\(what): element \(index) is \(actual[index]), expected \(expected[index]) ± \(tolerance) · \(largest)",
                sourceLocation: sourceLocation)
            return
        }
    }
}
