internal import Report

/// One evaluation in the history of a run.
package struct Evaluation: Equatable, Sendable {
    package let epoch: Int
    package let step: Int
    package let loss: Double
    package let accuracy1: Double
    package let accuracy5: Double

    package init(epoch: Int, step: Int, loss: Double, accuracy1: Double, accuracy5: Double) {
        self.epoch = epoch
        self.step = step
        self.loss = loss
        self.accuracy1 = accuracy1
        self.accuracy5 = accuracy5
    }

    var json: JSON {
        [
            "epoch": .integer(epoch), "step": .integer(step), "loss": .number(loss), "acc1": .number(accuracy1),
            "acc5": .number(accuracy5),
        ]
    }
}
