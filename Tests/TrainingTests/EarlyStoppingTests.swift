import Testing

@testable import Training

@Suite("Early stopping")
struct EarlyStoppingTests {
    private func ends(_ values: [Double], _ metric: Configuration.BestMetric, patience: Int, minDelta: Double = 0)
        -> Bool
    {
        let rule = Configuration.EarlyStopping(metric: metric, patience: patience, minDelta: minDelta)
        return rule.ends(
            values.enumerated().map { index, value in
                Evaluation(
                    epoch: index, step: index, loss: metric == .loss ? value : 0,
                    accuracy1: metric == .accuracy1 ? value : 0, accuracy5: metric == .accuracy5 ? value : 0)
            })
    }

    @Test("a run ends after as many evaluations without an improvement as its patience")
    func patience() {
        #expect(!ends([], .accuracy1, patience: 1) && !ends([0.5], .accuracy1, patience: 1))
        #expect(ends([0.5, 0.5], .accuracy1, patience: 1) && !ends([0.5, 0.6], .accuracy1, patience: 1))
        #expect(
            !ends([0.5, 0.4, 0.3], .accuracy5, patience: 3) && ends([0.5, 0.4, 0.3, 0.2], .accuracy5, patience: 3))
        #expect(!ends([0.5, 0.4, 0.6, 0.5, 0.5], .accuracy1, patience: 3))
        #expect(ends([1, 2, 3], .loss, patience: 2) && !ends([3, 2, 1], .loss, patience: 1))
    }

    @Test("an improvement has to be more than min_delta, counted from the best and not from the last")
    func smallImprovements() {
        #expect(ends([0.5, 0.5625, 0.625], .accuracy1, patience: 2, minDelta: 0.125))
        #expect(!ends([0.5, 0.5625, 0.6875], .accuracy1, patience: 2, minDelta: 0.125))
        #expect(ends([1, 0.875], .loss, patience: 1, minDelta: 0.125))
    }

    @Test("a value that is not a number is no improvement")
    func notANumber() {
        #expect(ends([.nan, .nan], .loss, patience: 2) && ends([1, .nan, .nan], .loss, patience: 2))
        #expect(!ends([.nan, 1], .loss, patience: 2))
    }
}
