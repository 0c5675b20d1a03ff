import DataParallel
import Testing

@testable import Training

@Suite("Processor time")
struct ProcessorUseTests {
    @Test("busy is what is neither idle nor waiting for a disk, of all cores together")
    func parsing() {
        let text = "cpu  100 20 30 5000 700 1 2 47 9 9\ncpu0 1 1 1 1 1 1 1 1 0 0\n"
        #expect(ProcessorUse.busySeconds(text, ticksPerSecond: 100) == 2)
        for bad in ["", "cpu  1 2 3", "cpu0 1 2 3 4 5 6 7 8", "mem 1 2 3 4 5 6 7 8"] {
            #expect(ProcessorUse.busySeconds(bad, ticksPerSecond: 100) == nil)
        }
    }

    @Test("the share of others is between 0 and 1, also of no time at all")
    func share() throws {
        let now = try #require(ProcessorUse.now())
        let share = try now.othersShare(since: now, cores: 4, over: SingleCommunicator())
        #expect(share == 0)
    }
}
