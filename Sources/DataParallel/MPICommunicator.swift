internal import CMPI
package import Diagnostics
internal import Glibc

/// The ranks that one `mpirun` (or `srun --mpi=pmix`) started, over Open MPI.
///
/// Traps: MPI can be initialised once per process, and only the thread that made this object may use it
///        (MPI_THREAD_FUNNELED). `finalize()` is collective and is not called by deinit: a rank that ends alone must
///        `abort`, or the others wait for it.
/// Throws: `MPIError` from every call (MPI_ERRORS_RETURN is set).
package final class MPICommunicator: Communicator {
    package let rank: Int
    package let size: Int
    package let localRank: Int
    package let localSize: Int
    package private(set) var bytesSent = 0

    /// The longest single message: MPI counts in a C int, so longer ones go in pieces of this many bytes.
    private let pieceBytes: Int

    package init(pieceBytes: Int = 1 << 30) throws(MPIError) {
        precondition(pieceBytes > 0 && pieceBytes <= Int(CInt.max), "pieceBytes \(pieceBytes)")
        self.pieceBytes = pieceBytes
        var provided: CInt = 0
        try Self.check(CMPI_init_funneled(&provided), "MPI_Init_thread", rank: -1)
        try Self.check(CMPI_return_errors(), "MPI_Comm_set_errhandler", rank: -1)
        var rank: CInt = 0
        var size: CInt = 0
        try Self.check(CMPI_world(&rank, &size), "MPI_Comm_rank", rank: -1)
        self.rank = Int(rank)
        self.size = Int(size)
        guard provided >= CInt(MPI_THREAD_FUNNELED) else {
            throw MPIError(
                code: provided, text: "thread level \(provided) offered, MPI_THREAD_FUNNELED needed",
                call: "MPI_Init_thread", rank: Int(rank))
        }
        try Self.check(CMPI_node(&rank, &size), "MPI_Comm_split_type", rank: Int(rank))
        localRank = Int(rank)
        localSize = Int(size)
    }

    package func exchange(
        _ outgoing: UnsafeRawBufferPointer, _ incoming: UnsafeMutableRawBufferPointer, with peer: Int
    ) throws {
        let target = try count(peer, "MPI_Sendrecv")
        // My outgoing is the peer's incoming, so both sides count the same number of pieces.
        let longest = max(outgoing.count, incoming.count)
        for start in stride(from: 0, to: longest, by: pieceBytes) {
            let out = piece(of: outgoing.count, from: start)
            let into = piece(of: incoming.count, from: start)
            var received: CInt = 0
            try check(
                CMPI_exchange(
                    address(outgoing, out), try count(out.count, "MPI_Sendrecv"),
                    address(incoming, into), try count(into.count, "MPI_Sendrecv"), target, &received),
                "MPI_Sendrecv")
            guard Int(received) == into.count else {
                throw MPIError(
                    code: MPI_ERR_TRUNCATE,
                    text: "\(received) bytes from rank \(peer), expected \(into.count)", call: "MPI_Sendrecv",
                    rank: rank)
            }
        }
        bytesSent += outgoing.count
    }

    package func broadcast(_ bytes: UnsafeMutableRawBufferPointer, from root: Int) throws {
        let source = try count(root, "MPI_Bcast")
        for start in stride(from: 0, to: bytes.count, by: pieceBytes) {
            let part = piece(of: bytes.count, from: start)
            try check(CMPI_broadcast(address(bytes, part), try count(part.count, "MPI_Bcast"), source), "MPI_Bcast")
        }
        if rank == root { bytesSent += bytes.count * (size - 1) }
    }

    package func allGather(_ part: UnsafeRawBufferPointer, into whole: UnsafeMutableRawBufferPointer) throws {
        precondition(whole.count == part.count * size, "\(whole.count) bytes for \(size) parts of \(part.count)")
        if part.count <= pieceBytes {
            let bytes = try count(part.count, "MPI_Allgather")
            if bytes > 0 {
                try check(CMPI_all_gather(part.baseAddress, bytes, whole.baseAddress), "MPI_Allgather")
            }
            bytesSent += part.count * (size - 1)
        } else {
            let mine = UnsafeMutableRawBufferPointer(rebasing: whole[rank * part.count..<(rank + 1) * part.count])
            mine.copyMemory(from: part)
            for root in 0..<size {
                let one = UnsafeMutableRawBufferPointer(rebasing: whole[root * part.count..<(root + 1) * part.count])
                try broadcast(one, from: root)
            }
        }
    }

    /// The library's own sum over the ranks, in an order of its own: a yardstick for `GradientTree`, which no training uses.
    package func unorderedSum(_ values: UnsafeMutableBufferPointer<Float>) throws {
        try check(CMPI_sum_floats(values.baseAddress, try count(values.count, "MPI_Allreduce")), "MPI_Allreduce")
    }

    package func barrier() throws {
        try check(CMPI_barrier(), "MPI_Barrier")
    }

    package func abort(exitCode: Int32) -> Never {
        _ = CMPI_abort(exitCode)
        exit(exitCode)
    }

    /// Ends the use of MPI in this process; every rank must come here, and nothing else may be called afterwards.
    package func finalize() throws {
        try check(MPI_Finalize(), "MPI_Finalize")
    }

    private func piece(of total: Int, from start: Int) -> Range<Int> {
        start < total ? start..<min(total, start + pieceBytes) : 0..<0
    }

    private func address(_ buffer: UnsafeRawBufferPointer, _ part: Range<Int>) -> UnsafeRawPointer? {
        buffer.baseAddress.map { $0 + part.lowerBound }
    }

    private func address(_ buffer: UnsafeMutableRawBufferPointer, _ part: Range<Int>) -> UnsafeMutableRawPointer? {
        buffer.baseAddress.map { $0 + part.lowerBound }
    }

    private func count(_ value: Int, _ call: String) throws(MPIError) -> CInt {
        guard let narrow = CInt(exactly: value) else {
            throw MPIError(code: -1, text: "\(value) does not fit MPI's int", call: call, rank: rank)
        }
        return narrow
    }

    private func check(_ code: CInt, _ call: String) throws(MPIError) {
        try Self.check(code, call, rank: rank)
    }

    private static func check(_ code: CInt, _ call: String, rank: Int) throws(MPIError) {
        guard code != MPI_SUCCESS else { return }
        let text = withUnsafeTemporaryAllocation(of: CChar.self, capacity: CMPI_text_bytes) { buffer in
            guard let start = buffer.baseAddress else { return "" }
            return CMPI_error_text(code, start) == MPI_SUCCESS
                ? String(cString: start) : "unknown error"
        }
        throw MPIError(code: code, text: text, call: call, rank: rank)
    }
}

/// A call into MPI that failed: its code, the library's own text, the call, and the rank that saw it.
package struct MPIError: Error, Equatable, CustomStringConvertible {
    package let code: Int32
    package let text: String
    package let call: String
    /// This process's rank, or −1 when the failure came before it was known.
    package let rank: Int

    package var description: String { "\(call) failed on rank \(rank) with code \(code): \(text)" }
}

extension MPIError {
    /// As an error line for the user. Local, because a broken connection is often seen by one side only.
    package var failure: Failure {
        Failure(.internalError, "\(description); look for a rank that died or a network that went away", isLocal: true)
    }
}
