import Foundation
import HDF5
import Testing

@testable import Tensors

/// A golden file of many small cases: groups that have attributes only, with their tensors in one vector.
struct GoldenCases {
    let names: [String]
    private let file: HDF5File
    private let values: [Float]
    private let wideValues: [Double]

    init(_ name: String) throws {
        let url = try #require(Bundle.module.url(forResource: name, withExtension: "h5", subdirectory: "Golden"))
        file = try HDF5File.open(url.path)
        names = try file.children(of: "/").filter { $0 != "values" && $0 != "values64" }
        values = file.exists("values") ? try file.dataset("values").readAll(as: Float.self) : []
        wideValues = file.exists("values64") ? try file.dataset("values64").readAll(as: Double.self) : []
    }

    var all: [Case] { names.map { Case(name: $0, cases: self) } }

    /// One group.
    struct Case {
        let name: String
        fileprivate let cases: GoldenCases

        func has(_ key: String) throws -> Bool { try cases.file.attribute(key, on: name) != nil }

        func shape(_ tensor: String) throws -> [Int] { try Array(numbers(tensor).dropFirst()) }
        func floats(_ tensor: String) throws -> [Float] { try Array(cases.values[place(tensor)]) }
        func doubles(_ tensor: String) throws -> [Double] { try Array(cases.wideValues[place(tensor)]) }

        func numbers(_ key: String) throws -> [Int] {
            guard case .integers(let values)? = try cases.file.attribute(key, on: name) else { throw missing(key) }
            return values.map { Int($0) }
        }

        func number(_ key: String) throws -> Int {
            guard case .integer(let value)? = try cases.file.attribute(key, on: name) else { throw missing(key) }
            return Int(value)
        }

        func real(_ key: String) throws -> Double {
            guard case .real(let value)? = try cases.file.attribute(key, on: name) else { throw missing(key) }
            return value
        }

        func text(_ key: String) throws -> String {
            guard case .string(let value)? = try cases.file.attribute(key, on: name) else { throw missing(key) }
            return value
        }

        /// One number for each spatial axis.
        func extents(_ key: String) throws -> Extents { Extents(try numbers(key)) }

        private func place(_ tensor: String) throws -> Range<Int> {
            let numbers = try numbers(tensor)
            return numbers[0]..<numbers[0] + numbers.dropFirst().reduce(1, *)
        }

        private func missing(_ key: String) -> Golden.MissingOption {
            Golden.MissingOption(description: "\(name) has no \(key) of the kind asked for")
        }
    }
}
