internal import Diagnostics
internal import Files
internal import Interchange
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

    /// Running statistics are real numbers too, but no parameters.
    private static func isBuffer(_ entry: TensorEntry) -> Bool {
        !entry.type.isReal || entry.key.hasSuffix("running_mean") || entry.key.hasSuffix("running_var")
    }

    private func count(ofBuffers: Bool) -> Int {
        file.entries.filter { Self.isBuffer($0) == ofBuffers }.reduce(0) { $0 + $1.count }
    }

    package var values: [String: Any] {
        [
            "format": file.formatName, "parameters": count(ofBuffers: false), "buffers": count(ofBuffers: true),
            "metadata": metadata,
            "tensors": file.entries.map { ["key": $0.key, "dtype": "\($0.type)", "shape": $0.shape] as [String: Any] },
        ]
    }

    package var text: String {
        let width = file.entries.map(\.key.printable.count).max() ?? 0
        let tensors = file.entries.map { entry in
            let key = entry.key.printable
            return "  \(key)" + String(repeating: " ", count: width - key.count)
                + "  \(entry.type)  \(Shape(entry.shape))"
        }
        let texts = metadata.sorted { $0.key < $1.key }.map {
            "  \($0.key.printable): \(String($0.value.prefix(200)).printable)"
        }
        return
            (["\(file.path): \(file.formatName), \(file.entries.count) tensors"]
            + (texts.isEmpty ? [] : ["metadata"] + texts)
            + [
                "parameters  \(NumberText.grouped(count(ofBuffers: false)))",
                "buffers  \(NumberText.grouped(count(ofBuffers: true)))",
            ] + tensors).joined(separator: "\n")
    }
}
