import TestSupport

@testable import Tensors

/// A golden file of many small cases: groups that have attributes only, with their tensors in one vector.
struct GoldenCases {
    let names: [String]
    private let file: GoldenFile
    private let values: [Float]
    private let wideValues: [Double]

    init(_ name: String) throws {
        file = try GoldenFile(name)
        names = try file.cases().filter { $0 != "values" && $0 != "values64" }
        values = file.has("values") ? try file.floats("values") : []
        wideValues = file.has("values64") ? try file.doubles("values64") : []
    }

    var all: [Case] { names.map { Case(name: $0, cases: self) } }

    /// One group.
    struct Case {
        let name: String
        fileprivate let cases: GoldenCases

        func has(_ key: String) throws -> Bool { try cases.file.has(key, of: name) }

        func shape(_ tensor: String) throws -> [Int] { try Array(numbers(tensor).dropFirst()) }
        func floats(_ tensor: String) throws -> [Float] { try Array(cases.values[place(tensor)]) }
        func doubles(_ tensor: String) throws -> [Double] { try Array(cases.wideValues[place(tensor)]) }

        func numbers(_ key: String) throws -> [Int] { try cases.file.numbers(key, of: name) }
        func number(_ key: String) throws -> Int { try cases.file.number(key, of: name) }
        func real(_ key: String) throws -> Double { try cases.file.real(key, of: name) }
        func text(_ key: String) throws -> String { try cases.file.text(key, of: name) }

        /// One number for each spatial axis.
        func extents(_ key: String) throws -> Extents { Extents(try numbers(key)) }

        private func place(_ tensor: String) throws -> Range<Int> {
            let numbers = try numbers(tensor)
            return numbers[0]..<numbers[0] + numbers.dropFirst().reduce(1, *)
        }
    }
}
