import Diagnostics
import TestSupport
import Testing

@testable import DataParallel

@Suite("Communicators")
struct CommunicatorTests {
    @Test("broadcast and gather of unequal blocks reach every rank in rank order", arguments: [1, 2, 3, 5])
    func collectives(ranks: Int) throws {
        let results = try InProcessWorld(size: ranks).run { communicator in
            let root = communicator.size - 1
            let mine = [UInt8](repeating: UInt8(communicator.rank + 1), count: communicator.rank)
            let word = try communicator.broadcast(communicator.rank == root ? Array("last".utf8) : [], from: root)
            try communicator.barrier()
            return (word, try communicator.allGather(mine))
        }
        for (word, blocks) in results {
            #expect(word == Array("last".utf8))
            #expect(blocks == (0..<ranks).map { [UInt8](repeating: UInt8($0 + 1), count: $0) })
        }
    }

    @Test("an exchange may be longer one way than the other, and counts what it sent")
    func exchange() throws {
        let results = try InProcessWorld(size: 2).run { communicator in
            let out = [UInt8](repeating: UInt8(communicator.rank), count: 3 + communicator.rank)
            var into = [UInt8](repeating: 9, count: 4 - communicator.rank)
            try out.withUnsafeBytes { out in
                try into.withUnsafeMutableBytes { try communicator.exchange(out, $0, with: 1 - communicator.rank) }
            }
            return (into, communicator.bytesSent)
        }
        #expect(results[0] == ([1, 1, 1, 1], 3))
        #expect(results[1] == ([0, 0, 0], 4))
    }

    @Test("a rank that fails frees the ranks that wait for it, and its own error is the one reported")
    func abandoned() throws {
        let world = InProcessWorld(size: 3)
        #expect(throws: Failure(.notFinite, "loss is NaN")) {
            try world.run { communicator in
                if communicator.rank == 1 { throw Failure(.notFinite, "loss is NaN") }
                try communicator.barrier()
            }
        }
    }

    @Test("a world of one sends nothing")
    func single() throws {
        let communicator = SingleCommunicator()
        #expect(try communicator.broadcast([1, 2, 3], from: 0) == [1, 2, 3])
        #expect(try communicator.allGather([4, 5]) == [[4, 5]])
        try communicator.barrier()
        #expect(communicator.bytesSent == 0)
    }
}
