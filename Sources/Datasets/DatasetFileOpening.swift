internal import Diagnostics
internal import Files
internal import Glibc
internal import HDF5

/// What is found out about a file before its contents are looked at.
extension DatasetFile {
    /// Refuses what is missing or is no HDF5 file, by its first bytes, before the library sees it.
    static func requireHDF5(_ path: String) throws {
        let descriptor = try InputDescriptor.open(
            path, expected: "a dataset file (HDF5)",
            advice: "Name a dataset file with --data, or make one with swift-train convert.")
        defer { close(descriptor) }
        // What others put in front of HDF5 (a user block) has 512 bytes or twice, four times … as many.
        var place = 0
        while true {
            let found = InputDescriptor.bytes(descriptor, count: DatasetFileFormat.signature.count, at: place)
            if found == DatasetFileFormat.signature { return }
            guard !found.isEmpty, place < 1 << 40 else { break }
            place = place == 0 ? 512 : 2 * place
        }
        let head = InputDescriptor.bytes(descriptor, count: ForeignFile.headBytes, at: 0)
        let first = head.prefix(DatasetFileFormat.signature.count)
        let found = first.isEmpty ? "nothing" : first.map { hexadecimal($0) }.joined(separator: " ")
        let expected = DatasetFileFormat.signature.map { hexadecimal($0) }.joined(separator: " ")
        let advice = ForeignFile.words(for: head) ?? "make a dataset file with swift-train convert"
        throw Failure(.badData, "\(path): is not HDF5: begins with \(found), expected \(expected); \(advice)")
    }

    static func requireFormat(_ file: HDF5File) throws {
        let path = file.path
        let format = try file.attribute("format", on: "/")
        guard format == .string(DatasetFileFormat.name) else {
            let found = format.map { $0.description.printable } ?? "no such attribute"
            throw Failure(
                .badData,
                "\(path):/@format is \(found), expected \(DatasetFileFormat.name). Make a dataset file with swift-train convert, "
                    + "whose --help shows the layout; swift-train inspect shows what this file holds")
        }
        let version = try file.attribute("format_version", on: "/")
        guard version == .integer(DatasetFileFormat.version) else {
            let found = version.map { $0.description.printable } ?? "missing"
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
