internal import DataParallel
internal import Foundation

/// Processor time of the whole machine and of this process, to tell whether something else works here.
struct ProcessorUse {
    /// Seconds on a clock that never goes back.
    private let moment: Double
    /// Of all cores since the machine started, also what a hypervisor took away.
    private let busySeconds: Double
    private let ownSeconds: Double

    /// nil where the system does not tell.
    static func now() -> ProcessorUse? {
        guard let text = try? String(contentsOfFile: "/proc/stat", encoding: .utf8),
            let busy = busySeconds(text, ticksPerSecond: Double(sysconf(Int32(_SC_CLK_TCK))))
        else { return nil }
        var usage = rusage()
        getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage)
        func seconds(_ time: timeval) -> Double { Double(time.tv_sec) + Double(time.tv_usec) * 1e-6 }
        return ProcessorUse(
            moment: Machine.now(), busySeconds: busy,
            ownSeconds: seconds(usage.ru_utime) + seconds(usage.ru_stime))
    }

    /// The first line of /proc/stat: user, nice, system, idle, iowait, irq, softirq, steal in ticks; nil for another text.
    static func busySeconds(_ text: String, ticksPerSecond: Double) -> Double? {
        let words = text.prefix { $0 != "\n" }.split(separator: " ")
        let ticks = words.dropFirst().compactMap { Double($0) }
        guard words.first == "cpu", ticks.count >= 8, ticksPerSecond > 0 else { return nil }
        return (ticks[..<8].reduce(0, +) - ticks[3] - ticks[4]) / ticksPerSecond
    }

    /// Which share of the cores processes other than the ranks have used since `earlier`, 0…1. Collective; all ranks must be on
    /// this host.
    func othersShare(since earlier: ProcessorUse, cores: Int, over communicator: any Communicator) throws -> Double {
        let own = try communicator.sum(ownSeconds - earlier.ownSeconds)
        let all = Double(cores) * max(moment - earlier.moment, 1e-9)
        return min(1, max(0, (busySeconds - earlier.busySeconds - own) / all))
    }
}
