package import Datasets
internal import Diagnostics
package import Layers
package import Tensors

/// Says where in images a network finds a class, by the maps of one of its values. A plan is made once for all images whose
/// pixels have one type.
package final class Explainer {
    private let trained: TrainedNetwork
    private let value: Int
    private let pool: ThreadPool
    private var plans: [PixelType: ExecutionPlan] = [:]

    /// `value` is numbered as in `ModelDescription.Value`, and is maps [C, H, W]. OpenBLAS is loaded.
    package init(_ trained: TrainedNetwork, value: Int, pool: ThreadPool) {
        (self.trained, self.value, self.pool) = (trained, value, pool)
    }

    /// Explains a class, by default the one that `Prediction` takes for the most probable.
    ///
    /// `image`: pixels [H, W, C] of the network's input; `name` is for messages. Throws: `Failure`: 65 for an image that leads to
    /// outputs which are not finite.
    package func explain(
        _ image: UnsafeRawBufferPointer, _ type: PixelType, class wanted: Int? = nil, name: String
    ) throws -> GradCAM {
        let plan = try plans[type] ?? trained.plan(.logitGradient(ofValue: value), PlanOptions(), type, pool)
        plans[type] = plan
        try trained.run(plan, image, label: Int32(wanted ?? -1))
        let logits = plan.logits(ofSlot: 0)
        switch Prediction(logits: logits, top: logits.count, loss: trained.configuration.loss) {
        case .none(let why): throw Failure(.badData, "\(name): \(why.reason)")
        case .classes(let classes):
            let shown = classes.first { $0.index == wanted } ?? classes[0]
            let (maps, gradients) = plan.valueAndGradient(ofSlot: 0)
            return GradCAM(
                maps: Array(maps), gradients: Array(gradients), shape: trained.network.shape(ofValue: value),
                classIndex: shown.index, probability: shown.probability)
        }
    }
}
