import Diagnostics
import Testing

@testable import DataParallel

@Suite("How the process was started")
struct LaunchEnvironmentTests {
    @Test("no launcher means one process without MPI")
    func alone() throws {
        let environment = LaunchEnvironment(["PATH": "/bin"])
        #expect(try environment.mode() == .single)
        #expect(environment.rank == 0)
        #expect(try environment.connect() is SingleCommunicator)
    }

    @Test("mpirun's variables give ranks before MPI is initialised")
    func mpirun() throws {
        let environment = LaunchEnvironment([
            "OMPI_COMM_WORLD_RANK": "3", "OMPI_COMM_WORLD_SIZE": "4", "OMPI_COMM_WORLD_LOCAL_RANK": "1",
            "OMPI_COMM_WORLD_LOCAL_SIZE": "2", "PMIX_RANK": "3", "SLURM_NTASKS": "4",
        ])
        #expect(try environment.mode() == .mpi)
        #expect(environment.rank == 3)
        #expect(environment.localRank == 1)
        #expect(environment.localSize == 2)
        try environment.check(worldSize: 4, worldRank: 3)
        #expect(!environment.printsUsage)
    }

    @Test("mpirun -np 1 needs no MPI, inside a Slurm job too")
    func oneRank() throws {
        let environment = LaunchEnvironment([
            "OMPI_COMM_WORLD_RANK": "0", "OMPI_COMM_WORLD_SIZE": "1", "PMIX_RANK": "0", "SLURM_NTASKS": "8",
        ])
        #expect(try environment.mode() == .single)
        try environment.check(worldSize: 1, worldRank: 0)
    }

    @Test("srun with PMIx uses MPI")
    func srunPMIx() throws {
        let environment = LaunchEnvironment(["PMIX_RANK": "5", "SLURM_NTASKS": "8", "SLURM_PROCID": "5"])
        #expect(try environment.mode() == .mpi)
        #expect(environment.rank == 5)
        #expect(throws: Failure.self) { try environment.check(worldSize: 1, worldRank: 0) }
        try environment.check(worldSize: 8, worldRank: 5)
    }

    @Test(
        "where a launcher announced ranks that Open MPI cannot connect, every process is refused with both numbers and the variable",
        arguments: [
            (
                ["SLURM_NTASKS": "4", "SLURM_PROCID": "2"], "Slurm announced 4 ranks (SLURM_NTASKS=4)",
                "srun --mpi=pmix"
            ),
            (["SLURM_NPROCS": "4"], "Slurm announced 4 ranks (SLURM_NPROCS=4)", "mpirun -np 1"),
            (
                ["SLURM_STEP_NUM_TASKS": "4", "SLURM_NTASKS": "8", "SLURM_PROCID": "2"], "SLURM_STEP_NUM_TASKS=4",
                "srun"
            ),
            (
                ["SLURM_STEP_NUM_TASKS": "2", "OMPI_COMM_WORLD_SIZE": "1", "OMPI_COMM_WORLD_RANK": "0"], "2 ranks",
                "srun"
            ),
            (["PMI_RANK": "1", "PMI_SIZE": "2"], "announced 2 ranks (PMI_SIZE=2)", "this build is Open MPI"),
            (["PMI_RANK": "0"], "announced a rank (PMI_RANK)", "unset PMI_RANK"),
            (["MV2_COMM_WORLD_RANK": "1"], "announced a rank (MV2_COMM_WORLD_RANK)", "This build is Open MPI"),
            (["MPI_LOCALRANKID": "1", "MPI_LOCALNRANKS": "8"], "announced 8 ranks (MPI_LOCALNRANKS=8)", "mpirun"),
            (["PMI_SIZE": "4", "PMI_RANK": "3", "MPI_LOCALNRANKS": "1"], "announced 4 ranks (PMI_SIZE=4)", "mpirun"),
            (["OMPI_COMM_WORLD_SIZE": "1", "OMPI_COMM_WORLD_RANK": "0", "PMI_SIZE": "4"], "PMI_SIZE=4", "left over"),
            (["PALS_RANKID": "5"], "PALS announced a rank (PALS_RANKID)", "mpirun"),
            (["FLUX_TASK_RANK": "1", "FLUX_JOB_SIZE": "2"], "Flux announced 2 ranks (FLUX_JOB_SIZE=2)", "mpirun"),
        ])
    func alone(variables: [String: String], words: String, wayOn: String) throws {
        let failure = try #require(throws: Failure.self) { try LaunchEnvironment(variables).mode() }
        #expect(failure.code == .configuration && failure.isLocal)
        #expect(failure.message.localizedLowercase.contains(words.localizedLowercase), "\(failure)")
        #expect(failure.message.localizedLowercase.contains(wayOn.localizedLowercase), "\(failure)")
        #expect(failure.message.contains("world of 1"), "\(failure)")
    }

    @Test(
        "a world that is not the announced one is refused with both numbers and the variable",
        arguments: [
            (["OMPI_COMM_WORLD_SIZE": "2", "OMPI_COMM_WORLD_RANK": "1"], 1, 0, "2 ranks (OMPI_COMM_WORLD_SIZE=2)"),
            (["OMPI_COMM_WORLD_SIZE": "4", "OMPI_COMM_WORLD_RANK": "1"], 2, 1, "4 ranks (OMPI_COMM_WORLD_SIZE=4)"),
            (["PMIX_RANK": "0", "SLURM_STEP_NUM_TASKS": "2"], 1, 0, "2 ranks (SLURM_STEP_NUM_TASKS=2)"),
            (["PMIX_RANK": "0", "SLURM_NTASKS": "2"], 1, 0, "2 ranks (SLURM_NTASKS=2)"),
            (["PMIX_RANK": "0", "PMI_SIZE": "8", "PMI_RANK": "0"], 4, 0, "8 ranks (PMI_SIZE=8)"),
            (["PMIX_RANK": "1"], 1, 0, "rank 1 (PMIX_RANK=1)"),
        ])
    func otherWorld(variables: [String: String], size: Int, rank: Int, words: String) throws {
        let environment = LaunchEnvironment(variables)
        #expect(try environment.mode() == .mpi)
        let failure = try #require(throws: Failure.self) { try environment.check(worldSize: size, worldRank: rank) }
        #expect(failure.code == .configuration && failure.isLocal)
        #expect(failure.message.contains(words) && failure.message.contains("world of \(size)"), "\(failure)")
    }

    @Test(
        "what is left over of a job around does not stand in mpirun's way",
        arguments: [
            ["SLURM_NTASKS": "8"], ["PMI_SIZE": "3", "PMI_RANK": "0"],
            ["SLURM_STEP_NUM_TASKS": "1", "SLURM_NTASKS": "8"],
        ])
    func leftOver(variables: [String: String]) throws {
        let environment = LaunchEnvironment(
            variables.merging(
                ["OMPI_COMM_WORLD_SIZE": "2", "OMPI_COMM_WORLD_RANK": "1", "PMIX_RANK": "1"], uniquingKeysWith: { $1 }))
        #expect(try environment.mode() == .mpi)
        try environment.check(worldSize: 2, worldRank: 1)
    }

    @Test(
        "one task is one process, whoever started it",
        arguments: [
            ["SLURM_NTASKS": "1", "SLURM_PROCID": "0"], ["SLURM_STEP_NUM_TASKS": "1", "SLURM_NTASKS": "8"],
            ["PMI_SIZE": "1", "PMI_RANK": "0"],
        ])
    func oneTask(variables: [String: String]) throws {
        #expect(try LaunchEnvironment(variables).mode() == .single)
    }

    @Test("usage is printed once under mpirun, and by every task of another launcher")
    func usage() {
        let mpirun = { (rank: String) in
            LaunchEnvironment(["OMPI_COMM_WORLD_SIZE": "2", "OMPI_COMM_WORLD_RANK": rank, "PMIX_RANK": rank])
        }
        #expect(mpirun("0").printsUsage && !mpirun("1").printsUsage)
        #expect(LaunchEnvironment(["SLURM_PROCID": "1", "SLURM_NTASKS": "2", "PMIX_RANK": "1"]).printsUsage)
    }

    @Test(
        "a variable that is no number, and a rank outside its world, are named",
        arguments: [
            (["OMPI_COMM_WORLD_SIZE": "two"], "OMPI_COMM_WORLD_SIZE=two"), (["PMI_SIZE": "-1"], "PMI_SIZE=-1"),
            (["SLURM_NTASKS": ""], "SLURM_NTASKS="), (["OMPI_COMM_WORLD_RANK": "1"], "OMPI_COMM_WORLD_RANK=1"),
            (["OMPI_COMM_WORLD_RANK": "2", "OMPI_COMM_WORLD_SIZE": "2"], "OMPI_COMM_WORLD_RANK=2"),
        ])
    func malformed(variables: [String: String], words: String) throws {
        let failure = try #require(throws: Failure.self) { try LaunchEnvironment(variables).mode() }
        #expect(failure.code == .configuration && failure.message.contains(words), "\(failure)")
    }
}
