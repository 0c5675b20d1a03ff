package import Diagnostics

/// How this process was started, read from environment variables alone, before any call into MPI.
///
/// Known early, because under mpirun a usage error is printed by one rank only, and because a process started alone never
/// initialises MPI at all.
///
/// What counts is the world that MPI really makes: where a launcher's variables announce another one (another MPI's launcher,
/// Slurm without PMIx, variables left over from a job around), each process would train by itself, and is refused with 78.
/// Every refused process says so, since each is a world of its own. A command that needs no world does not ask: it does its
/// work in every process, whoever started it, so that `srun` and `mpirun` can map it over many arguments.
package struct LaunchEnvironment: Equatable, Sendable {
    package enum Mode: Equatable, Sendable {
        /// One process: no MPI.
        case single
        /// One rank of several that Open MPI connects.
        case mpi
    }

    /// As announced by the launcher; 0 when there is none.
    package let rank: Int
    /// As announced by mpirun; nil when only MPI itself can tell (`srun --mpi=pmix`).
    package let size: Int?
    /// Ranks on this host, as announced by mpirun.
    package let localRank: Int?
    package let localSize: Int?

    /// What the variables of one launcher say.
    private struct Announcement: Equatable, Sendable {
        let launcher: String
        let variable: String
        /// nil where the launcher tells the rank only.
        let ranks: Int?

        var words: String {
            "\(launcher) announced \(ranks.map { "\($0) ranks (\(variable)=\($0))" } ?? "a rank (\(variable))")"
        }
    }

    private let pmixRank: Int?
    private let mpirunRank: Int?
    /// Of launchers that say how many they start: for Slurm its step's tasks, and outside a step the job's.
    private let others: [Announcement]
    private let isSlurmStep: Bool
    private let malformed: String?
    /// The rank that tidies up for its host.
    private let isFirstOnHost: Bool
    private let leftovers: Leftovers

    /// Launchers that bring no PMIx for Open MPI, with their variables for the number of ranks and for the rank.
    private static let otherLaunchers = [
        ("another MPI's launcher", "PMI_SIZE", "PMI_RANK"),
        ("another MPI's launcher", "MV2_COMM_WORLD_SIZE", "MV2_COMM_WORLD_RANK"),
        ("another MPI's launcher", "MPI_LOCALNRANKS", "MPI_LOCALRANKID"),
        ("PALS", "PALS_SIZE", "PALS_RANKID"),
        ("ALPS", "ALPS_APP_SIZE", "ALPS_APP_PE"),
        ("Flux", "FLUX_JOB_SIZE", "FLUX_TASK_RANK"),
        ("jsrun", "JSM_NAMESPACE_SIZE", "JSM_NAMESPACE_RANK"),
    ]

    /// Never throws, so that `rank` is known whatever else is wrong; `mode()` judges.
    package init(_ environment: [String: String]) {
        var malformed: String?
        func number(_ name: String) -> Int? {
            guard let text = environment[name] else { return nil }
            if let value = Int(text), value >= 0 { return value }
            malformed = malformed ?? "\(name)=\(text)"
            return nil
        }
        mpirunRank = number("OMPI_COMM_WORLD_RANK")
        size = number("OMPI_COMM_WORLD_SIZE")
        localRank = number("OMPI_COMM_WORLD_LOCAL_RANK")
        localSize = number("OMPI_COMM_WORLD_LOCAL_SIZE")
        pmixRank = number("PMIX_RANK")
        var others: [Announcement] = []
        var otherRank: Int?
        for (launcher, sizeName, rankName) in Self.otherLaunchers {
            let rank = number(rankName)
            otherRank = otherRank ?? rank
            if let ranks = number(sizeName) {
                others.append(Announcement(launcher: launcher, variable: sizeName, ranks: ranks))
            } else if rank != nil {
                others.append(Announcement(launcher: launcher, variable: rankName, ranks: nil))
            }
        }
        // The step's own number is the truth inside srun; the job's number is all there is elsewhere.
        let slurm = ["SLURM_STEP_NUM_TASKS", "SLURM_NTASKS", "SLURM_NPROCS"].lazy
            .compactMap { name in number(name).map { Announcement(launcher: "Slurm", variable: name, ranks: $0) } }
            .first
        isSlurmStep = slurm?.variable == "SLURM_STEP_NUM_TASKS"
        // Slurm counts the tasks of one component of a heterogeneous job; the world holds all.
        self.others = others + (environment["SLURM_HET_SIZE"] == nil ? [slurm].compactMap { $0 } : [])
        isFirstOnHost = (localRank ?? number("SLURM_LOCALID") ?? 0) == 0
        leftovers = Leftovers(environment: environment)
        rank = mpirunRank ?? pmixRank ?? otherRank ?? number("SLURM_PROCID") ?? 0
        self.malformed = malformed
    }

    /// Whether this process prints what it finds wrong with its command line, and help: under Open MPI's mpirun, whose ranks
    /// share one command line and one terminal, rank 0 alone; elsewhere every process.
    package var printsUsage: Bool { (size ?? 1) <= 1 || pmixRank == nil || rank == 0 }

    /// Whether to use MPI.
    ///
    /// Throws: `Failure(.configuration)` when a launcher announced several ranks that Open MPI cannot connect.
    package func mode() throws(Failure) -> Mode {
        if let malformed {
            throw Failure(
                .configuration, "environment: \(malformed), expected a number set by a launcher; unset it",
                isLocal: true)
        }
        if let mpirunRank, mpirunRank >= size ?? 0 {
            throw Failure(
                .configuration,
                "environment: OMPI_COMM_WORLD_RANK=\(mpirunRank) with OMPI_COMM_WORLD_SIZE "
                    + "\(size.map(String.init) ?? "unset"), expected a rank below it; unset both, or start it with mpirun",
                isLocal: true)
        }
        if let size, size > 1 { return .mpi }
        if size == nil, pmixRank != nil { return .mpi }
        // Inside a Slurm job `mpirun -np 1` is one process, however many tasks the job has.
        let alone = others.first { ($0.ranks ?? 2) > 1 && (size == nil || $0.launcher != "Slurm" || isSlurmStep) }
        if let alone { throw Self.refusal(alone, world: 1) }
        return .single
    }

    /// Checks the world MPI made against the one that was announced.
    package func check(worldSize: Int, worldRank: Int) throws(Failure) {
        if let size {
            guard size != worldSize else { return }
            throw Self.refusal(
                Announcement(launcher: "mpirun", variable: "OMPI_COMM_WORLD_SIZE", ranks: size), world: worldSize)
        }
        // Outside a step Slurm's number is the job's, which another launcher may divide as it likes.
        let other = others.first { announcement in
            guard let ranks = announcement.ranks, announcement.variable != "MPI_LOCALNRANKS" else { return false }
            let isJob = announcement.launcher == "Slurm" && !isSlurmStep
            return isJob ? worldSize == 1 && ranks > 1 : ranks != worldSize
        }
        if let other { throw Self.refusal(other, world: worldSize) }
        if let pmixRank, pmixRank != worldRank {
            throw Failure(
                .configuration,
                "PMIx announced rank \(pmixRank) (PMIX_RANK=\(pmixRank)), but MPI made this process rank \(worldRank) of a world "
                    + "of \(worldSize). \(Self.wayOn)", isLocal: true)
        }
    }

    private static let wayOn =
        "Start it with the mpirun of the Open MPI that this program is linked with; unset the variable if it is left over"

    private static func refusal(_ announcement: Announcement, world: Int) -> Failure {
        let wayOn =
            switch announcement.launcher {
            case "Slurm": "Start it with srun --mpi=pmix, or mpirun; for one process in this job: mpirun -np 1"
            case "mpirun": Self.wayOn
            default:
                "This build is Open MPI: start it with Open MPI's mpirun; unset \(announcement.variable) if it is left over"
            }
        return Failure(
            .configuration,
            "\(announcement.words), but MPI made a world of \(world)"
                + (world == 1 ? ": each process would train by itself" : "") + ". \(wayOn)", isLocal: true)
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
            do {
                try check(worldSize: communicator.size, worldRank: communicator.rank)
            } catch {
                // All ranks of this world come here; those of the announced one never will.
                try? communicator.finalize()
                throw error
            }
            return communicator
        }
    }
}
