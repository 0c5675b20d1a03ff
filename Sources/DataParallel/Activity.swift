internal import Synchronization

/// What the training thread of this rank is doing, for the watchdog that looks on from another thread.
///
/// Sendable: every field is atomic; only the training thread writes.
package final class Activity: Sendable {
    package enum Phase: Int, Sendable {
        case startUp, reading, computing, evaluating, saving, ending

        var words: String {
            switch self {
            case .startUp: "starting up"
            case .reading: "waiting for a batch"
            case .computing: "training"
            case .evaluating: "evaluating"
            case .saving: "saving a checkpoint"
            case .ending: "ending"
            }
        }
    }

    /// A call to another rank, or to all of them.
    package enum Call: Int, Sendable {
        case none, exchange, broadcast, allGather, barrier

        var words: String {
            switch self {
            case .none: "no call to another rank"
            case .exchange: "an exchange"
            case .broadcast: "a broadcast"
            case .allGather: "an all-gather"
            case .barrier: "a barrier"
            }
        }
    }

    private let phaseValue = Atomic<Int>(0)
    private let stepValue = Atomic<Int>(0)
    private let callValue = Atomic<Int>(0)
    private let peerValue = Atomic<Int>(-1)
    private let callCount = Atomic<Int>(0)
    private let beats = Atomic<Int>(0)

    package init() {}

    /// Enters a phase of a step; counts as progress.
    package func enter(_ phase: Phase, step: Int) {
        phaseValue.store(phase.rawValue, ordering: .relaxed)
        stepValue.store(step, ordering: .relaxed)
        beat()
    }

    /// Counts as progress inside a phase.
    package func beat() { beats.add(1, ordering: .relaxed) }

    func begin(_ call: Call, peer: Int = -1) {
        callCount.add(1, ordering: .relaxed)
        peerValue.store(peer, ordering: .relaxed)
        callValue.store(call.rawValue, ordering: .relaxed)
        beat()
    }

    func end() {
        callValue.store(Call.none.rawValue, ordering: .relaxed)
        beat()
    }

    struct Snapshot: Equatable {
        let phase: Phase
        let step: Int
        let call: Call
        let peer: Int?
        let callNumber: Int
        let beats: Int

        /// "training, step 57, in an exchange with rank 1 (collective 203)".
        var words: String {
            let place = phase == .startUp || phase == .ending ? phase.words : "\(phase.words), step \(step)"
            guard call != .none else { return place }
            let others = peer.map { "with rank \($0)" } ?? "of all ranks"
            return "\(place), in \(call.words) \(others) (collective \(callNumber))"
        }
    }

    var snapshot: Snapshot {
        let peer = peerValue.load(ordering: .relaxed)
        return Snapshot(
            phase: Phase(rawValue: phaseValue.load(ordering: .relaxed)) ?? .startUp,
            step: stepValue.load(ordering: .relaxed), call: Call(rawValue: callValue.load(ordering: .relaxed)) ?? .none,
            peer: peer < 0 ? nil : peer, callNumber: callCount.load(ordering: .relaxed),
            beats: beats.load(ordering: .relaxed))
    }
}
