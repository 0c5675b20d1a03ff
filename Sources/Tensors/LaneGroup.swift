internal import CKernels

/// Which images the sixteen lanes hold, and what the loss says of them. Someone else's memory: `byteCount` bytes.
package struct LaneGroup {
    let lanes: UnsafeMutablePointer<CKernels_LaneGroup>
    let scores: UnsafeMutablePointer<CKernels_LaneScores>

    private static let lanesByteCount = (MemoryLayout<CKernels_LaneGroup>.stride + 63) & ~63
    package static let byteCount = lanesByteCount + MemoryLayout<CKernels_LaneScores>.stride

    /// Memory that starts on a multiple of 64 bytes.
    package init(at memory: UnsafeMutableRawPointer) {
        lanes = memory.assumingMemoryBound(to: CKernels_LaneGroup.self)
        scores = (memory + Self.lanesByteCount).assumingMemoryBound(to: CKernels_LaneScores.self)
    }

    /// No lane holds an image.
    package func clear(lanesPerShard: Int, lanes count: Int) {
        for lane in 0..<KernelSet.laneCount { place(nil, label: 0, in: lane) }
        lanes.pointee.lanesPerShard = Int32(lanesPerShard)
        lanes.pointee.lanes = Int32(count)
    }

    package func place(_ image: UnsafeRawPointer?, label: Int32, in lane: Int) {
        withUnsafeMutablePointer(to: &lanes.pointee.images) {
            $0.withMemoryRebound(to: UnsafeRawPointer?.self, capacity: KernelSet.laneCount) { $0[lane] = image }
        }
        withUnsafeMutablePointer(to: &lanes.pointee.labels) {
            $0.withMemoryRebound(to: Int32.self, capacity: KernelSet.laneCount) { $0[lane] = label }
        }
    }

    /// What the loss said of one lane.
    package func score(ofLane lane: Int) -> (loss: Double, isCorrect1: Bool, isCorrect5: Bool) {
        let count = KernelSet.laneCount
        return withUnsafePointer(to: &scores.pointee.loss) { losses in
            withUnsafePointer(to: &scores.pointee.correct1) { first in
                withUnsafePointer(to: &scores.pointee.correct5) { fifth in
                    (
                        losses.withMemoryRebound(to: Double.self, capacity: count) { $0[lane] },
                        first.withMemoryRebound(to: Int32.self, capacity: count) { $0[lane] } != 0,
                        fifth.withMemoryRebound(to: Int32.self, capacity: count) { $0[lane] } != 0
                    )
                }
            }
        }
    }
}
