package import Diagnostics

/// How this process was started, read from environment variables alone, before any call into MPI.
///
/// Known early, because a usage error must be printed by one rank only, and because a process started alone never
/// initialises MPI at all.
package struct LaunchEnvironment: Equatable, Sendable {
    package enum Mode: Equatable, Sendable {
        /// One process: no MPI.
        case single
        /// One rank of several that Open MPI connects.
        case mpi
    }

    /// As announced by the launcher; 0 when there is none. Enough to decide who prints.
    package let rank: Int
    /// As announced; nil when only MPI itself can tell (`srun --mpi=pmix`).
    package let size: Int?
    /// Ranks on this host, as announced by mpirun.
    package let localRank: Int?
    package let localSize: Int?

    private let tasks: Int?
    private let hasPMIx: Bool
    private let foreignVariable: String?
    private let malformed: String?
    /// The rank that tidies up for its host.
    private let isFirstOnHost: Bool
    private let leftovers: Leftovers

    /// Never throws, so that `rank` is known whatever else is wrong; `mode()` judges.
    package init(_ environment: [String: String]) {
        var malformed: String?
        func number(_ name: String) -> Int? {
            guard let text = environment[name] else { return nil }
            if let value = Int(text), value >= 0 { return value }
            malformed = malformed ?? "\(name)=\(text)"
            return nil
        }
        let ompiRank = number("OMPI_COMM_WORLD_RANK")
        size = number("OMPI_COMM_WORLD_SIZE")
        localRank = number("OMPI_COMM_WORLD_LOCAL_RANK")
        localSize = number("OMPI_COMM_WORLD_LOCAL_SIZE")
        let pmixRank = number("PMIX_RANK")
        hasPMIx = environment["PMIX_RANK"] != nil
        foreignVariable = ["PMI_RANK", "MV2_COMM_WORLD_RANK", "MPI_LOCALRANKID"].first { environment[$0] != nil }
        let foreignRank = foreignVariable.flatMap { number($0) }
        // The step's own number is the truth inside srun; the job's number is all there is elsewhere.
        let stepTasks = number("SLURM_STEP_NUM_TASKS")
        let jobTasks = number("SLURM_NTASKS")
        tasks = [stepTasks, jobTasks].compactMap { $0 }.max()
        isFirstOnHost = (localRank ?? number("SLURM_LOCALID") ?? 0) == 0
        leftovers = Leftovers(environment: environment)
        rank = ompiRank ?? pmixRank ?? foreignRank ?? number("SLURM_PROCID") ?? 0
        self.malformed = malformed
    }

    /// Whether to use MPI.
    ///
    /// Throws: `Failure(.configuration)` when another MPI's launcher or a launcher without PMIx started this process, which
    ///         would silently become several runs of one rank each.
    package func mode() throws(Failure) -> Mode {
        if let malformed {
            throw Failure(.configuration, "environment: \(malformed), expected a number set by mpirun; unset it")
        }
        if let size { return size > 1 ? .mpi : .single }
        if hasPMIx { return .mpi }
        if let tasks, tasks > 1 { throw Self.separateTasks(tasks) }
        if let foreignVariable {
            throw Failure(
                .configuration,
                "started by another MPI's launcher (\(foreignVariable) is set, OMPI_COMM_WORLD_SIZE and PMIX_RANK are not): "
                    + "this build is Open MPI. Start it with Open MPI's mpirun")
        }
        return .single
    }

    /// Checks the world MPI made against what the batch system promised.
    package func check(worldSize: Int) throws(Failure) {
        if worldSize == 1, size == nil, let tasks, tasks > 1 { throw Self.separateTasks(tasks) }
    }

    private static func separateTasks(_ tasks: Int) -> Failure {
        Failure(
            .configuration,
            "Slurm has \(tasks) tasks, but this process is alone, so each would train by itself. "
                + "Start it with srun --mpi=pmix, or mpirun; for one process in this job: mpirun -np 1")
    }
}

extension LaunchEnvironment {
    /// Joins the ranks this process was started with. Call once, on the main thread, after signal handlers are set.
    ///
    /// First removes what killed runs left on this host; a look that finds nothing takes well under 1 ms.
    package func connect() throws -> any Communicator {
        let mode = try mode()
        if isFirstOnHost { leftovers.remove() }
        switch mode {
        case .single:
            return SingleCommunicator()
        case .mpi:
            let communicator = try MPICommunicator()
            try check(worldSize: communicator.size)
            return communicator
        }
    }
}
