import Diagnostics
import TestSupport
import Testing

@testable import DataParallel

@Suite("Agreement of the ranks")
struct RankAgreementTests {
    private func failures(_ ranks: Int, _ body: @escaping @Sendable (any Communicator) throws -> Void) -> [Failure?] {
        InProcessWorld(size: ranks).results(body).map { result in
            guard case .failure(let error) = result else { return nil }
            return error as? Failure
        }
    }

    @Test("equal facts pass, and one rank always agrees")
    func equal() throws {
        for ranks in [1, 3, 4] {
            _ = try InProcessWorld(size: ranks).run { communicator in
                try RankAgreement.check([.init("seed", "1"), .init("kernels", "avx2 | ∑")], over: communicator)
            }
        }
    }

    @Test("a difference is a table of rank, host and value, equal on all ranks")
    func table() throws {
        let failures = failures(4) { communicator in
            let rate = communicator.rank == 2 ? "0.1" : "0.001"
            try RankAgreement.check(
                [.init("seed", "1"), .init("learning rate", rate)], over: communicator,
                host: communicator.rank < 2 ? "left" : "right-host")
        }
        let message = """
            1 value differs between the ranks; start every rank with the same program, options and files
              learning rate
                ranks 0-1  left        0.001
                rank 2     right-host  0.1
                rank 3     right-host  0.001
            """
        #expect(failures == Array(repeating: Failure(.ranksDisagree, message), count: 4))
    }

    @Test("a fact that one rank lacks is a difference")
    func absent() throws {
        let failures = failures(2) { communicator in
            try RankAgreement.check(communicator.rank == 0 ? [] : [.init("extra", "x")], over: communicator, host: "h")
        }
        let message = try #require(failures[0]?.message)
        #expect(message.contains("rank 0  h  (absent)"))
        #expect(failures[0] == failures[1])
    }

    @Test("the lowest failing rank's failure ends all ranks")
    func failure() throws {
        let failures = failures(4) { communicator in
            try RankAgreement.together(communicator) {
                if communicator.rank >= 2 {
                    throw Failure(.inputMissing, "train.h5 of rank \(communicator.rank): no such file", isLocal: true)
                }
            }
        }
        let host = RankAgreement.hostName()
        let expected = Failure(.inputMissing, "[rank 2@\(host)] train.h5 of rank 2: no such file")
        #expect(failures == Array(repeating: expected, count: 4))
    }

    @Test("rank 0's failure is told without its name, and success gives every rank its own value")
    func rankZero() throws {
        let failures = failures(2) { communicator in
            try RankAgreement.agreeOnFailure(
                communicator.rank == 0 ? Failure(.usage, "--bad") : nil, over: communicator)
        }
        #expect(failures == Array(repeating: Failure(.usage, "--bad"), count: 2))
        let values = try InProcessWorld(size: 3).run { communicator in
            try RankAgreement.together(communicator) { communicator.rank * 10 }
        }
        #expect(values == [0, 10, 20])
    }
}
