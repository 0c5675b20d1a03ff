internal import Foundation

/// Batches on their way round: empty ones to the readers, which fill them piece by piece, and full ones in the order of their
/// steps to the trainer.
///
/// Readers take the pieces of a step from the front, and those of the next step when there are no more. Without room they sleep
/// until half of the batches are empty: waking one for each batch costs small networks more than the reading does. Every field
/// that changes is guarded by `condition`.
final class BatchAssembly: @unchecked Sendable {
    /// Slots of one batch that one reader fills.
    struct Piece {
        let step: Int
        let epoch: Int
        let stepInEpoch: Int
        let batch: Batch
        let order: EpochOrder
        let slots: Range<Int>
        /// The position in the epoch's order of the first slot of each local shard.
        let firstPositions: [Int]
    }

    private struct Filling {
        let step: Int
        let batch: Batch
        let order: EpochOrder
        let firstPositions: [Int]
        /// Where the next piece begins.
        var nextSlot = 0
        var piecesLeft: Int
        var isFull = false
        var failure: (any Error)?
    }

    private let condition = NSCondition()
    private let plan: EpochPlan
    private let localShards: Range<Int>
    private let slotsPerPiece: Int
    private var steps: Range<Int>
    private var empty: [Batch]
    /// As many empty batches wake readers that sleep.
    private let refill: Int
    private var sleepingReaders = 0
    private var isTrainerWaiting = false
    /// In the order of their steps.
    private var fillings: [Filling] = []
    private var order: (epoch: Int, order: EpochOrder)?
    private var isClosed = false
    private var hasFailed = false

    private var geometry: BatchGeometry { plan.geometry }
    private var slots: Int { localShards.count * geometry.imagesPerShard }

    init(
        plan: EpochPlan, localShards: Range<Int>, steps: Range<Int>, slotsPerPiece: Int, depth: Int, make: () -> Batch
    ) {
        self.plan = plan
        self.localShards = localShards
        self.steps = steps
        self.slotsPerPiece = slotsPerPiece
        empty = (0..<depth).map { _ in make() }
        refill = max(1, depth / 2)
    }

    // ---- The readers' side

    /// The next piece to fill; waits for room. nil: there will be no more.
    func takePiece() -> Piece? {
        condition.lock()
        defer { condition.unlock() }
        while true {
            if isClosed || hasFailed { return nil }
            if let piece = nextPiece() { return piece }
            guard !steps.isEmpty else { return nil }
            if let batch = empty.popLast() {
                open(batch, step: steps.removeFirst())
            } else {
                sleepingReaders += 1
                condition.wait()
                sleepingReaders -= 1
            }
        }
    }

    /// Notes that a piece is filled, or why it could not be. `completing` is called for the last one of a batch.
    func finish(_ piece: Piece, failure: (any Error)?, completing: (Piece) throws -> Void) {
        guard add(piece, failure: failure) else { return }
        var failure: (any Error)?
        do {
            try completing(piece)
        } catch {
            failure = error
        }
        condition.lock()
        defer { condition.unlock() }
        note(failure, ofStep: piece.step)
        if let index = fillings.firstIndex(where: { $0.step == piece.step }) { fillings[index].isFull = true }
        if isTrainerWaiting { condition.broadcast() }
    }

    /// Whether it was the last one of its batch.
    private func add(_ piece: Piece, failure: (any Error)?) -> Bool {
        condition.lock()
        defer { condition.unlock() }
        note(failure, ofStep: piece.step)
        guard let index = fillings.firstIndex(where: { $0.step == piece.step }) else { return false }
        fillings[index].piecesLeft -= 1
        return fillings[index].piecesLeft == 0
    }

    private func note(_ failure: (any Error)?, ofStep step: Int) {
        guard let failure, let index = fillings.firstIndex(where: { $0.step == step }) else { return }
        fillings[index].failure = fillings[index].failure ?? failure
        hasFailed = true
        condition.broadcast()
    }

    private func nextPiece() -> Piece? {
        guard let index = fillings.indices.last, fillings[index].nextSlot < slots else { return nil }
        let start = fillings[index].nextSlot
        let end = min(slots, start + slotsPerPiece)
        fillings[index].nextSlot = end
        let filling = fillings[index]
        return Piece(
            step: filling.step, epoch: filling.step / geometry.stepsPerEpoch,
            stepInEpoch: filling.step % geometry.stepsPerEpoch, batch: filling.batch,
            order: filling.order,
            slots: start..<end, firstPositions: filling.firstPositions)
    }

    private func open(_ batch: Batch, step: Int) {
        let (epoch, stepInEpoch) = step.quotientAndRemainder(dividingBy: geometry.stepsPerEpoch)
        for (local, shard) in localShards.enumerated() {
            batch.counts[local] = Int32(geometry.images(inShard: shard, ofStep: stepInEpoch))
        }
        fillings.append(
            Filling(
                step: step, batch: batch, order: order(ofEpoch: epoch),
                firstPositions: localShards.map { geometry.firstPosition(ofShard: $0, inStep: stepInEpoch) },
                piecesLeft: (slots + slotsPerPiece - 1) / slotsPerPiece))
    }

    private func order(ofEpoch epoch: Int) -> EpochOrder {
        if let order, order.epoch == epoch { return order.order }
        let made = plan.order(ofEpoch: epoch)
        order = (epoch, made)
        return made
    }

    // ---- The trainer's side

    /// The batch of the next step, when it is full. Throws: why there is none.
    func takeFull() throws -> Batch {
        condition.lock()
        defer { condition.unlock() }
        while true {
            if let first = fillings.first {
                if let failure = first.failure { throw failure }
                if first.isFull { return fillings.removeFirst().batch }
            }
            isTrainerWaiting = true
            condition.wait()
            isTrainerWaiting = false
        }
    }

    func putEmpty(_ batch: Batch) {
        condition.lock()
        defer { condition.unlock() }
        empty.append(batch)
        if sleepingReaders > 0, empty.count >= refill { condition.broadcast() }
    }

    func close() {
        condition.lock()
        defer { condition.unlock() }
        isClosed = true
        condition.broadcast()
    }
}
