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
        try environment.check(worldSize: 4)
    }

    @Test("mpirun -np 1 needs no MPI, inside a Slurm job too")
    func oneRank() throws {
        let environment = LaunchEnvironment([
            "OMPI_COMM_WORLD_RANK": "0", "OMPI_COMM_WORLD_SIZE": "1", "PMIX_RANK": "0", "SLURM_NTASKS": "8",
        ])
        #expect(try environment.mode() == .single)
        try environment.check(worldSize: 1)
    }

    @Test("srun with PMIx uses MPI")
    func srunPMIx() throws {
        let environment = LaunchEnvironment(["PMIX_RANK": "5", "SLURM_NTASKS": "8", "SLURM_PROCID": "5"])
        #expect(try environment.mode() == .mpi)
        #expect(environment.rank == 5)
        #expect(throws: Failure.self) { try environment.check(worldSize: 1) }
    }

    @Test("srun without PMIx is refused, by rank 0's word", arguments: ["SLURM_NTASKS", "SLURM_STEP_NUM_TASKS"])
    func srunAlone(variable: String) throws {
        let environment = LaunchEnvironment([variable: "4", "SLURM_PROCID": "2"])
        let failure = try #require(throws: Failure.self) { try environment.mode() }
        #expect(failure.code == .configuration)
        #expect(failure.message.contains("srun --mpi=pmix"))
        #expect(environment.rank == 2)
    }

    @Test("one Slurm task is one process")
    func oneTask() throws {
        #expect(try LaunchEnvironment(["SLURM_NTASKS": "1", "SLURM_PROCID": "0"]).mode() == .single)
    }

    @Test(
        "another MPI's launcher is refused with the name of this build's",
        arguments: ["PMI_RANK", "MV2_COMM_WORLD_RANK"])
    func foreign(variable: String) throws {
        let environment = LaunchEnvironment([variable: "1"])
        let failure = try #require(throws: Failure.self) { try environment.mode() }
        #expect(failure.code == .configuration)
        #expect(failure.message.contains("this build is Open MPI"))
        #expect(environment.rank == 1)
    }

    @Test("a variable that is no number is named")
    func malformed() throws {
        let environment = LaunchEnvironment(["OMPI_COMM_WORLD_SIZE": "two"])
        let failure = try #require(throws: Failure.self) { try environment.mode() }
        #expect(failure.message.contains("OMPI_COMM_WORLD_SIZE=two"))
    }
}
