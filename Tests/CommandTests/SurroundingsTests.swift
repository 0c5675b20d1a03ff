import Foundation
import Testing

@Suite("Launchers, signals and limits around a command", .serialized)
struct SurroundingsTests {
    @Test(
        "ranks that were announced and that MPI did not connect are refused with both numbers, and no run begins",
        arguments: [
            (["OMPI_COMM_WORLD_SIZE": "2", "OMPI_COMM_WORLD_RANK": "1"], "2 ranks (OMPI_COMM_WORLD_SIZE=2)"),
            (["SLURM_NTASKS": "8", "SLURM_JOB_ID": "7"], "8 ranks (SLURM_NTASKS=8)"),
            (["PMI_SIZE": "4", "PMI_RANK": "3", "PMI_FD": "9"], "4 ranks (PMI_SIZE=4)"),
            (["PMIX_RANK": "1", "PMIX_NAMESPACE": "1"], "rank 1 (PMIX_RANK=1)"),
        ])
    func announced(variables: [String: String], words: String) throws {
        let workshop = try Workshop.withData()
        for command in [["--data", "d.h5"], ["bench", "lenet5"], ["evaluate", "--checkpoint", "c.h5"]] {
            let outcome = try workshop.run(command, with: variables)
            #expect(outcome.code == 78 && outcome.errorLines.count == 1, "\(outcome)")
            #expect(outcome.errors.contains(words) && outcome.errors.contains("a world of 1"), "\(outcome.errors)")
        }
        #expect(workshop.names == ["d.h5"])
    }

    @Test("a command that needs no world does its work in every task of a launcher")
    func everyTask() throws {
        let workshop = try Workshop.withData()
        let task = ["SLURM_PROCID": "1", "SLURM_NTASKS": "2", "SLURM_STEP_NUM_TASKS": "2", "PMIX_RANK": "1"]
        let small = ["--train", "20", "--test", "10"]
        #expect(try workshop.run(["convert", "synthetic", "--output", "1.h5"] + small, with: task).code == 0)
        #expect(workshop.names == ["1.h5", "d.h5"])
        let missing = try workshop.run(["inspect", "missing.h5"], with: task)
        #expect(missing.code == 66 && missing.errorLines.count == 1)
        for command in [["inspect", "d.h5"], ["summary", "lenet5"], ["--help"]] {
            let outcome = try workshop.run(command, with: task)
            #expect(outcome.code == 0 && !outcome.output.isEmpty, "\(command): \(outcome)")
        }
        let unknown = try workshop.run(["--bogus"], with: task)
        #expect(unknown.code == 64 && unknown.errorLines.count == 1)
    }

    @Test(
        "a request to stop ends a training with 75 and a checkpoint",
        arguments: ["USR1", "USR2", "TERM", "INT", "HUP", "XCPU"])
    func stops(signal: String) throws {
        let workshop = try Workshop.withData()
        let outcome = try workshop.bash(Self.training + "start; begun; kill -\(signal) $p; wait $p")
        #expect(outcome.code == 75, "\(outcome)")
        #expect(workshop.names.contains { $0.hasPrefix("run/checkpoints/step-") })
        #expect(outcome.errors.contains("stopping after this step; again ends without saving") == (signal == "INT"))
    }

    @Test("a second INT ends at once; an ignored HUP (nohup) stops nothing")
    func twice() throws {
        let workshop = try Workshop.withData()
        // The first reaches a run that cannot finish its step: it is stopped until both have been sent.
        let second = try workshop.bash(
            Self.training + "start; begun; kill -STOP $p; kill -INT $p; kill -CONT $p; kill -INT $p; wait $p")
        #expect(second.code == 130 || second.code == 75, "\(second)")
        let ignored = try workshop.bash(
            "trap '' HUP\n" + Self.training
                + "rm -rf run; start; begun; kill -HUP $p; sleep 0.3; kill -0 $p || exit 1\n"
                + "kill -USR1 $p; wait $p")
        #expect(ignored.code == 75, "\(ignored)")
    }

    @Test("a signal that comes while the program starts waits until someone handles it")
    func early() throws {
        let workshop = try Workshop.withData()
        // Blocked from before the program's own code runs, as the program blocks it itself as soon as it can.
        let outcome = try workshop.bash(
            Self.training
                + """
                start
                until masks=$(sed -n 's/^Sig\\(Blk\\|Cgt\\):[[:space:]]*/16#/p' /proc/$p/status | paste -sd '|')
                    (((masks) >> 9 & 1)) && [[ $(readlink /proc/$p/exe) == *swift-train ]]; do :; done
                kill -USR1 $p; wait $p
                """)
        #expect(outcome.code == 75, "\(outcome)")
    }

    @Test("a reader that goes away stops no training")
    func reader() throws {
        let workshop = try Workshop.withData()
        let outcome = try workshop.bash(
            "\"$0\" --data d.h5 --threads 1 --run-dir run --set epochs=3 --set 'log.every=1 step' | head -n 1 >/dev/null\n"
                + "exit ${PIPESTATUS[0]}")
        #expect(outcome.code == 0, "\(outcome)")
        #expect(workshop.names.contains("run/checkpoints/last"))
    }

    @Test("little address space is enough, and a limit on file sizes is an error that leaves nothing")
    func limits() throws {
        let workshop = try Workshop.withData()
        let space = try workshop.bash(
            "ulimit -v 400000; \"$0\" --data d.h5 --threads 1 --set epochs=1 --run-dir run")
        #expect(space.code == 0, "\(space)")
        // Somewhere in between OpenBLAS finds no room for its buffers: that is said before it would ask for ever.
        for limit in [300_000, 340_000, 360_000, 380_000, 420_000] {
            let products = try workshop.bash(
                "ulimit -v \(limit); timeout -s KILL 100 \"$0\" --data d.h5 --threads 1 --set model=cifar-resnet20 "
                    + "--set batch_size=8 --dry-run")
            #expect(products.code == 0 || products.code == 70, "\(limit): \(products)")
        }
        let before = workshop.names
        let size = try workshop.bash("ulimit -f 100; \"$0\" convert synthetic --output e.h5")
        #expect(size.code == 74 && size.errorLines.count == 1, "\(size)")
        #expect(workshop.names == before)
    }

    /// `start` begins a training that only a signal ends, and sets p; `begun` waits for its first step.
    private static let training = """
        start() {
            "$0" --data d.h5 --threads 1 --run-dir run --set epochs=100000 --set 'log.every=1 step' \
                --set 'evaluate.every=1000000 steps' --set 'checkpoint.every=1000000 steps' &
            p=$!
        }
        begun() { until grep -qs '"event":"step"' run/metrics.jsonl; do sleep 0.02; done; }

        """
}
