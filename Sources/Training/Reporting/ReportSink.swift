internal import Diagnostics
internal import Files
internal import Foundation
internal import Report

/// Keeps report.html and report.json of a run folder: at evaluations where they cost little beside the time since the last ones,
/// and at the end.
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
    /// Seconds that pages have taken.
    private var spent = 0.0
    private var last = 0.05

    /// Of a run's time.
    private static let largestShare = 0.01

    /// `isContinuing`: the folder holds the run's report so far.
    init(folder: RunFolder, configuration: Configuration, maker: SnapshotMaker, isContinuing: Bool) {
        (self.folder, self.configuration, self.maker) = (folder, configuration, maker)
        reader = MetricsReader(path: folder.metricsPath)
        if isContinuing { snapshot = (try? RunRecord.snapshot(snapshotPath)) ?? nil }
    }

    private var snapshotPath: String { "\(folder.path)/\(RunRecord.snapshotName)" }

    func receive(_ event: RunEvent, at time: RunTime) -> String? {
        switch event {
        case .evaluated(let evaluation, let facts):
            if facts.isBest, let outcomes = facts.outcomes { best = (evaluation, outcomes) }
            // At the end the page is written anyway.
            guard spent + last <= Self.largestShare * time.elapsed else { return nil }
            return write(.running)
        case .ended(let end): return write(end.exitCode == .done ? .finished : .stopped)
        case .started, .note, .warning, .step, .progress, .expected, .epochEnded, .saved: return nil
        }
    }

    /// Why the page could not be written; nil when all is well.
    private func write(_ state: RunFacts.State) -> String? {
        let start = Machine.now()
        defer {
            last = Machine.now() - start
            spent += last
        }
        do {
            try reader.readOn()
            try updateSnapshot()
            let facts = RunRecord.facts(
                folder.path, configuration, state: state, history: reader.history,
                environment: RunRecord.environment(RunRecord.text(folder.path + "/environment.json")),
                commands: RunRecord.text(folder.path + "/command.txt").split(separator: "\n").map(String.init),
                snapshot: snapshot)
            try DurableFile.write(RunPage(facts).html, to: "\(folder.path)/\(RunRecord.pageName)")
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
