/// What a plan computes when, and which computation of a value each pass reads.
///
/// Time runs over the stages forward (0 ..< n), the loss (n) and the stages backward, the last one first; what is computed again
/// has its turns between those. Values are numbered as in `StageProgram`.
struct StepSchedule {
    enum Kind {
        case forward
        /// Forward again, for the backward passes of a segment.
        case again
        /// Forward again, for one value and the backward passes that read it.
        case restoring
        case backward
    }

    struct Event {
        let kind: Kind
        let stage: Int
        let time: Int
        /// The versions of the stage's inputs and of its output.
        let inputs: [Int]
        let output: Int
    }

    /// A value as one of the events makes it.
    struct Version {
        let value: Int
        let kind: Kind
        /// When it is made, and read last.
        let made: Int
        fileprivate(set) var last: Int
    }

    /// In the order they run. The loss, which is none of them, comes before all that is not forward.
    private(set) var events: [Event] = []
    private(set) var versions: [Version]
    /// The last of all times.
    private(set) var end: Int
    /// By stage: when its backward passes run, and when it runs again for those of its segment.
    private(set) var backward: [Int]
    private(set) var again: [Int?]
    /// The version of each value that is at hand.
    private var current: [Int]

    /// `goesBack`: whether there are passes backward; `restores`: whether what can be computed again is left out of memory.
    init(
        _ stages: [PlanStage], _ graph: ValueGraph, _ demands: [MemoryDemand], _ sharing: ValueSharing,
        _ segments: Segments, goesBack: Bool, restores: Bool, keptValue: Int?
    ) {
        let count = stages.count
        versions = [Version(value: 0, kind: .forward, made: 0, last: 0)]
        current = [Int](repeating: 0, count: count + 1)
        backward = stages.indices.map { 2 * count - $0 }
        again = [Int?](repeating: nil, count: count)
        end = count
        for stage in stages.indices { compute(.forward, stages[stage], stage, at: stage) }
        guard goesBack else { return }
        let readers = (0...count).map { Self.backwardReaders(of: $0, stages, graph, demands) }
        let restored =
            restores
            ? Self.restored(stages, graph, demands, sharing, segments, readers)
            : [Bool](repeating: false, count: count + 1)
        let runsAgain = Self.runsAgain(
            stages, graph, demands, sharing, segments, readers, restored, keptValue: keptValue)
        for stage in stages.indices.reversed() {
            if let segment = segments.ending(at: stage) {
                for stage in segment where runsAgain[stage] {
                    end += 1
                    again[stage] = end
                    compute(.again, stages[stage], stage, at: end)
                }
            }
            end += 1
            backward[stage] = end
            for value in 1...count where restored[value] && readers[value].max() == stage {
                compute(.restoring, stages[value - 1], value - 1, at: end)
            }
            for value in 0...count where readers[value].contains(stage) { read(value, at: end) }
            append(.backward, stages[stage], stage, at: end)
        }
        // The logits, and the value that is asked for, stay for whoever reads them after the run.
        for value in [count, keptValue].compactMap({ $0 }) { read(value, at: end) }
    }

    private mutating func compute(_ kind: Kind, _ stage: PlanStage, _ number: Int, at time: Int) {
        for value in stage.inputValues { read(value, at: time) }
        let inputs = current
        versions.append(Version(value: number + 1, kind: kind, made: time, last: time))
        current[number + 1] = versions.count - 1
        events.append(
            Event(
                kind: kind, stage: number, time: time, inputs: stage.inputValues.map { inputs[$0] },
                output: versions.count - 1))
    }

    private mutating func append(_ kind: Kind, _ stage: PlanStage, _ number: Int, at time: Int) {
        events.append(
            Event(
                kind: kind, stage: number, time: time, inputs: stage.inputValues.map { current[$0] },
                output: current[number + 1]))
    }

    private mutating func read(_ value: Int, at time: Int) {
        versions[current[value]].last = max(versions[current[value]].last, time)
    }

    // ---- What is computed again

    /// The stages whose backward passes read a value.
    private static func backwardReaders(
        of value: Int, _ stages: [PlanStage], _ graph: ValueGraph, _ demands: [MemoryDemand]
    ) -> [Int] {
        var readers = graph.consumers[value].filter { consumer in
            let demand = demands[consumer]
            return demand.backwardReadsInput
                && (demand.backwardReadsOtherInputs || stages[consumer].inputValues[0] == value)
        }
        if value > 0, demands[value - 1].backwardReadsOutput { readers.append(value - 1) }
        return readers
    }

    /// By value: whether it is computed again with the first backward pass that reads it. What such a value is computed from is
    /// no such value itself, and none lies between segments, where the next one is computed from it.
    private static func restored(
        _ stages: [PlanStage], _ graph: ValueGraph, _ demands: [MemoryDemand], _ sharing: ValueSharing,
        _ segments: Segments, _ readers: [[Int]]
    ) -> [Bool] {
        var restored = [Bool](repeating: false, count: stages.count + 1)
        for (index, stage) in stages.enumerated() where demands[index].restoresOutput {
            let value = index + 1
            restored[value] =
                !readers[value].isEmpty && value < stages.count && !stage.inputValues.contains { restored[$0] }
                && sharing.ofValues.count(where: { $0 == sharing.ofValues[value] }) == 1
                && segments.isInside(value, readBy: graph.consumers[value])
        }
        return restored
    }

    /// By stage: whether it runs again for the backward passes of its segment. What the stages of other segments read is kept,
    /// and so is what shares bytes with it.
    private static func runsAgain(
        _ stages: [PlanStage], _ graph: ValueGraph, _ demands: [MemoryDemand], _ sharing: ValueSharing,
        _ segments: Segments, _ readers: [[Int]], _ restored: [Bool], keptValue: Int?
    ) -> [Bool] {
        var isKept = (0...stages.count).map { value in
            value == 0 || value == keptValue || !segments.isInside(value, readBy: graph.consumers[value])
        }
        let views = stages.indices.filter { demands[$0].sharing == .sameBytes }.map {
            (stages[$0].inputValues[0], $0 + 1)
        }
        .filter { sharing.ofValues[$0.0] == sharing.ofValues[$0.1] }
        for (value, view) in views + views.reversed() where isKept[value] || isKept[view] {
            (isKept[value], isKept[view]) = (true, true)
        }
        var runsAgain = [Bool](repeating: false, count: stages.count)
        for stage in stages.indices.reversed() where segments.ofStage(stage) < segments.count - 1 {
            let value = stage + 1
            runsAgain[stage] =
                !isKept[value]
                && (!restored[value] && !readers[value].isEmpty
                    || graph.consumers[value].contains { runsAgain[$0] || restored[$0 + 1] })
        }
        return runsAgain
    }
}

/// The stretches of stages that a program is cut into for the passes backward. What only one of them reads is computed again
/// from what comes into it, once the stretches behind it are through; the last one's values are kept.
struct Segments {
    /// The stages that each begins with.
    private let starts: [Int]
    private let stageCount: Int

    /// `count` segments, as far as there are stages, of about equal memory: each ends where that and what lies between it and
    /// the next one are small. Depends on the program alone, so that plans of one program run the same passes.
    init(_ count: Int, _ program: StageProgram, _ graph: ValueGraph, _ demands: [MemoryDemand]) {
        let stages = program.stages
        // Elements of an image that are kept up to each stage, and that stages behind it read.
        var (before, crossing) = ([0], [0])
        for stage in stages.indices {
            let value = stage + 1
            let isRead =
                demands[stage].backwardReadsOutput || graph.consumers[value].contains { demands[$0].backwardReadsInput }
            let elements = isRead && !demands[stage].restoresOutput ? program.shape(ofValue: value).count : 0
            before.append(before[stage] + elements)
            crossing.append(
                (1...value).reduce(0) { sum, value in
                    let isLeft = graph.consumers[value].last.map { $0 > stage } ?? false
                    return sum + (isLeft ? program.shape(ofValue: value).count : 0)
                })
        }
        var starts = [0]
        for number in 1..<max(1, count) {
            let target = before[stages.count] / count * number
            let room = starts[starts.count - 1] + 1..<max(starts[starts.count - 1] + 1, stages.count)
            let best = room.min { abs(before[$0] - target) + crossing[$0] < abs(before[$1] - target) + crossing[$1] }
            if let best { starts.append(best) }
        }
        self.starts = starts
        stageCount = stages.count
    }

    var count: Int { starts.count }

    func ofStage(_ stage: Int) -> Int { (starts.lastIndex { $0 <= stage }) ?? 0 }

    /// The segment that ends with a stage, but for the last one.
    func ending(at stage: Int) -> Range<Int>? {
        guard let next = starts.dropFirst().firstIndex(of: stage + 1) else { return nil }
        return starts[next - 1]..<starts[next]
    }

    /// Whether the stages that read a value are of the segment that makes it.
    func isInside(_ value: Int, readBy consumers: [Int]) -> Bool {
        guard value > 0, !consumers.isEmpty else { return false }
        return consumers.allSatisfy { ofStage($0) == ofStage(value - 1) }
    }
}
