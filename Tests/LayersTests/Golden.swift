import Foundation
import HDF5
import Testing

/// A file of whole tensors computed by PyTorch; what is in it says Golden/README.md.
struct Golden {
    private let file: HDF5File

    init(_ name: String) throws {
        let url = try #require(Bundle.module.url(forResource: name, withExtension: "h5", subdirectory: "Golden"))
        file = try HDF5File.open(url.path)
    }

    /// The names of the file's groups, one for each case.
    func cases() throws -> [String] { try file.children(of: "/") }

    func has(_ path: String) -> Bool { file.exists(path) }
    func shape(_ path: String) throws -> [Int] { try file.dataset(path).shape }
    func floats(_ path: String) throws -> [Float] { try file.dataset(path).readAll(as: Float.self) }
    func doubles(_ path: String) throws -> [Double] { try file.dataset(path).readAll(as: Double.self) }
    func integers(_ path: String) throws -> [Int64] { try file.dataset(path).readAll(as: Int64.self) }

    func option(_ name: String, of group: String) throws -> Int {
        guard case .integer(let value)? = try file.attribute(name, on: group) else {
            throw MissingOption(description: "\(group) has no integer attribute \(name)")
        }
        return Int(value)
    }

    struct MissingOption: Error, CustomStringConvertible {
        let description: String
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

/// Equal bits, which tells −0 from +0 and finds NaN equal to itself.
func sameBits(_ left: [Float], _ right: [Float]) -> Bool { left.map(\.bitPattern) == right.map(\.bitPattern) }
