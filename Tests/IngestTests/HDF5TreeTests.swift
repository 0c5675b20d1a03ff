import HDF5
import TestSupport
import Testing

@testable import Ingest

@Suite("What inspect shows of any HDF5 file")
struct HDF5TreeTests {
    @Test("names and values that hold control characters are escaped, an attribute without numbers is shown")
    func escaping() throws {
        let scratch = try Scratch()
        let file = try HDF5File.create(scratch.file("x.h5"))
        try file.createGroup("/a\u{1b}[2J/b")
        try file.setAttribute("n\u{9b}m", on: "/", .string("x\u{7f}\ny"))
        try file.setAttribute("none", on: "/", .integers([]))
        try file.close()
        let tree = try HDF5Tree(path: scratch.file("x.h5"))
        #expect(
            tree.text.split(separator: "\n") == [
                "\(scratch.file("x.h5")): HDF5", "/  group", "    @none = []", "    @n\\u{9b}m = x\\u{7f}\\ny",
                "/a\\u{1b}[2J  group", "/a\\u{1b}[2J/b  group",
            ])
        #expect(tree.json.unicodeScalars.allSatisfy { $0.value >= 0x20 && !(0x7F...0x9F).contains($0.value) })
    }

    @Test("what a group holds stands behind it, in order of the names")
    func order() throws {
        let scratch = try Scratch()
        let file = try HDF5File.create(scratch.file("x.h5"))
        for path in ["/b/z", "/b/a", "/a-", "/a/x/y"] { try file.createGroup(path) }
        try file.close()
        let paths = try HDF5Tree(path: scratch.file("x.h5")).text.split(separator: "\n").dropFirst()
            .map { $0.split(separator: " ")[0] }
        #expect(paths == ["/", "/a", "/a/x", "/a/x/y", "/a-", "/b", "/b/a", "/b/z"])
    }
}
