/// What the pages and pictures of a run may take of its time, over all that make them: one hundredth of what it has taken so far.
/// What is made at the end is made in any case.
final class TimeAllowance {
    private let share: Double
    /// Seconds, of all work.
    private var spent = 0.0

    init(share: Double = 0.01) { self.share = share }

    /// Whether work of so many seconds fits into a run that has gone on for so long.
    func permits(seconds: Double, at elapsed: Double) -> Bool { spent + seconds <= share * elapsed }

    /// Does the work and counts its time, which it adds to nothing else. Returns the seconds that it took.
    func spend(_ work: () -> Void) -> Double {
        let start = Machine.now()
        work()
        let seconds = Machine.now() - start
        spent += seconds
        return seconds
    }
}
