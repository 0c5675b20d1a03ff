import Foundation
import TestSupport
import Testing

@testable import Tensors

/// Over a grid of sizes that no window fits as well as ones that fit: what PyTorch answers, and where it raises.
@Suite("Output sizes against PyTorch")
struct OutputSizeTests {
    private struct Row {
        let values: [String: Int]
        subscript(_ column: String) -> Int { values[column] ?? 0 }
    }

    /// The size, or −1 in place of a refusal.
    private typealias Size = (Row) throws(WindowArithmetic.Misfit) -> Int

    @Test("2,885 convolutions")
    func convolution() throws {
        try check("convolution", rows: 2_885) { row throws(WindowArithmetic.Misfit) in
            try WindowArithmetic.outputExtent(
                input: row["input"], kernel: row["kernel"], stride: row["stride"], dilation: row["dilation"],
                before: row["padding"], after: row["padding"])
        }
    }

    @Test("3,845 maximum poolings with dilation and ceil_mode")
    func maxPooling() throws {
        try check("max_pooling", rows: 3_845, pooled)
    }

    @Test("1,284 average poolings with ceil_mode")
    func averagePooling() throws {
        try check("average_pooling", rows: 1_284, pooled)
    }

    @Test("2,166 transposed convolutions with output padding and dilation")
    func transposed() throws {
        try check("transposed", rows: 2_166) { row throws(WindowArithmetic.Misfit) in
            try WindowArithmetic.transposedExtent(
                input: row["input"], kernel: row["kernel"], stride: row["stride"], dilation: row["dilation"],
                padding: row["padding"], outputPadding: row["output_padding"])
        }
    }

    private let pooled: Size = { row throws(WindowArithmetic.Misfit) in
        try WindowArithmetic.pooledExtent(
            input: row["input"], kernel: row["kernel"], stride: row["stride"],
            dilation: row.values["dilation"] ?? 1, padding: row["padding"], ceilMode: row["ceil_mode"] == 1)
    }

    private func check(_ table: String, rows expected: Int, _ size: Size) throws {
        let file = try GoldenFile("sizes")
        let header = try file.text("columns", of: table)
        let columns = header.split(separator: " ").map(String.init)
        let numbers = try file.file.dataset(table).readAll(as: Int32.self).map { Int($0) }
        var (count, refusals, wrong) = (0, 0, [String]())
        for start in stride(from: 0, to: numbers.count, by: columns.count) {
            let row = Row(
                values: Dictionary(uniqueKeysWithValues: zip(columns, numbers[start..<start + columns.count])))
            let found: Int
            do {
                found = try size(row)
            } catch {
                found = -1
                #expect(!error.description.isEmpty)
            }
            count += 1
            refusals += row["output"] == -1 ? 1 : 0
            if found != row["output"] { wrong.append("\(row.values.sorted { $0.key < $1.key }) gives \(found)") }
        }
        #expect(count == expected)
        #expect(wrong.isEmpty, "\(table): \(wrong.count) of \(count), the first \(wrong.first ?? "")")
        print(
            "output sizes, \(table): \(count - wrong.count) of \(count) equal to PyTorch's, \(refusals) of them refusals"
        )
    }
}
