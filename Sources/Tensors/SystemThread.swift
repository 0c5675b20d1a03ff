internal import Glibc

/// A thread of this process, with an error where the system refuses it.
///
/// Foundation's Thread and Dispatch keep a refusal (a limit on processes, a cgroup's pids, the address space) to themselves,
/// and whoever waits for such a thread waits for ever.
package struct SystemThread {
    /// Address space for the stack: what glibc takes where the limit on stacks is infinite. OpenBLAS and libhdf5 fit well; the
    /// limit itself (`ulimit -s`) may be gigabytes that `ulimit -v` does not have.
    private static let stackBytes = 2 << 20

    private let handle: pthread_t

    /// Starts `body`; debuggers and ps show the first 15 bytes of `name`. Call `join` or `detach` once.
    package init(_ name: String, _ body: @escaping @Sendable () -> Void) throws(ThreadError) {
        let start = Unmanaged.passRetained(ThreadStart(name: name, body: body))
        var attributes = pthread_attr_t()
        pthread_attr_init(&attributes)
        pthread_attr_setstacksize(&attributes, Self.stackBytes)
        defer { pthread_attr_destroy(&attributes) }
        var handle = pthread_t()
        let code = pthread_create(
            &handle, &attributes,
            { argument in
                guard let argument else { return nil }
                Unmanaged<ThreadStart>.fromOpaque(argument).takeRetainedValue().run()
                return nil
            }, start.toOpaque())
        guard code == 0 else {
            start.release()
            throw ThreadError(name: name, code: code)
        }
        self.handle = handle
    }

    /// Waits until the thread has ended.
    package func join() { pthread_join(handle, nil) }

    /// Leaves the thread to itself.
    package func detach() { pthread_detach(handle) }
}

/// The system refuses a thread.
package struct ThreadError: Error, CustomStringConvertible {
    package let name: String
    package let code: Int32

    package var description: String {
        "the system refuses the thread '\(name)': \(String(cString: strerror(code))); raise the limit on processes (ulimit -u, "
            + "pids of the container) or on address space (ulimit -v)"
    }
}

private final class ThreadStart {
    private let name: String
    private let body: @Sendable () -> Void

    init(name: String, body: @escaping @Sendable () -> Void) {
        self.name = name
        self.body = body
    }

    func run() {
        // pthread_setname_np hides behind _GNU_SOURCE, which Swift's import of the C library does not set.
        let file = open("/proc/thread-self/comm", O_WRONLY | O_CLOEXEC)
        if file >= 0 {
            _ = name.withCString { write(file, $0, min(15, strlen($0))) }
            close(file)
        }
        body()
    }
}
