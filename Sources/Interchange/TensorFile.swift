internal import Diagnostics
package import Files

/// One tensor of a file, described and found to lie inside it, but not read.
package struct TensorEntry: Equatable, Sendable {
    /// As in PyTorch's state dictionary: `layer1.0.conv1.weight`.
    package let key: String
    package let shape: [Int]
    package let type: ElementType

    package init(key: String, shape: [Int], type: ElementType) {
        self.key = key
        self.shape = shape
        self.type = type
    }

    /// The product of the shape, which has been found to fit.
    package var count: Int { shape.reduce(1, *) }
}

/// A file of named tensors.
///
/// Opening checks everything that the file says of itself against its size and against limits, and reads no tensor; a tensor
/// is then read straight to where it is wanted.
package protocol TensorFile: AnyObject {
    var path: String { get }
    /// `safetensors`, `PyTorch`: for messages.
    var formatName: String { get }
    /// In the order of the file; no key stands twice.
    var entries: [TensorEntry] { get }

    /// Reads tensors of reals as float32, each in row-major order, in one walk through the file. Throws: `Failure`.
    ///
    /// Traps: an entry of another file, a type that is not real.
    func read(_ wanted: [WantedTensor]) throws
}

/// A tensor and where it is to go.
package struct WantedTensor {
    package let entry: TensorEntry
    package let values: UnsafeMutableBufferPointer<Float>

    /// Traps: a buffer of another count.
    package init(_ entry: TensorEntry, into values: UnsafeMutableBufferPointer<Float>) {
        precondition(values.count == entry.count, "\(values.count) places for \(entry.key) \(entry.shape)")
        self.entry = entry
        self.values = values
    }
}

/// The formats of others that files of tensors have, told by their first bytes, never by their names.
package enum TensorFileFormat: Equatable, Sendable {
    case safetensors, torch

    /// nil for a file of neither format.
    package init?(of file: InputFile) throws {
        let head = try file.bytes(0..<64)
        if TorchFile.isMarked(head) {
            self = .torch
        } else if Safetensors.isMarked(head) {
            self = .safetensors
        } else {
            return nil
        }
    }

    /// Opens a file of this format. Throws: `Failure(.badData)` saying what is wrong with it.
    package func open(_ file: InputFile) throws -> any TensorFile {
        switch self {
        case .safetensors: try Safetensors(file)
        case .torch: try TorchFile(file)
        }
    }
}

/// What no honest file of weights goes beyond.
enum TensorLimits {
    static let tensors = 100_000
    static let rank = 8
    static let keyBytes = 1_024

    /// Elements of a shape; nil for negative extents, too many axes, and what an `Int` of bytes cannot count.
    static func count(of shape: [Int], type: ElementType) -> Int? {
        guard shape.count <= rank else { return nil }
        var count = 1
        for extent in shape {
            guard extent >= 0 else { return nil }
            let (next, overflow) = count.multipliedReportingOverflow(by: extent)
            guard !overflow else { return nil }
            count = next
        }
        return count.multipliedReportingOverflow(by: type.byteCount).overflow ? nil : count
    }
}

extension InputFile {
    /// Fills the buffer from a place in the file. Throws: `Failure(.badData)` when the file ends before.
    func fill(_ buffer: UnsafeMutableRawBufferPointer, at offset: Int) throws {
        let count = try read(into: buffer, at: offset)
        guard count == buffer.count else {
            throw Failure(
                .badData, "\(path): is truncated: ends at byte \(offset + count), expected \(offset + buffer.count)")
        }
    }
}

extension String {
    /// Foreign text for a message: printable, and of a length that leaves the message readable.
    var quoted: String { utf8.count <= 100 ? printable : String(prefix(80)).printable + "…" }
}
