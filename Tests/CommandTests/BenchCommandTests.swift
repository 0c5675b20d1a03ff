import Testing

@Suite("bench")
struct BenchCommandTests {
    @Test("layers are timed forward and backward, and forward alone; every engine takes them")
    func layers() throws {
        let workshop = try Workshop()
        let words = [
            "bench", "--seconds", "0.2", "--batch", "8", "--shards", "1", "--threads", "1", "--input", "32x14x14",
        ]
        let layers = "Sequential(Conv2d(32, 32, 3, padding=1), BatchNorm2d(32), ReLU(), Dropout(0.5), MaxPool2d(2))"
        for engine in ["reference", "blocks"] {
            let outcome = try workshop.run(words + ["--layer", layers, "--engine", engine, "--json"])
            let object = try #require(outcome.object, "\(outcome)")
            #expect(object["work"]?.text == "layers" && (object["forward_ms_median"]?.number ?? 0) > 0, "\(outcome)")
            #expect((object["step_ms_median"]?.number ?? 0) > (object["forward_ms_median"]?.number ?? .infinity))
        }
        let text = try workshop.run(words + ["--layer", layers])
        #expect(
            text.output.contains("forward and backward, batch 8") && text.output.contains("forward alone"), "\(text)")
        let forward = try workshop.run(words + ["--layer", layers, "--inference"])
        #expect(forward.code == 0 && !forward.output.contains("backward"), "\(forward)")
    }

    @Test("what other processes take of the cores is said")
    func busy() throws {
        // One process for each core does nothing but work while the measurement runs.
        let outcome = try Workshop().bash(
            """
            for core in $(seq "$(getconf _NPROCESSORS_ONLN)"); do
                (while :; do :; done) & workers+=" $!"
            done
            "$0" bench lenet5 --batch 32 --seconds 1 --json
            code=$?
            kill -9 $workers
            exit $code
            """)
        let share = try #require(outcome.object?["others_share"]?.number, "\(outcome)")
        #expect(
            outcome.code == 0 && share > 0.1 && share <= 1 && outcome.output.contains("\"machine_seems_busy\":true"))
    }
}
