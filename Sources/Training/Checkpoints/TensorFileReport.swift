internal import Diagnostics
internal import Files
internal import Interchange
package import Report
internal import Tensors

/// What `inspect` tells of a file of tensors that another program has written.
package struct TensorFileReport {
    private let file: any TensorFile

    /// nil for a file of another format than safetensors and PyTorch's. Throws: `Failure`.
    package init?(path: String) throws {
        let input = try InputFile(path, expected: WeightsFile.expected)
        guard let format = try TensorFileFormat(of: input) else { return nil }
        file = try format.open(input)
    }

    private var metadata: [String: String] { (file as? Safetensors)?.metadata ?? [:] }

    private var sortedMetadata: [(key: String, value: String)] { metadata.sorted { $0.key < $1.key } }

    /// Running statistics are real numbers too, but no parameters.
    private static func isBuffer(_ entry: TensorEntry) -> Bool {
        !entry.type.isReal || entry.key.hasSuffix("running_mean") || entry.key.hasSuffix("running_var")
    }

    private func count(ofBuffers: Bool) -> Int {
        file.entries.filter { Self.isBuffer($0) == ofBuffers }.reduce(0) { $0 + $1.count }
    }

    package var json: JSON {
        [
            "format": .string(file.formatName), "parameters": .integer(count(ofBuffers: false)),
            "buffers": .integer(count(ofBuffers: true)),
            "metadata": .object(sortedMetadata.map { JSON.Member($0.key, .string($0.value)) }),
            "tensors": .array(
                file.entries.map {
                    ["key": .string($0.key), "dtype": .string("\($0.type)"), "shape": .integers($0.shape)]
                }),
        ]
    }

    package var text: String {
        let tensors = TextTable(
            file.entries.map { [$0.key.printable, "\($0.type)", "\(Shape($0.shape))"] }, [.left], indent: 2)
        let texts = sortedMetadata.map {
            "  \($0.key.printable): \(String($0.value.prefix(200)).printable)"
        }
        return
            (["\(file.path): \(file.formatName), \(file.entries.count) tensors"]
            + (texts.isEmpty ? [] : ["metadata"] + texts)
            + [
                "parameters  \(NumberText.grouped(count(ofBuffers: false)))",
                "buffers  \(NumberText.grouped(count(ofBuffers: true)))",
            ] + tensors.lines).joined(separator: "\n")
    }
}
