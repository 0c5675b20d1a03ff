import Testing

@Suite("bench on a busy machine")
struct BenchCommandTests {
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
