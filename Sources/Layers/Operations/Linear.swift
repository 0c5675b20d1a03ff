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

    package func demand(for site: PlanSite) -> MemoryDemand {
        var demand = MemoryDemand()
        demand.backwardReadsInput = site.trainsParameters
        if site.trainsParameters {
            let rows = min(rowsPerUnit(inputs: site.input[0]), outputs)
            demand.workspaceBytes = Int.product(site.shards * rows, site.input[0] + 1, MemoryLayout<Float>.stride)
        }
        return demand
    }

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
        var passes = site.plan.trainsParameters ? [weightGradientPass(at: site, dy: dy)] : []
        if let dx = site.dx { passes.append(inputGradientPass(at: site, dy: dy, dx: dx)) }
        return passes
    }

    /// A unit is a run of weight rows: it computes them for every shard and joins the shards in their tree, so
    /// that no whole-layer gradient per shard exists.
    private func weightGradientPass(at site: BoundSite, dy: UnsafeMutablePointer<Float>) -> Pass {
        let affine = Affine(inputs: site.plan.input[0], outputs: outputs)
        let rowsPerUnit = rowsPerUnit(inputs: affine.inputs)
        let (context, shards, imagesPerShard) = (site.context, site.plan.shards, site.plan.imagesPerShard)
        let (outputs, hasBias) = (outputs, bias)
        let weightOffset = site.parameterOffsets[0]
        let biasOffset = hasBias ? site.parameterOffsets[1] : nil
        let units = (outputs + rowsPerUnit - 1) / rowsPerUnit
        return Pass("\(site.plan.path) weight gradient", units: units) { unit, worker in
            let rows = unit * rowsPerUnit..<min((unit + 1) * rowsPerUnit, outputs)
            let weightCount = rows.count * affine.inputs
            let leafCount = weightCount + rows.count
            let leaves = site.workspace(of: worker)
            for shard in 0..<shards {
                let slot = shard * imagesPerShard
                let leaf = leaves + shard * leafCount
                affine.weightGradient(
                    rows: rows, samples: Int(context.counts[shard]), x: site.x + slot * affine.inputs,
                    dy: dy + slot * affine.outputs, dweight: leaf, dbias: hasBias ? leaf + weightCount : nil)
            }
            BinaryTree.sum(
                leafArrays: leaves, leaves: shards, stride: leafCount, count: weightCount,
                into: context.gradients + weightOffset + rows.lowerBound * affine.inputs)
            if let biasOffset {
                BinaryTree.sum(
                    leafArrays: leaves + weightCount, leaves: shards, stride: leafCount, count: rows.count,
                    into: context.gradients + biasOffset + rows.lowerBound)
            }
        }
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

    /// About 8,192 weights a unit, so that a layer of 120 × 256 feeds four threads.
    private func rowsPerUnit(inputs: Int) -> Int { max(8, 8_192 / inputs) }
}
