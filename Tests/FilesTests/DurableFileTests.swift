import CFileFaults
import Diagnostics
import Foundation
import TestSupport
import Testing

@testable import Files

@Suite("Durable files")
struct DurableFileTests {
    @Test("pieces are written one after the other and replace the file as a whole")
    func writing() throws {
        let scratch = try Scratch()
        for text in ["first, and longer", "second"] {
            try DurableFile.write(text, to: scratch.file("f"))
            #expect(try scratch.text("f") == text)
        }
        let (a, b): ([UInt8], [UInt8]) = ([1, 2], [3])
        try a.withUnsafeBytes { a in
            try b.withUnsafeBytes { b in try DurableFile.write([a, b, a], to: scratch.file("g")) }
        }
        #expect(try scratch.bytes("g") == [1, 2, 3, 1, 2] as [UInt8])
        #expect(scratch.names() == ["f", "g"])
    }

    @Test("a file gets what the umask leaves of 0666, a folder of 0777")
    func modes() throws {
        let scratch = try Scratch()
        let mask = umask(0)
        umask(mask)
        try DurableFile.write("x", to: scratch.file("f"))
        try Folder.make(scratch.file("d/e"))
        _ = try AppendFile(path: scratch.file("log"))
        for (name, mode) in [("f", 0o666), ("log", 0o666), ("d", 0o777), ("d/e", 0o777)] {
            let status = try #require(FileKind.status(of: scratch.file(name)))
            #expect(status.st_mode & 0o777 == mode_t(mode) & ~mask, "\(name)")
        }
    }

    @Test("a name as long as the file system takes is written; a longer one is refused before the work")
    func longNames() throws {
        let scratch = try Scratch()
        for name in [String(repeating: "n", count: 255), String(repeating: "ä", count: 127)] {
            try DurableFile.requireWritable(scratch.file(name))
            try DurableFile.write("x", to: scratch.file(name))
            try DurableFile.link(scratch.file(name), to: scratch.file(name.dropLast() + "x"))
        }
        let path = scratch.file(String(repeating: "n", count: 256))
        let failure = #expect(throws: Failure.self) { try DurableFile.requireWritable(path) }
        #expect(failure?.code == .cannotCreate && failure?.message.contains("256 bytes") == true)
        let late = #expect(throws: Failure.self) { try DurableFile.write("x", to: path) }
        #expect(late?.code == .cannotCreate || late?.code == .inputOutput)
    }

    @Test(
        "odd names are taken as they are",
        arguments: ["-x", "a\nb", "it's \"quoted\"", "\u{301}x"])
    func oddNames(name: String) throws {
        let scratch = try Scratch()
        try Folder.make(scratch.file(name))
        try DurableFile.write("x", to: scratch.file(name) + "/" + name)
        #expect(scratch.names() == [name] && scratch.names(in: name) == [name])
    }

    @Test("links are replaced in one step, and a folder in the way is an error")
    func links() throws {
        let scratch = try Scratch()
        for name in ["a", "b"] { try DurableFile.write(name, to: scratch.file(name)) }
        for name in ["a", "b", "b"] {
            try DurableFile.link(scratch.file(name), to: scratch.file("hard"))
            try DurableFile.symbolicLink(to: name, at: scratch.file("soft"))
            #expect(try scratch.text("hard") == name && scratch.text("soft") == name)
        }
        try Folder.make(scratch.file("d/e"))
        #expect(throws: Failure.self) { try DurableFile.link(scratch.file("a"), to: scratch.file("d")) }
        #expect(throws: Failure.self) { try DurableFile.symbolicLink(to: "a", at: scratch.file("d")) }
        #expect(throws: Failure.self) { try DurableFile.link(scratch.file("none"), to: scratch.file("x")) }
        #expect(scratch.names() == ["a", "b", "d", "hard", "soft"])
    }

    @Test(
        "where there are no hard links the other name is a copy",
        arguments: [EPERM, ENOTSUP, ENOSYS, EMLINK, EXDEV, EACCES])
    func noHardLinks(number: Int32) throws {
        let scratch = try Scratch()
        let bytes = (0..<3_000_001).map { UInt8(truncatingIfNeeded: $0 &* 7) }
        try scratch.write(bytes, "a")
        try failing(CFileFaults_link, number) { try DurableFile.link(scratch.file("a"), to: scratch.file("b")) }
        #expect(try scratch.bytes("b") == bytes && scratch.names() == ["a", "b"])
        #expect(FileKind.status(of: scratch.file("b"))?.st_nlink == 1)
    }

    @Test("where there are no symbolic links either, the link is another name or a copy")
    func noSymbolicLinks() throws {
        let scratch = try Scratch()
        try scratch.write([1, 2, 3], "a")
        try failing(CFileFaults_symlink, EPERM) { try DurableFile.symbolicLink(to: "a", at: scratch.file("last")) }
        #expect(try scratch.bytes("last") == [1, 2, 3] as [UInt8])
        #expect(FileKind(of: scratch.file("last"), followingLinks: false) == .regular)
        #expect(scratch.names() == ["a", "last"])
    }

    @Test("a link that the disk cannot make is an error", arguments: [EIO, ENOSPC, EDQUOT])
    func linkFailure(number: Int32) throws {
        let scratch = try Scratch()
        try scratch.write([1], "a")
        let failure = failing(CFileFaults_link, number) {
            #expect(throws: Failure.self) { try DurableFile.link(scratch.file("a"), to: scratch.file("b")) }
        }
        #expect(failure?.code == .inputOutput && scratch.names() == ["a"])
    }

    @Test(
        "a folder that cannot be synced is no error",
        arguments: [EINVAL, ENOTSUP, EBADF, EROFS, EISDIR, EACCES, ENOSYS])
    func noFolderSync(number: Int32) throws {
        let scratch = try Scratch()
        try failing(CFileFaults_fsyncFolder, number) { try DurableFile.write("x", to: scratch.file("f")) }
        #expect(try scratch.text("f") == "x")
    }

    @Test("bytes that may be lost are an error, and no temporary file stays", arguments: [EIO, ENOSPC, EDQUOT])
    func syncFailure(number: Int32) throws {
        let scratch = try Scratch()
        for call in [CFileFaults_fsyncFile, CFileFaults_write, CFileFaults_rename] {
            let failure = failing(call, number) {
                #expect(throws: Failure.self) { try DurableFile.write("x", to: scratch.file("f")) }
            }
            #expect(failure?.code == .inputOutput && failure?.message.hasPrefix(scratch.file("f")) == true)
            #expect(scratch.names().isEmpty)
        }
        let failure = failing(CFileFaults_fsyncFolder, number) {
            #expect(throws: Failure.self) { try DurableFile.write("x", to: scratch.file("f")) }
        }
        #expect(failure?.code == .inputOutput)
    }

    @Test("room is asked for only where room is the trouble")
    func advice() {
        for number in [ENOSPC, EDQUOT] {
            #expect(SystemError("write", "f", number).description.contains("make room"))
        }
        for number in [EFBIG, EROFS, EACCES, EIO, ESTALE, ENAMETOOLONG, EINVAL] {
            #expect(!SystemError("write", "f", number).description.contains("room"))
        }
    }

    @Test("a call that a signal interrupts is made again")
    func interrupted() throws {
        let scratch = try Scratch()
        try failing(CFileFaults_interrupt, 0) {
            try DurableFile.write("x", to: scratch.file("f"))
            try DurableFile.link(scratch.file("f"), to: scratch.file("g"))
            let log = try AppendFile(path: scratch.file("log"))
            try log.append("line\n")
            try log.synchronize()
            #expect(try InputFile(scratch.file("g"), expected: "").bytes(atMost: 10) == Array("x".utf8))
        }
        #expect(try scratch.text("log") == "line\n" && scratch.names() == ["f", "g", "log"])
    }

    @Test("what is half written is removed when its writer is gone, and left while it lives")
    func temporaries() throws {
        let scratch = try Scratch()
        for name in [".step-000000004.h5.17.tmp", ".last.17.tmp", "notes.tmp", ".hidden", ".notes.tmp", ".a.b.tmp"] {
            try scratch.write([1], name)
        }
        try FileManager.default.createSymbolicLink(
            atPath: scratch.file(".last.18.tmp"), withDestinationPath: scratch.file("notes.tmp"))
        try FileManager.default.createDirectory(atPath: scratch.file(".d.1.tmp"), withIntermediateDirectories: false)
        let living = try TemporaryFile(for: scratch.file("f"))
        try Folder(scratch.path).removeTemporaries()
        #expect(
            scratch.names() == [
                ".a.b.tmp", ".d.1.tmp", FilePath.name(of: living.path), ".hidden", ".notes.tmp", "notes.tmp",
            ])
        try living.commit()
        #expect(scratch.names().contains("f"))
    }

    @Test("without locks only what is a day old counts as left behind")
    func temporariesWithoutLocks() throws {
        let scratch = try Scratch()
        try scratch.write([1], ".new.1.tmp")
        try scratch.write([1], ".old.1.tmp")
        try FileManager.default.setAttributes(
            [.modificationDate: Date(timeIntervalSinceNow: -100_000)], ofItemAtPath: scratch.file(".old.1.tmp"))
        try failing(CFileFaults_flock, ENOLCK) {
            try Folder(scratch.path).removeTemporaries()
            try DurableFile.write("x", to: scratch.file("f"))
        }
        #expect(scratch.names() == [".new.1.tmp", "f"])
    }

    @Test("paths are taken apart by their slashes")
    func paths() {
        for (path, folder, name) in [
            ("a/b", "a", "b"), ("b", ".", "b"), ("/b", "/", "b"), ("a//b/", "a", "b"), ("/", ".", ""), ("", ".", ""),
            ("a/\u{301}b", "a", "\u{301}b"), ("./b", ".", "b"),
        ] {
            #expect(FilePath.folder(of: path) == folder && FilePath.name(of: path) == name, "\(path)")
        }
    }
}
