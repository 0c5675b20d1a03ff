import CFileFaults
import Diagnostics
import Foundation
import TestSupport
import Testing

@testable import Files

@Suite("Files that are read")
struct InputFileTests {
    @Test("a whole file and parts of it are read, never more than is there or asked for")
    func reading() throws {
        let scratch = try Scratch()
        try scratch.write([1, 2, 3, 4, 5], "f")
        let file = try InputFile(scratch.file("f"), expected: "")
        #expect(file.byteCount == 5 && fcntl(file.descriptor, F_GETFL) & O_NONBLOCK == 0)
        #expect(try file.bytes(atMost: 5) == [1, 2, 3, 4, 5])
        #expect(try file.bytes(1..<3) == [2, 3] && file.bytes(4..<9) == [5] && file.bytes(7..<9) == [])
        let failure = #expect(throws: Failure.self) { try file.bytes(atMost: 4) }
        #expect(failure?.code == .badData)
    }

    @Test("what is no regular file is refused at once, with words")
    func kinds() throws {
        let scratch = try Scratch()
        #expect(mkfifo(scratch.file("pipe"), 0o600) == 0)
        try Folder.make(scratch.file("folder"))
        try scratch.write([1], "f")
        try FileManager.default.createSymbolicLink(
            atPath: scratch.file("link"), withDestinationPath: scratch.file("f"))
        for (path, words) in [
            (scratch.file("pipe"), "a named pipe"), (scratch.file("folder"), "a folder"), ("/dev/null", "a device"),
        ] {
            let failure = #expect(throws: Failure.self) { try InputFile(path, expected: "expected data") }
            #expect(failure?.code == .badData && failure?.message.contains(words) == true, "\(failure?.message ?? "")")
            #expect(failure?.message.hasSuffix("expected data") == true)
        }
        #expect(try InputFile(scratch.file("link"), expected: "").bytes(atMost: 9) == [1])
        let failure = #expect(throws: Failure.self) {
            try InputFile(scratch.file("link"), expected: "", followingLinks: false)
        }
        #expect(failure?.code == .badData && failure?.message.contains("a symbolic link") == true)
    }

    @Test("what is not there is missing input, a disk that fails is none")
    func missing() throws {
        let scratch = try Scratch()
        try scratch.write([1], "f")
        for name in ["none", "f/none", String(repeating: "n", count: 300)] {
            let failure = #expect(throws: Failure.self) { try InputFile(scratch.file(name), expected: "") }
            #expect(failure?.code == .inputMissing)
        }
        let failure = failing(CFileFaults_read, EIO) {
            #expect(throws: Failure.self) { try InputFile(scratch.file("f"), expected: "").bytes(atMost: 9) }
        }
        #expect(failure?.code == .inputOutput && failure?.message.contains("read: ") == true)
    }
}

@Suite("Logs")
struct AppendFileTests {
    @Test("a log is cut to what is kept and goes on from there")
    func cutting() throws {
        let scratch = try Scratch()
        let log = try AppendFile(path: scratch.file("log"))
        for line in ["one\n", "two\n"] { try log.append(line) }
        #expect(log.byteCount == 8)
        let again = try AppendFile(path: scratch.file("log"), keeping: 4)
        try again.append("three\n")
        #expect(try scratch.text("log") == "one\nthree\n" && again.byteCount == 10)
        try failing(CFileFaults_ftruncate, EPERM) {
            try AppendFile(path: scratch.file("log"), keeping: 4).append("four\n")
        }
        #expect(try scratch.text("log") == "one\nfour\n" && scratch.names() == ["log"])
    }

    @Test("nobody's file is written to through a link, a pipe, a folder or another name")
    func planted() throws {
        let scratch = try Scratch()
        try scratch.write(Array("precious".utf8), "v")
        try FileManager.default.createSymbolicLink(atPath: scratch.file("link"), withDestinationPath: scratch.file("v"))
        try FileManager.default.createSymbolicLink(atPath: scratch.file("dangling"), withDestinationPath: "nowhere")
        #expect(mkfifo(scratch.file("pipe"), 0o600) == 0)
        try Folder.make(scratch.file("folder"))
        for name in ["link", "dangling", "pipe", "folder"] {
            let failure = #expect(throws: Failure.self) { try AppendFile(path: scratch.file(name), keeping: 0) }
            #expect(failure?.code == .cannotCreate && failure?.message.contains("expected a regular file") == true)
        }
        #expect(FileKind(of: scratch.file("nowhere")) == nil)
        try FileManager.default.linkItem(atPath: scratch.file("v"), toPath: scratch.file("hard"))
        try AppendFile(path: scratch.file("hard"), keeping: 3).append("!")
        #expect(try scratch.text("v") == "precious" && scratch.text("hard") == "pre!")
    }

    @Test("a line is there whole or not at all")
    func wholeLines() throws {
        let scratch = try Scratch()
        let log = try AppendFile(path: scratch.file("log"))
        try log.append("one\n")
        failing(CFileFaults_write, ENOSPC) {
            let error = #expect(throws: SystemError.self) { try log.append("two\n") }
            #expect(error?.number == ENOSPC)
        }
        try log.append("three\n")
        #expect(try scratch.text("log") == "one\nthree\n" && log.byteCount == 10)
    }
}
