import Foundation
import Testing

@testable import HDF5

/// Files that others wrote, made by `Fixtures/make_fixtures.py`.
@Suite("HDF5 files of others")
struct HDF5HostileFileTests {
    private static func open(_ name: String) throws -> HDF5File {
        let folder = try #require(Bundle.module.resourceURL)
        return try HDF5File.open(folder.appendingPathComponent("Fixtures/\(name)").path)
    }

    @Test(
        "what leads elsewhere, claims too much or needs foreign code is refused by name",
        arguments: [
            ("links.h5", "/soft", "is a soft link"),
            ("links.h5", "/softgroup/data", "is a soft link"),
            ("links.h5", "/external", "is an external or user-defined link"),
            ("links.h5", "/group", "is not a dataset"),
            ("links.h5", "/group/none", "there is no /group/none"),
            ("storage.h5", "/external", "external storage is not read"),
            ("storage.h5", "/rank6", "has 6 dimensions, expected at most 5"),
            ("storage.h5", "/lzf", "is stored through filter 32000"),
            ("storage.h5", "/sparse", "1099511627776 float32 = 4398046511104 bytes, the file has"),
            ("storage.h5", "/hugechunk", "has chunks of more than"),
            ("storage.h5", "/unallocated", "1099511627776 float32 = 4398046511104 bytes, the file has"),
            ("storage.h5", "/null", "holds no data"),
            ("compact.h5", "/data", "120 float32 = 480 bytes, and 452 are stored"),
            ("virtual.h5", "/virtual", "virtual layout is not read"),
        ])
    func refused(name: String, path: String, words: String) throws {
        let file = try Self.open(name)
        let error = #expect(throws: HDF5Error.self) { try file.dataset(path) }
        #expect(error?.reason.contains(words) == true, "\(error?.description ?? "")")
        #expect(file.openObjectCount == 1)
    }

    @Test("a link that is not hard exists, and a second hard link opens")
    func links() throws {
        let file = try Self.open("links.h5")
        #expect(file.exists("/soft") && file.exists("/external") && file.exists("/hard"))
        #expect(try file.dataset("/hard").readAll(as: Float.self) == [0, 1, 2, 3])
        #expect(throws: HDF5Error.self) { try file.attribute("a", on: "/softgroup") }
        #expect(throws: HDF5Error.self) { try file.children(of: "/softgroup") }
    }

    @Test("big-endian numbers are read but not mapped, odd types are named")
    func types() throws {
        let file = try Self.open("peer.h5")
        let big = try file.dataset("/big")
        #expect(try big.readAll(as: Float.self) == [0, 1, 2, 3])
        #expect(big.isContiguous && big.fileOffset == nil)
        #expect(try file.dataset("/half").elementType == .other("float16"))
        #expect(try file.dataset("/short").elementType == .integer(bits: 16, isSigned: false))
        #expect(throws: HDF5Error.self) { try file.dataset("/short").readAll(as: Int32.self) }
        #expect(try file.dataset("/short").readIntegers() == [0, 1, 2, 3])
        #expect(throws: HDF5Error.self) { try file.dataset("/half").readIntegers() }
        #expect(try file.dataset("/fixed").readStrings() == ["ab", "c", ""])
        #expect(try file.dataset("/variable").readStrings() == ["Größe", ""])
    }

    @Test("attributes of any width arrive, and what does not fit is an error")
    func attributes() throws {
        let file = try Self.open("peer.h5")
        #expect(try file.attribute("text", on: "/") == .string("Größe"))
        #expect(try file.attribute("fixed", on: "/") == .string("plain"))
        #expect(try file.attribute("small", on: "/") == .integer(-3))
        #expect(try file.attribute("unsigned", on: "/") == .integer(.max))
        #expect(try file.attribute("single", on: "/") == .real(0.5))
        #expect(try file.attribute("row", on: "/") == .integers([1, 2]))
        for name in ["toolarge", "matrix", "flag"] {
            #expect(throws: HDF5Error.self, "\(name)") { try file.attribute(name, on: "/") }
        }
        #expect(file.openObjectCount == 1)
    }

    @Test("attributes without a value are empty, whatever their type")
    func emptyAttributes() throws {
        let file = try Self.open("odd.h5")
        for name in ["null", "nullText", "nullReal"] { #expect(try file.attribute(name, on: "/") == .empty, "\(name)") }
        #expect(try file.attribute("noNumbers", on: "/") == .integers([]))
        #expect(try file.attribute("noReals", on: "/") == .reals([]))
        #expect(try file.attribute("noText", on: "/") == .string(""))
        #expect(throws: HDF5Error.self) { try file.attribute("noTexts", on: "/") }
        #expect("\(HDF5Value.empty)" == "(empty)" && file.openObjectCount == 1)
    }

    @Test(
        "integers of every width, sign and byte order arrive, and what a signed 64-bit integer cannot hold is an error")
    func integers() throws {
        let file = try Self.open("odd.h5")
        for name in ["i1", "u1", "i2be", "u2", "i4", "u4be", "i8be", "u8"] {
            #expect(try file.dataset("/integers/\(name)").readIntegers() == [0, 1, 127], "\(name)")
        }
        #expect(try file.dataset("/integers/negative").readIntegers() == [-1, 1])
        let error = #expect(throws: HDF5Error.self) { try file.dataset("/integers/toolarge").readIntegers() }
        #expect(error?.reason.contains("9223372036854775808 is beyond") == true)
    }

    @Test("names that hold control characters are escaped in messages")
    func controlCharacters() throws {
        let file = try Self.open("odd.h5")
        let name = try #require(try file.children(of: "/").first { $0.hasPrefix("a") })
        #expect(name == "a\u{1b}[31m\n\u{202e}")
        let error = #expect(throws: HDF5Error.self) { try file.dataset("/\(name)") }
        #expect(error?.description.contains("a\\u{1b}[31m\\n\\u{202e}") == true, "\(error?.description ?? "")")
    }

    @Test("two names of one object have one address, links that lead elsewhere have none")
    func addresses() throws {
        let links = try Self.open("links.h5").links(of: "/")
        let byName = Dictionary(uniqueKeysWithValues: links.map { ($0.name, $0.address) })
        let inGroup = try Self.open("links.h5").links(of: "/group")
        #expect(byName["soft"] == .some(nil) && byName["external"] == .some(nil))
        #expect(byName["hard"] == inGroup.first { $0.name == "data" }?.address && byName["hard"] != byName["group"])
    }
}
