internal import Diagnostics
internal import Report

/// How much of what a training step makes of its images is kept for the passes backward: `checkpoint_activations`.
///
/// The bits are the same for every choice, so that memory may decide, and ranks may differ.
package enum ActivationCheckpointing: Equatable, Sendable {
    /// Everything that they read, and that is not computed again in passing.
    case off
    /// The fewest segments with which the rank's memory suffices; if it never does, those that need least.
    case auto
    /// What lies between so many segments of the network.
    case segments(Int)

    package static let range = 2...1000
    package static let expectation = "off, auto, or a number of segments 2…1000"
    /// What `auto` tries, each about a third more than the one before.
    private static let attempts = [1, 2, 3, 4, 6, 8, 11, 15, 20, 27, 36]

    package init?(_ text: String) {
        switch text {
        case "off": self = .off
        case "auto": self = .auto
        default:
            guard let count = Int(text), Self.range.contains(count) else { return nil }
            self = .segments(count)
        }
    }

    package var text: String {
        switch self {
        case .off: "off"
        case .auto: "auto"
        case .segments(let count): "\(count)"
        }
    }

    /// Segments of a plan; `need` says how many bytes a rank needs with so many, of a host that `localRanks` ranks share. Swap
    /// counts as no memory here: computing again is the faster of the two.
    package func segments(localRanks: Int, need: (_ segments: Int) throws -> Int) rethrows -> Int {
        switch self {
        case .off: return 1
        case .segments(let count): return count
        case .auto:
            let room = MemoryLimit.all(localRanks: localRanks, withSwap: false).map(\.bytes).min() ?? .max
            return try Self.fewest(within: room, need)
        }
    }

    static func fewest(within room: Int, _ need: (_ segments: Int) throws -> Int) rethrows -> Int {
        var best = (segments: 1, bytes: Int.max)
        for segments in attempts {
            let bytes = try need(segments)
            if bytes <= room { return segments }
            if bytes < best.bytes { best = (segments, bytes) }
        }
        return best.segments
    }

    /// What came of the choice, in words; nil where there was none. `plan` and `whole` are the bytes of the plans with it and
    /// without.
    func outcome(engine: String, segments: Int, plan: Int, whole: Int) -> String? {
        if self == .off { return nil }
        if engine.hasPrefix("lanes") { return "\(text): no effect, the lane engine keeps no batch of activations" }
        if segments == 1 { return "\(text): everything is kept" }
        return
            "\(text): \(segments) segments, \(NumberText.megabytes(plan)) of activations and scratch a rank instead of "
            + NumberText.megabytes(whole)
    }
}
