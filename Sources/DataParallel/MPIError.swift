package import Diagnostics

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
