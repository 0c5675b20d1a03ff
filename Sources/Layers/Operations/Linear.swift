package import Tensors

/// y = x · weightᵀ + bias for samples that are vectors.
///
/// Shapes: x [N, inputs] · weight [outputs, inputs] · bias [outputs] → y [N, outputs].
/// Source: layout and defaults of torch.nn.Linear.
package struct Linear: SingleInputLayer {
    package let outputs: Int
    package let bias: Bool
    package let weightInitialization, biasInitialization: Initialization

    package init(
        outputs: Int, bias: Bool = true, weightInitialization: Initialization = .pytorchDefault,
        biasInitialization: Initialization = .pytorchDefault
    ) {
        self.outputs = outputs
        self.bias = bias
        self.weightInitialization = weightInitialization
        self.biasInitialization = biasInitialization
    }

    package var typeName: String { "Linear" }

    package func outputShape(for input: Shape) throws -> Shape {
        guard input.rank == 1 else { throw ShapeMismatch("Linear takes [features], found \(input)") }
        return [outputs]
    }

    package func parameters(for input: Shape) -> [ParameterDescription] {
        let shape: Shape = [outputs, input[0]]
        return ParameterDescription.weightAndBias(
            shape, outputs: outputs, hasBias: bias, weight: weightInitialization, bias: biasInitialization)
    }

    package func multiplyAdds(for input: Shape) -> Int { Int.product(input[0], outputs) }

    package func operation(for inputs: [Shape]) -> Operation {
        .affine(Affine(inputs: inputs[0][0], outputs: outputs), hasBias: bias)
    }

    package func demand(for site: PlanSite) -> MemoryDemand { .affine(at: site, outputs: outputs) }

    package func forwardPasses(at site: BoundSite) throws -> [Pass] {
        guard max(site.plan.input[0], outputs) <= BLAS.largestExtent else {
            throw ShapeMismatch(
                "Linear of \(site.plan.input[0]) × \(outputs), expected at most \(BLAS.largestExtent) each way")
        }
        let affine = Affine(inputs: site.plan.input[0], outputs: outputs)
        let context = site.context
        let weightOffset = site.parameterOffsets[0]
        let biasOffset = bias ? site.parameterOffsets[1] : nil
        return [
            site.pass("forward", imagesPerChunk: samplesPerProduct) { slots, _ in
                if slots.isEmpty { return }
                affine.forward(
                    samples: slots.count, x: site.x + slots.lowerBound * affine.inputs,
                    weight: context.weights + weightOffset, bias: biasOffset.map { context.weights + $0 },
                    y: site.y + slots.lowerBound * affine.outputs)
            }
        ]
    }

    package func backwardPasses(at site: BoundSite) -> [Pass] {
        guard let dy = site.dy else { return [] }
        let affine = Affine(inputs: site.plan.input[0], outputs: outputs)
        var passes =
            site.plan.trainsParameters
            ? [site.affineGradientPass(dy: dy, outputs: outputs, hasBias: bias, affine.weightGradient)] : []
        if let dx = site.dx { passes.append(inputGradientPass(at: site, dy: dy, dx: dx)) }
        return passes
    }

    private func inputGradientPass(
        at site: BoundSite, dy: UnsafeMutablePointer<Float>, dx: UnsafeMutablePointer<Float>
    ) -> Pass {
        let affine = Affine(inputs: site.plan.input[0], outputs: outputs)
        let context = site.context
        let weightOffset = site.parameterOffsets[0]
        return site.pass("input gradient", imagesPerChunk: samplesPerProduct) { slots, _ in
            if slots.isEmpty { return }
            affine.inputGradient(
                samples: slots.count, dy: dy + slots.lowerBound * affine.outputs,
                weight: context.weights + weightOffset, dx: dx + slots.lowerBound * affine.inputs)
        }
    }

    /// Larger products leave OpenBLAS's small-matrix kernels and run slower for the sizes of
    /// small networks (256 → 120 on one Cascade Lake core: 56 GFLOP/s with 8 samples, 35 with 32).
    private var samplesPerProduct: Int { 16 }
}

/// About 8,192 weights a unit, so that a layer of 120 × 256 feeds four threads.
private func rowsPerUnit(inputs: Int) -> Int { max(8, 8_192 / inputs) }

extension MemoryDemand {
    /// Of a linear layer, however it multiplies.
    static func affine(at site: PlanSite, outputs: Int) -> MemoryDemand {
        var demand = MemoryDemand()
        demand.backwardReadsInput = site.trainsParameters
        if site.trainsParameters {
            let rows = min(rowsPerUnit(inputs: site.input[0]), outputs)
            demand.workspaceBytes = Int.product(site.shards * rows, site.input[0] + 1, MemoryLayout<Float>.stride)
        }
        return demand
    }
}

extension BoundSite {
    /// A unit is a run of weight rows: it computes them for every shard and joins the shards in their tree, so that no
    /// whole-layer gradient per shard exists. `weightGradient` writes the rows' gradients of some samples.
    func affineGradientPass(
        dy: UnsafeMutablePointer<Float>, outputs: Int, hasBias: Bool,
        _ weightGradient:
            @escaping (
                _ rows: Range<Int>, _ samples: Int, _ x: UnsafePointer<Float>, _ dy: UnsafePointer<Float>,
                _ dweight: UnsafeMutablePointer<Float>, _ dbias: UnsafeMutablePointer<Float>?
            ) -> Void
    ) -> Pass {
        let inputs = plan.input[0]
        let rowsPerUnit = rowsPerUnit(inputs: inputs)
        let (context, shards, imagesPerShard) = (context, plan.shards, plan.imagesPerShard)
        let weightOffset = parameterOffsets[0]
        let biasOffset = hasBias ? parameterOffsets[1] : nil
        let units = (outputs + rowsPerUnit - 1) / rowsPerUnit
        return Pass("\(plan.path) weight gradient", units: units) { unit, worker in
            let rows = unit * rowsPerUnit..<min((unit + 1) * rowsPerUnit, outputs)
            let weightCount = rows.count * inputs
            let leafCount = weightCount + rows.count
            let leaves = workspace(of: worker)
            for shard in 0..<shards {
                let slot = shard * imagesPerShard
                let leaf = leaves + shard * leafCount
                weightGradient(
                    rows, Int(context.counts[shard]), x + slot * inputs, dy + slot * outputs, leaf,
                    hasBias ? leaf + weightCount : nil)
            }
            BinaryTree.sum(
                leafArrays: leaves, leaves: shards, stride: leafCount, count: weightCount,
                into: context.gradients + weightOffset + rows.lowerBound * inputs)
            if let biasOffset {
                BinaryTree.sum(
                    leafArrays: leaves + weightCount, leaves: shards, stride: leafCount, count: rows.count,
                    into: context.gradients + biasOffset + rows.lowerBound)
            }
        }
    }
}
