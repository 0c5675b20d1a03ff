internal import Diagnostics
internal import Files
internal import Glibc
internal import Report

/// Keeps report.html and report.json of a run folder: at evaluations as far as its allowance of time goes, and at the end, also of
/// a run that fails.
///
/// It reads the numbers from metrics.jsonl, so that it must stand behind that among the sinks.
final class ReportSink: RunEventSink {
    private let folder: RunFolder
    private let configuration: Configuration
    private let maker: SnapshotMaker
    private var reader: MetricsReader
    private var snapshot: RunSnapshot?
    /// The best evaluation, as long as the snapshot does not hold it.
    private var best: (evaluation: Evaluation, outcomes: SampleOutcomes)?
    private var ending: RunHistory.Failure?
    private let allowance: TimeAllowance
    /// Seconds that the last page took.
    private var last = 0.05

    /// `isContinuing`: the folder holds the run's report so far.
    init(
        folder: RunFolder, configuration: Configuration, allowance: TimeAllowance, maker: SnapshotMaker,
        isContinuing: Bool
    ) {
        (self.folder, self.configuration, self.allowance, self.maker) = (folder, configuration, allowance, maker)
        reader = MetricsReader(path: folder.metricsPath)
        if isContinuing { snapshot = (try? RunRecord.snapshot(snapshotPath)) ?? nil }
    }

    private var pagePath: String { "\(folder.path)/\(RunRecord.pageName)" }
    private var snapshotPath: String { "\(folder.path)/\(RunRecord.snapshotName)" }

    func receive(_ event: RunEvent, at time: RunTime) -> String? {
        switch event {
        case .evaluated(let evaluation, let facts):
            if facts.isBest, let outcomes = facts.outcomes { best = (evaluation, outcomes) }
            // At the end the page is written anyway.
            guard allowance.permits(seconds: last, at: time.elapsed) else { return nil }
            return write(.running)
        case .ended(let end): return write(end.exitCode == .done ? .finished : .stopped)
        case .failed(let failure, let step):
            ending = RunHistory.Failure(
                step: step, message: failure.message, exitCode: Int(failure.code.rawValue))
            guard let problem = write(.failed) else { return nil }
            // A page that says that the run goes on is wrong, and on a full disk its room is what the right one needs.
            unlink(pagePath)
            return write(.failed) == nil ? nil : problem
        case .started, .note, .warning, .step, .progress, .expected, .epochEnded, .saved: return nil
        }
    }

    /// Why the page could not be written; nil when all is well.
    private func write(_ state: RunFacts.State) -> String? {
        var problem: String?
        last = allowance.spend { problem = tryToWrite(state) }
        return problem
    }

    private func tryToWrite(_ state: RunFacts.State) -> String? {
        do {
            try reader.readOn()
            do {
                try updateSnapshot()
            } catch  where state == .failed {
                // Of a run that fails what can be shown is shown: its data may be what is wrong.
            }
            var history = reader.history
            if let ending { history.fail(ending) }
            let facts = RunRecord.facts(
                folder.path, configuration, state: state, history: history,
                environment: RunRecord.environment(RunRecord.text(folder.path + "/environment.json")),
                commands: RunRecord.text(folder.path + "/command.txt").split(separator: "\n").map(String.init),
                snapshot: snapshot)
            try DurableFile.replace(pagePath, with: RunPage(facts).html)
            return nil
        } catch {
            return "\(RunRecord.pageName): \((error as? Failure)?.message ?? "\(error)")"
        }
    }

    private func updateSnapshot() throws {
        guard snapshot == nil || best != nil else { return }
        var snapshot = try self.snapshot ?? maker.beginning()
        if let best { snapshot.best = try maker.scored(best.evaluation, best.outcomes) }
        try DurableFile.write(try snapshot.json(), to: snapshotPath)
        best = nil
        self.snapshot = snapshot
    }
}
