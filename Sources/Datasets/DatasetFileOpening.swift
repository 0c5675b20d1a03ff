internal import Diagnostics
internal import Glibc
internal import HDF5

/// What is found out about a file before its contents are looked at.
extension DatasetFile {
    /// Refuses what is missing or is no HDF5 file, by its first bytes, before the library sees it.
    static func requireHDF5(_ path: String) throws {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else {
            let advice = "Name a dataset file with --data, or make one with swift-train convert."
            throw Failure(.inputMissing, "\(path): \(String(cString: strerror(errno))). \(advice)")
        }
        defer { close(descriptor) }
        var status = stat()
        guard fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG else {
            throw Failure(.badData, "\(path): is not a regular file, expected a dataset file (HDF5)")
        }
        var head = [UInt8](repeating: 0, count: DatasetFileFormat.signature.count)
        let count = max(0, pread(descriptor, &head, head.count, 0))
        head.removeLast(head.count - count)
        guard head != DatasetFileFormat.signature else { return }
        let advice: String
        if head.starts(with: [0x1F, 0x8B]) {
            advice = "it is compressed with gzip; unpack it, or give IDX files to swift-train convert idx"
        } else if head.starts(with: [0, 0, 8]) {
            advice = "it looks like IDX; make a dataset file of it with swift-train convert idx"
        } else {
            advice = "make a dataset file with swift-train convert"
        }
        let found = head.isEmpty ? "nothing" : head.map { hexadecimal($0) }.joined(separator: " ")
        let expected = DatasetFileFormat.signature.map { hexadecimal($0) }.joined(separator: " ")
        throw Failure(.badData, "\(path): is not HDF5: begins with \(found), expected \(expected); \(advice)")
    }

    static func requireFormat(_ file: HDF5File) throws {
        let path = file.path
        let format = try file.attribute("format", on: "/")
        guard format == .string(DatasetFileFormat.name) else {
            let found = if case .string(let text)? = format { text } else { "no such attribute" }
            throw Failure(
                .badData,
                "\(path):/@format is \(found), expected \(DatasetFileFormat.name). "
                    + "Make a dataset file with swift-train convert.")
        }
        let version = try file.attribute("format_version", on: "/")
        guard version == .integer(DatasetFileFormat.version) else {
            let found = if case .integer(let number)? = version { "\(number)" } else { "missing" }
            throw Failure(
                .badData,
                "\(path):/@format_version is \(found), expected \(DatasetFileFormat.version). "
                    + "Convert the data again with this swift-train.")
        }
    }

    private static func hexadecimal(_ byte: UInt8) -> String {
        (byte < 16 ? "0" : "") + String(byte, radix: 16)
    }
}

/// Runs `body` and puts what the HDF5 layer throws into the user's words.
func translatingErrors<Result>(_ body: () throws -> Result) throws -> Result {
    do {
        return try body()
    } catch let error as HDF5Error {
        throw Failure(error.isDiskFull ? .inputOutput : .badData, words(for: error))
    }
}

/// A truncated file is said in bytes; everything else in the library's words.
private func words(for error: HDF5Error) -> String {
    if error.reason.hasPrefix("truncated file"), let found = number(after: "eof = ", in: error.reason),
        let expected = number(after: "stored_eof = ", in: error.reason)
    {
        return "\(error.place): has \(found) bytes, expected \(expected); the file is truncated. "
            + "Copy or convert it again."
    }
    return error.description
}

private func number(after key: String, in text: String) -> String? {
    guard let start = text.firstRange(of: key)?.upperBound else { return nil }
    let digits = text[start...].prefix { $0.isNumber }
    return digits.isEmpty ? nil : String(digits)
}
