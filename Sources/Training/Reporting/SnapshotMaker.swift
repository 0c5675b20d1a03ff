internal import Layers
internal import Pictures
internal import Report

/// Puts together what a run's report shows besides numbers.
struct SnapshotMaker {
    let pictures: RunPictures
    let network: Network

    /// Pixels; larger images are made smaller.
    private static let largestSide = 160

    /// What does not change during a run. Throws: `Failure` where images cannot be read.
    func beginning() throws -> RunSnapshot {
        let training = pictures.training
        var snapshot = RunSnapshot(
            classes: pictures.classes, imageShape: training.extents)
        snapshot.network = networkTable
        snapshot.samples = try pictures.samples().map(Self.picture)
        snapshot.augmented = try pictures.augmented().map { $0.map(Self.picture) }
        return snapshot
    }

    /// What the network made of the evaluated split. Throws: `Failure` where images cannot be read.
    func scored(_ evaluation: Evaluation, _ outcomes: SampleOutcomes) throws -> RunSnapshot.Scored {
        let matrix = outcomes.matrix(classNames: pictures.classes)
        var scored = RunSnapshot.Scored(
            split: pictures.evaluation.name, epoch: evaluation.epoch, step: evaluation.step, loss: evaluation.loss,
            accuracy1: evaluation.accuracy1, matrix: matrix)
        if RunPage.needsMatrixPicture(classes: matrix.classes), matrix.classes <= ConfusionSheet.mostClasses {
            scored.matrixPNG = .init(ConfusionSheet(matrix, title: "\(matrix.samples) images").canvas.png())
        }
        scored.worst = try pictures.worst(of: outcomes).map(Self.picture)
        return scored
    }

    private static func picture(_ cell: ContactSheet.Cell) -> RunSnapshot.Picture {
        let image = cell.image.fitting(side: largestSide)
        return RunSnapshot.Picture(
            title: cell.captions.first ?? "", detail: cell.captions.dropFirst().joined(separator: ", "),
            png: .init(image.png()), side: max(image.width, image.height))
    }

    private var networkTable: RunSnapshot.Network? {
        guard let summary = try? NetworkSummary(network) else { return nil }
        return RunSnapshot.Network(
            name: summary.name,
            rows: summary.rows.map { row in
                RunSnapshot.Network.Row(
                    path: row.path, type: row.type,
                    output: row.output.dimensions.map(String.init).joined(separator: " × "),
                    parameters: row.parameters, multiplyAdds: row.multiplyAdds)
            }, parameters: summary.parameters, multiplyAdds: summary.multiplyAdds)
    }
}
