internal import Diagnostics
internal import Foundation
internal import HDF5
internal import Layers
package import Tensors

/// Everything that a run needs to go on besides its data: what a checkpoint file holds. Nothing in it belongs to a rank.
package struct Checkpoint: Sendable {
    package static let format = "swift-train.checkpoint"
    package static let formatVersion: Int64 = 1

    /// The numbers and texts of a checkpoint, without its tensors.
    package struct Header: Equatable, Sendable {
        package var model = ""
        package var input: [Int] = []
        package var classes: [String] = []
        /// What was subtracted from pixels and what they were divided by, a channel each, in units of 0…1.
        package var inputMean: [Float] = []
        package var inputStd: [Float] = []
        /// Finished epochs and steps.
        package var epoch = 0
        package var step = 0
        package var samplesSeen = 0
        package var seed: UInt64 = 0
        package var batchSize = 0
        package var shards = 0
        /// The effective configuration as YAML.
        package var configuration = ""
        package var configurationDigest = ""
        package var datasetDigest = ""
        /// What the dataset file says was done to its pictures, JSON; empty where it says nothing.
        package var preprocessing = ""
        /// The digest of the weights that the run started from; empty: random ones.
        package var initialWeights = ""
        package var evaluations: [Evaluation] = []
        package var best: Evaluation?
        /// Sum over the steps of the running epoch.
        package var epochScore = Score()
        /// Steps that were left out because they were not finite.
        package var skippedSteps = 0
        /// Updates that each trained parameter has missed, since it was frozen; empty: none.
        package var updatesMissed: [Int] = []
        /// The run was stopped before the evaluation that was due at this step; it comes first when it goes on.
        package var hasPendingEvaluation = false
        /// Length of metrics.jsonl when the checkpoint was made.
        package var metricsBytes = 0
        /// The engine that computed and what decides its bits; empty in checkpoints of versions that did not say.
        package var engine = ""
        /// All kernels of the machine.
        package var kernelSet = ""
        package var build = ""
        package var libraries = ""

        package init() {}

        /// What computed so far and what will, where the two do not give the same bits; nil where they do.
        package func otherKernels(engine: String, kernelSet: String) -> (before: String, now: String)? {
            if self.engine.isEmpty { return self.kernelSet == kernelSet ? nil : (self.kernelSet, kernelSet) }
            return self.engine == engine ? nil : (self.engine, engine)
        }
    }

    package var header: Header
    /// The tensors in the order of the network's parameter list; the file keeps that order in /parameters.
    package var weights: [Tensor]
    package var optimizer: [(name: String, tensors: [Tensor])]
    /// The exponential moving average of weights and buffers; empty when none is kept.
    package var average: [Tensor] = []

    package struct Tensor: Equatable, Sendable {
        package let key: String
        package let shape: Shape
        package var values: [Float]
    }
}

extension Checkpoint {
    /// Copies the state of a model.
    package init(header: Header, state: ModelState) {
        func tensors(_ vector: UnsafeMutableBufferPointer<Float>) -> [Tensor] {
            state.parameterList.parameters(of: vector.count).map {
                Tensor(key: $0.key, shape: $0.shape, values: Array(vector[$0.range]))
            }
        }
        self.header = Self.header(header, of: state)
        weights = tensors(state.weights)
        optimizer = state.optimizerVectors.map { ($0.name, tensors($0.vector)) }
        average = state.average.map(tensors) ?? []
    }

    /// Copies the state of the same model once more, into the memory of the last copy unless someone else still holds it.
    package mutating func capture(header: Header, state: ModelState) {
        // Layers that were frozen may be trained by now.
        guard optimizer.allSatisfy({ $0.tensors.count == state.updatesMissed.count }) else {
            self = Checkpoint(header: header, state: state)
            return
        }
        self.header = Self.header(header, of: state)
        Self.copy(state.weights, state.parameterList, to: &weights)
        if let vector = state.average { Self.copy(vector, state.parameterList, to: &average) }
        for (index, kept) in state.optimizerVectors.enumerated() {
            Self.copy(kept.vector, state.parameterList, to: &optimizer[index].tensors)
        }
    }

    private static func header(_ header: Header, of state: ModelState) -> Header {
        var header = header
        header.updatesMissed = state.updatesMissed.allSatisfy { $0 == 0 } ? [] : state.updatesMissed
        return header
    }

    private static func copy(
        _ vector: UnsafeMutableBufferPointer<Float>, _ list: ParameterList, to tensors: inout [Tensor]
    ) {
        for (index, parameter) in list.parameters(of: vector.count).enumerated() {
            tensors[index].values.withUnsafeMutableBufferPointer {
                _ = $0.update(from: UnsafeMutableBufferPointer(rebasing: vector[parameter.range]))
            }
        }
    }

    /// Copies the tensors into a model's state. Throws: `Failure(.badData)` naming the first key or shape that differs, or the
    /// first value that is not finite.
    package func restore(_ state: ModelState, path: String) throws {
        try restoreWeights(state, path: path)
        if let vector = state.average {
            guard !average.isEmpty else { throw Failure(.badData, "\(path):/ema is missing") }
            try copy(average, to: vector, state.parameterList, path: "\(path):/ema")
        }
        state.updates = header.step - header.skippedSteps
        guard header.updatesMissed.isEmpty || header.updatesMissed.count == state.updatesMissed.count else {
            throw Failure(
                .badData,
                "\(path): attribute updates_missed has \(header.updatesMissed.count) values, expected one for each of "
                    + "\(state.updatesMissed.count) trained parameters")
        }
        for (index, missed) in header.updatesMissed.enumerated() { state.updatesMissed[index] = missed }
        for kept in state.optimizerVectors {
            guard let stored = optimizer.first(where: { $0.name == kept.name }) else {
                throw Failure(.badData, "\(path):/optimizer/\(kept.name) is missing")
            }
            try copy(stored.tensors, to: kept.vector, state.parameterList, path: "\(path):/optimizer/\(kept.name)")
        }
    }

    /// The weights' `weights_sha256`.
    package func weightsDigest() -> String { Self.digest(of: weights) }

    /// The average's digest, made like the weights'; nil when none is kept.
    package func averageDigest() -> String? { average.isEmpty ? nil : Self.digest(of: average) }

    private static func digest(of tensors: [Tensor]) -> String {
        var digest = WeightsDigest()
        for tensor in tensors {
            tensor.values.withUnsafeBufferPointer { digest.add(key: tensor.key, shape: tensor.shape, values: $0) }
        }
        return digest.hexadecimal()
    }

    /// What evaluations score: the average if one is kept, otherwise the weights.
    package func restoreEvaluated(_ state: ModelState, path: String) throws {
        guard !average.isEmpty else { return try restoreWeights(state, path: path) }
        try copy(average, to: state.weights, state.parameterList, path: "\(path):/ema")
    }

    /// The tensors that evaluations score: the average if one is kept, otherwise the weights.
    package var evaluated: [Tensor] { average.isEmpty ? weights : average }

    /// The weights alone.
    package func restoreWeights(_ state: ModelState, path: String) throws {
        try copy(weights, to: state.weights, state.parameterList, path: "\(path):/model")
    }

    private func copy(
        _ tensors: [Tensor], to vector: UnsafeMutableBufferPointer<Float>, _ list: ParameterList, path: String
    ) throws {
        let byKey = Dictionary(tensors.map { ($0.key, $0) }) { first, _ in first }
        let parameters = list.parameters(of: vector.count)
        for key in byKey.keys.sorted() where !parameters.contains(where: { $0.key == key }) {
            throw Failure(.badData, "\(path)/\(key): not a parameter of this network")
        }
        for parameter in parameters {
            guard let tensor = byKey[parameter.key] else {
                throw Failure(.badData, "\(path)/\(parameter.key): missing, expected shape \(parameter.shape)")
            }
            guard tensor.shape == parameter.shape else {
                throw Failure(
                    .badData, "\(path)/\(parameter.key): shape \(tensor.shape), expected \(parameter.shape)")
            }
            try tensor.values.withUnsafeBufferPointer { try WeightsCheck.check(tensor.key, $0, path: path) }
            _ = UnsafeMutableBufferPointer(rebasing: vector[parameter.range]).update(from: tensor.values)
        }
    }
}
