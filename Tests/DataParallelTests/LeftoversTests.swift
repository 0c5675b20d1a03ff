import Foundation
import Testing

@testable import DataParallel

/// A made-up host: shared memory, temporary folder and process table in one folder, removed at the end.
private final class MadeUpHost {
    let root: String
    var shared: String { root + "/shm" }
    var session: String { "\(root)/tmp/ompi.node.\(getuid())" }
    let leftovers: Leftovers

    init() throws {
        root = FileManager.default.temporaryDirectory.appendingPathComponent("leftovers-" + UUID().uuidString).path
        var leftovers = Leftovers(environment: [:])
        leftovers.sharedMemory = root + "/shm"
        leftovers.temporary = root + "/tmp"
        leftovers.processes = root + "/proc"
        leftovers.hosts = ["node", "node.example"]
        self.leftovers = leftovers
        for folder in ["shm", "tmp", "proc"] { try makeFolder("\(root)/\(folder)") }
    }

    deinit { try? FileManager.default.removeItem(atPath: root) }

    func makeFolder(_ path: String) throws {
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    }

    func process(_ id: Int) throws { try makeFolder("\(root)/proc/\(id)") }

    /// A session folder of a launcher, with files as Open MPI 4.1 leaves them.
    func session(launcher: Int, job: UInt32) throws {
        let folder = "\(session)/pid.\(launcher)"
        try makeFolder("\(folder)/0/0")
        try makeFolder("\(folder)/pmix_dstor_ds21_\(launcher)")
        try Data().write(to: URL(fileURLWithPath: "\(folder)/contact.txt"))
        try Data().write(to: URL(fileURLWithPath: "\(folder)/pmix_dstor_ds21_\(launcher)/smseg-\(job)-0"))
    }

    @discardableResult
    func segment(_ name: String, ageSeconds: Double = 0) throws -> String {
        let path = "\(shared)/\(name)"
        try Data([1]).write(to: URL(fileURLWithPath: path))
        try FileManager.default.setAttributes(
            [.modificationDate: Date(timeIntervalSinceNow: -ageSeconds)], ofItemAtPath: path)
        return path
    }

    func segmentName(job: UInt32, rank: Int) -> String {
        "vader_segment.node.\(getuid()).\(String(job, radix: 16)).\(rank)"
    }

    func everything() throws -> Set<String> {
        Set(try FileManager.default.subpathsOfDirectory(atPath: root))
    }
}

/// A file as a rank uses its segment: open for writing, or only mapped.
private struct Use {
    private let file: Int32
    private let memory: UnsafeMutableRawPointer?

    init(of path: String, isMapped: Bool) throws {
        let opened = open(path, O_RDWR)
        try #require(opened >= 0)
        memory = isMapped ? mmap(nil, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, opened, 0) : nil
        if isMapped { close(opened) }
        file = isMapped ? -1 : opened
    }

    func end() {
        if let memory { munmap(memory, 4096) }
        if file >= 0 { close(file) }
    }
}

@Suite("Leftovers")
struct LeftoversTests {
    @Test("a dead launcher's session folder and its fresh segments are removed")
    func deadSession() throws {
        let host = try MadeUpHost()
        try host.process(1)
        try host.session(launcher: 77, job: 0x2a5a_0001)
        let segments = try (0..<2).map { try host.segment(host.segmentName(job: 0x2a5a_0001, rank: $0)) }
        #expect(host.leftovers.remove() == (segments + ["\(host.session)/pid.77"]).sorted())
        #expect(try FileManager.default.contentsOfDirectory(atPath: host.shared).isEmpty)
        #expect(try FileManager.default.contentsOfDirectory(atPath: host.session).isEmpty)
    }

    @Test("a live launcher's session folder and its segments stay, however old")
    func liveSession() throws {
        let host = try MadeUpHost()
        try host.process(77)
        try host.session(launcher: 77, job: 5)
        try host.segment(host.segmentName(job: 5, rank: 0), ageSeconds: 100_000)
        let before = try host.everything()
        #expect(host.leftovers.remove().isEmpty)
        #expect(try host.everything() == before)
    }

    @Test("a segment without a session stays for a minute and then goes")
    func age() throws {
        let host = try MadeUpHost()
        try host.segment(host.segmentName(job: 5, rank: 0), ageSeconds: 30)
        let old = try host.segment(host.segmentName(job: 6, rank: 0), ageSeconds: 90)
        #expect(host.leftovers.remove() == [old])
    }

    @Test(
        "what a process has open for writing or mapped stays, though its launcher's number is none here: a run in another container, an orphan",
        arguments: [false, true])
    func inUse(isMapped: Bool) throws {
        let host = try MadeUpHost()
        try host.session(launcher: 77, job: 5)
        let segment = try host.segment(host.segmentName(job: 5, rank: 0), ageSeconds: 90)
        let users = try [segment, "\(host.session)/pid.77/pmix_dstor_ds21_77/smseg-5-0"].map { path in
            try Data(count: 4096).write(to: URL(fileURLWithPath: path))
            return try Use(of: path, isMapped: isMapped)
        }
        let before = try host.everything()
        #expect(host.leftovers.remove().isEmpty)
        #expect(try host.everything() == before)
        for user in users { user.end() }
        #expect(host.leftovers.remove() == [segment, "\(host.session)/pid.77"].sorted())
    }

    @Test("a session folder in which nothing is shared yet stays for a minute and then goes")
    func beginning() throws {
        let host = try MadeUpHost()
        try host.makeFolder("\(host.session)/pid.77")
        #expect(host.leftovers.remove().isEmpty)
        var later = host.leftovers
        later.now += 61
        #expect(later.remove() == ["\(host.session)/pid.77"])
    }

    @Test("the host's name may come with its domain")
    func domain() throws {
        let host = try MadeUpHost()
        let segment = try host.segment("vader_segment.node.example.\(getuid()).5.0", ageSeconds: 90)
        #expect(host.leftovers.remove() == [segment])
    }

    @Test("other names, hosts and users are never touched, however old")
    func others() throws {
        let host = try MadeUpHost()
        let user = getuid()
        let names = [
            "vader_segment.node2.\(user).5.0", "vader_segment.node.\(user + 1).5.0", "vader_segment.node.\(user).5",
            "vader_segment.node.\(user).5.x", "vader_segment.node.\(user).zz.0", "vader_segment.node.\(user).+5.0",
            "vader_segment.node.\(user).5.0.1", "vader_segment.node.\(user)", "psm2_shm.5", "sem.lock",
        ]
        for name in names { try host.segment(name, ageSeconds: 1000) }
        for name in ["pid.", "pid.x", "pid.-1", "pid.77x", "jf.77"] { try host.makeFolder("\(host.session)/\(name)") }
        try Data().write(to: URL(fileURLWithPath: host.session + "/pid.99"))
        try host.makeFolder("\(host.root)/tmp/ompi.node2.\(user)/pid.77")
        try host.makeFolder("\(host.root)/tmp/ompi.node.\(user + 1)/pid.77")
        let before = try host.everything()
        #expect(host.leftovers.remove().isEmpty)
        #expect(try host.everything() == before)
    }

    @Test("another user's files stay under this user's name")
    func foreignOwner() throws {
        let host = try MadeUpHost()
        var leftovers = host.leftovers
        leftovers.user += 1
        try host.makeFolder("\(host.root)/tmp/ompi.node.\(leftovers.user)/pid.77")
        try host.segment("vader_segment.node.\(leftovers.user).5.0", ageSeconds: 90)
        let before = try host.everything()
        #expect(leftovers.remove().isEmpty)
        #expect(try host.everything() == before)
    }

    @Test("links are removed, not followed")
    func links() throws {
        let host = try MadeUpHost()
        try host.session(launcher: 77, job: 5)
        try host.makeFolder("\(host.root)/precious")
        try Data([1]).write(to: URL(fileURLWithPath: "\(host.root)/precious/file"))
        let manager = FileManager.default
        try manager.createSymbolicLink(
            atPath: "\(host.session)/pid.77/0/link", withDestinationPath: "\(host.root)/precious")
        try manager.createSymbolicLink(
            atPath: "\(host.session)/pid.78", withDestinationPath: "\(host.root)/precious")
        try manager.createSymbolicLink(
            atPath: "\(host.shared)/\(host.segmentName(job: 5, rank: 0))",
            withDestinationPath: "\(host.root)/precious/file")
        #expect(host.leftovers.remove() == ["\(host.session)/pid.77"])
        #expect(manager.fileExists(atPath: "\(host.root)/precious/file"))
    }

    @Test("folders that do not exist are nothing to remove")
    func nothingThere() throws {
        let host = try MadeUpHost()
        try FileManager.default.removeItem(atPath: host.root)
        #expect(host.leftovers.remove().isEmpty)
    }

    @Test("the temporary folder is TMPDIR's, or /tmp")
    func temporaryFolder() {
        #expect(Leftovers(environment: ["TMPDIR": "/scratch", "TMP": "/x"]).temporary == "/scratch")
        #expect(Leftovers(environment: ["TMPDIR": ""]).temporary == "/tmp")
    }
}
