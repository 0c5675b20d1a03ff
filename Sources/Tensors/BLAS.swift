internal import Glibc
internal import Synchronization

/// OpenBLAS, always with one thread: the threads of a rank call it, each for units of its own.
///
/// It is loaded at the first use and not linked: a linked OpenBLAS starts a thread for each core before `main`, with 135 MB of
/// address space each, and where the system refuses one it ends the process or waits for ever.
package enum BLAS {
    /// The kernel set that OpenBLAS has chosen for this processor ("SkylakeX"). Part of what makes results repeat.
    package static var coreName: String { library.coreName }
    /// Version and build options, as OpenBLAS words them.
    package static var configuration: String { library.configuration }

    /// OpenBLAS cannot be loaded.
    package struct LoadError: Error, CustomStringConvertible {
        fileprivate let reason: String
        package var description: String {
            "OpenBLAS cannot be loaded: \(reason); it needs the package libopenblas0 and about 60 MB of address space"
        }
    }

    /// The largest extent of a matrix.
    package static let largestExtent = Int(CInt.max)

    /// Loads the library, which the first product would do too. Call at the start, to tell the user what is missing.
    package static func load() throws(LoadError) { _ = try loaded.get() }

    /// Takes what OpenBLAS takes at the first product of each of `threads` threads, so that later allocations leave it its room;
    /// refused there, version 0.3.21 asks again for ever. Throws: `Arena.OutOfMemory`.
    package static func requireRoom(threads: Int) throws {
        try buffersTaken.withLock { taken in
            guard threads > taken else { return }
            // BUFFER_SIZE of its x86-64 kernels. Asked for and given back, which OpenBLAS itself cannot do.
            _ = try Arena(byteCount: (threads - taken) * (128 << 20))
            library.takeBuffers(threads)
            taken = threads
        }
    }

    /// Buffers that OpenBLAS holds, of which each product that is under way needs one.
    private static let buffersTaken = Mutex(0)

    package enum Operand {
        case plain
        case transposed

        /// CblasNoTrans, CblasTrans.
        fileprivate var code: CInt { self == .plain ? 111 : 112 }
    }

    /// C = op(A) · op(B), or C += op(A) · op(B); row-major, op(A) [m, k], op(B) [k, n], C [m, n].
    ///
    /// The leading dimensions are those of A, B and C as they are stored. An empty inner extent gives zeros.
    /// Numerics: one chain per element, fixed by the extents and by `coreName`.
    package static func multiply(
        _ a: UnsafePointer<Float>, _ operandA: Operand = .plain, leadingDimension lda: Int,
        _ b: UnsafePointer<Float>, _ operandB: Operand = .plain, leadingDimension ldb: Int,
        m: Int, n: Int, k: Int,
        into c: UnsafeMutablePointer<Float>, leadingDimension ldc: Int, adding: Bool = false
    ) {
        if k == 0 {
            if !adding { for row in 0..<m { (c + row * ldc).update(repeating: 0, count: n) } }
            return
        }
        library.product(
            Library.rowMajor, operandA.code, operandB.code, CInt(m), CInt(n), CInt(k), 1, a, CInt(lda), b, CInt(ldb),
            adding ? 1 : 0, c, CInt(ldc))
    }

    /// What OpenBLAS is to be asked for, in the words of its variable OPENBLAS_CORETYPE, where it has chosen kernels without
    /// the instructions of a kernel set of ours; nil where its choice stands.
    ///
    /// It knows processors by their numbers and gives later ones than itself its oldest kernels (version 0.3.21 does so on Xeons of
    /// 2023); what these processors can is asked of them instead.
    static func wantedCore(kernelSet: String, chosen: String) -> String? {
        oldCores.contains(chosen) ? ["avx512": "SkylakeX", "avx2": "Haswell"][kernelSet] : nil
    }

    /// The names of kernels without AVX2.
    private static let oldCores: Set = [
        "Katmai", "Coppermine", "Northwood", "Banias", "Prescott", "Core2", "Penryn", "Dunnington", "Nehalem", "Atom",
        "Athlon", "Opteron", "Opteron_SSE3", "Barcelona", "Bobcat", "Generic", "Unknown",
    ]

    private static let loaded = Result { () throws(LoadError) in try Library.load() }
    private static let library: Library = {
        switch loaded {
        case .success(let library): library
        case .failure(let error): preconditionFailure("\(error)")
        }
    }()
}

/// The functions of libopenblas.so.0, as its cblas.h declares them.
private struct Library: Sendable {
    typealias Product =
        @convention(c) (
            _ order: CInt, _ transposeA: CInt, _ transposeB: CInt, _ m: CInt, _ n: CInt, _ k: CInt, _ alpha: Float,
            _ a: UnsafePointer<Float>, _ lda: CInt, _ b: UnsafePointer<Float>, _ ldb: CInt, _ beta: Float,
            _ c: UnsafeMutablePointer<Float>, _ ldc: CInt
        ) -> Void
    private typealias Words = @convention(c) () -> UnsafePointer<CChar>
    /// Of its own allocator: another buffer than all that are in use.
    private typealias TakeBuffer = @convention(c) (_ position: CInt) -> UnsafeMutableRawPointer?
    private typealias GiveBuffer = @convention(c) (UnsafeMutableRawPointer) -> Void
    private typealias SetThreads = @convention(c) (CInt) -> Void

    /// CblasRowMajor.
    static let rowMajor: CInt = 101

    // Of dlopen; open until the process ends.
    nonisolated(unsafe) private let handle: UnsafeMutableRawPointer
    let product: Product
    let coreName: String
    let configuration: String

    /// Reads the library again where it has chosen kernels that are not this processor's, unless the user has chosen.
    static func load() throws(BLAS.LoadError) -> Library {
        let variable = "OPENBLAS_CORETYPE"
        let chosen = try open()
        guard getenv(variable) == nil,
            let name = BLAS.wantedCore(kernelSet: KernelSet.inUse.name, chosen: chosen.coreName)
        else { return chosen }
        dlclose(chosen.handle)
        setenv(variable, name, 1)
        defer { unsetenv(variable) }
        return try open()
    }

    private static func open() throws(BLAS.LoadError) -> Library {
        // Read once, by the library's constructor.
        setenv("OPENBLAS_NUM_THREADS", "1", 1)
        guard let library = dlopen("libopenblas.so.0", RTLD_NOW | RTLD_LOCAL) else { throw Self.error() }
        return try Library(handle: library)
    }

    private init(handle: UnsafeMutableRawPointer) throws(BLAS.LoadError) {
        self.handle = handle
        func symbol(_ name: String) throws(BLAS.LoadError) -> UnsafeMutableRawPointer {
            guard let address = dlsym(handle, name) else { throw Self.error() }
            return address
        }
        product = unsafeBitCast(try symbol("cblas_sgemm"), to: Product.self)
        coreName = String(cString: unsafeBitCast(try symbol("openblas_get_corename"), to: Words.self)())
        configuration = String(cString: unsafeBitCast(try symbol("openblas_get_config"), to: Words.self)())
        // The variant on OpenMP reads another variable.
        unsafeBitCast(try symbol("openblas_set_num_threads"), to: SetThreads.self)(1)
    }

    /// Makes it hold so many buffers at least; a build that does not show its allocator takes them when it needs them.
    func takeBuffers(_ count: Int) {
        guard let take = dlsym(handle, "blas_memory_alloc"), let give = dlsym(handle, "blas_memory_free") else {
            return
        }
        let buffers = (0..<count).compactMap { _ in unsafeBitCast(take, to: TakeBuffer.self)(0) }
        for buffer in buffers { unsafeBitCast(give, to: GiveBuffer.self)(buffer) }
    }

    private static func error() -> BLAS.LoadError {
        BLAS.LoadError(reason: dlerror().map { String(cString: $0) } ?? "unknown error")
    }
}
