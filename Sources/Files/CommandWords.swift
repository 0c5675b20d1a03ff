internal import Diagnostics
internal import Glibc

/// The words of the command line as the system gave them.
package enum CommandWords {
    /// Swift repairs what is not UTF-8, so that another file would be meant. Throws: `Failure(.usage)`.
    package static func requireUTF8() throws {
        for index in 1..<max(1, Int(CommandLine.argc)) {
            guard let word = CommandLine.unsafeArgv[index] else { continue }
            let bytes = UnsafeRawBufferPointer(start: word, count: strlen(word))
            guard String(validating: bytes, as: UTF8.self) == nil else { continue }
            throw Failure(
                .usage,
                "argument \(index), \"\(escaped(bytes))\", is not UTF-8; names are given in UTF-8: rename the file, or make "
                    + "a link to it under such a name")
        }
    }

    /// ASCII as it is, all other bytes as `\xe9`.
    static func escaped(_ bytes: some Sequence<UInt8>) -> String {
        bytes.map { byte in
            (0x20..<0x7F).contains(byte)
                ? String(UnicodeScalar(byte)) : "\\x" + (byte < 16 ? "0" : "") + String(byte, radix: 16)
        }.joined()
    }
}
