internal import Tensors

/// The kernel calls of a lane program: for every group of images the same ones in the same order.
struct LaneOperations {
    typealias Operation = (LaneFrame) -> Void

    let forward: [Operation]
    let loss: Operation
    let backward: [Operation]
    /// Reverses the weights that input gradients read, once a step.
    let preparations: [(UnsafePointer<Float>) -> Void]

    init(
        _ program: LaneProgram, _ memory: LaneMemory, _ kernels: KernelSet, input: PixelConversion, classes: Int,
        transposed: UnsafeMutablePointer<Float>, lanesPerShard: Int, lanes: Int, mode: ExecutionPlan.Mode
    ) {
        let image = memory.values[0]
        let builder = Builder(
            program: program, memory: memory, kernels: kernels, transposed: transposed, lanesPerShard: lanesPerShard,
            lanes: lanes)
        forward =
            [{ frame in input.convert(frame.group, kernels, to: frame.floats(image)) }]
            + program.steps.indices.map(builder.forward)
        let last = program.steps.count
        let (logits, dlogits) = (memory.values[last], mode == .training ? memory.gradients[last] : nil)
        let owed = program.activationBefore(last)
        loss = { frame in
            kernels.crossEntropy(
                of: frame.group, logits: frame.floats(logits), classes: classes, dlogits: dlogits.map(frame.floats))
            if case .none = owed { return }
            guard let dlogits else { return }
            kernels.activationBackward(
                owed, y: frame.floats(logits), dy: frame.floats(dlogits), count: classes * KernelSet.laneCount,
                dx: frame.floats(dlogits))
        }
        let isTraining = mode == .training
        backward = isTraining ? program.steps.indices.reversed().flatMap(builder.backward) : []
        preparations = isTraining ? program.steps.indices.compactMap(builder.preparation) : []
    }

    /// Makes the operations of one step.
    private struct Builder {
        let program: LaneProgram
        let memory: LaneMemory
        let kernels: KernelSet
        let transposed: UnsafeMutablePointer<Float>
        let lanesPerShard, lanes: Int

        func forward(_ index: Int) -> Operation {
            let (step, kernels) = (program.steps[index], kernels)
            let (x, y) = (memory.values[index], memory.values[index + 1])
            let (workspace, argmax, activation) = (memory.workspace, memory.argmax[index], step.activation)
            let (weights, bias) = (step.parameterOffset, step.biasOffset)
            switch step.kind {
            case .convolution(let convolution, isPooled: false):
                return { frame in
                    convolution.forward(
                        kernels, x: frame.floats(x), weights: frame.weights + weights,
                        bias: bias.map { frame.weights + $0 }, activation: activation, y: frame.floats(y))
                }
            case .convolution(let convolution, isPooled: true):
                return { frame in
                    convolution.forwardPooled(
                        kernels, x: frame.floats(x), weights: frame.weights + weights,
                        bias: bias.map { frame.weights + $0 }, activation: activation,
                        workspace: frame.floats(workspace), y: frame.floats(y), argmax: frame.argmax(argmax))
                }
            case .affine(let affine):
                return { frame in
                    affine.forward(
                        kernels, x: frame.floats(x), weights: frame.weights + weights,
                        bias: bias.map { frame.weights + $0 }, activation: activation, y: frame.floats(y))
                }
            case .maximum(let window):
                return { frame in
                    window.maximum(kernels, x: frame.floats(x), y: frame.floats(y), argmax: frame.argmax(argmax))
                }
            case .average(let window, let countsPadding):
                return { frame in
                    window.average(kernels, countsPadding: countsPadding, x: frame.floats(x), y: frame.floats(y))
                }
            case .activation:
                let count = step.outputCount * KernelSet.laneCount
                return { frame in
                    kernels.activate(activation, x: frame.floats(x), count: count, y: frame.floats(y))
                }
            }
        }

        func backward(_ index: Int) -> [Operation] {
            guard program.dependsOnParameters(index + 1) else { return [] }
            let needsInputGradient = program.dependsOnParameters(index)
            let step = program.steps[index]
            var operations: [Operation] = []
            if case .convolution(_, isPooled: true) = step.kind, needsInputGradient {
                operations.append(unpooling(index))
            }
            if step.isTrained { operations.append(weightGradient(index)) }
            if needsInputGradient { operations.append(inputGradient(index)) }
            return operations
        }

        func preparation(_ index: Int) -> ((UnsafePointer<Float>) -> Void)? {
            let step = program.steps[index]
            guard case .convolution(let convolution, _) = step.kind, program.dependsOnParameters(index) else {
                return nil
            }
            let (kernels, offset, target) = (
                kernels, step.parameterOffset, transposed + memory.transposedOffsets[index]
            )
            return { weights in convolution.transpose(kernels, weights: weights + offset, into: target) }
        }

        private func unpooling(_ index: Int) -> Operation {
            let (step, kernels) = (program.steps[index], kernels)
            guard case .convolution(let convolution, _) = step.kind else {
                preconditionFailure("only these are pooled")
            }
            let (y, dy, full) = (memory.values[index + 1], memory.gradients[index + 1], memory.unpooled[index])
            let (argmax, activation) = (memory.argmax[index], step.activation)
            return { frame in
                convolution.unpool(
                    kernels, y: frame.floats(y), dy: frame.floats(dy), argmax: frame.argmax(argmax),
                    activation: activation, into: frame.floats(full))
            }
        }

        private func weightGradient(_ index: Int) -> Operation {
            let (step, kernels, lanes, lanesPerShard) = (program.steps[index], kernels, lanes, lanesPerShard)
            let (x, y, dy) = (memory.values[index], memory.values[index + 1], memory.gradients[index + 1])
            let (workspace, argmax, full) = (memory.workspace, memory.argmax[index], memory.unpooled[index])
            let (offset, bias, activation) = (step.parameterOffset, step.biasOffset, step.activation)
            let count = step.weightCount + step.biasCount
            switch step.kind {
            case .convolution(let convolution, let isPooled) where !isPooled || program.dependsOnParameters(index):
                let dy = isPooled ? full : dy
                return { frame in
                    let gradient = frame.leaf.gradient
                    convolution.weightGradient(
                        kernels, x: frame.floats(x), dy: frame.floats(dy), lanes: lanes,
                        workspace: frame.floats(workspace), dweights: gradient + offset,
                        dbias: bias.map { gradient + $0 })
                    frame.leaf.finish(offset, count: count)
                }
            case .convolution(let convolution, _):
                return { frame in
                    let gradient = frame.leaf.gradient
                    convolution.weightGradientPooled(
                        kernels, x: frame.floats(x), y: frame.floats(y), dy: frame.floats(dy),
                        argmax: frame.argmax(argmax), activation: activation, lanes: lanes,
                        workspace: frame.floats(workspace), dweights: gradient + offset,
                        dbias: bias.map { gradient + $0 })
                    frame.leaf.finish(offset, count: count)
                }
            case .affine(let affine):
                return { frame in
                    let gradient = frame.leaf.gradient
                    affine.weightGradient(
                        kernels, x: frame.floats(x), dy: frame.floats(dy), lanesPerShard: lanesPerShard, lanes: lanes,
                        workspace: frame.floats(workspace), dweights: gradient + offset,
                        dbias: bias.map { gradient + $0 })
                    frame.leaf.finish(offset, count: count)
                }
            case .maximum, .average, .activation:
                preconditionFailure("a step without parameters")
            }
        }

        private func inputGradient(_ index: Int) -> Operation {
            let (step, kernels, owed) = (program.steps[index], kernels, program.activationBefore(index))
            let (x, y) = (memory.values[index], memory.values[index + 1])
            let (dx, dy) = (memory.gradients[index], memory.gradients[index + 1])
            switch step.kind {
            case .convolution(let convolution, let isPooled):
                let dy = isPooled ? memory.unpooled[index] : dy
                let transposed = UnsafePointer(transposed + memory.transposedOffsets[index])
                return { frame in
                    convolution.inputGradient(
                        kernels, dy: frame.floats(dy), transposed: transposed, activation: owed, x: frame.floats(x),
                        dx: frame.floats(dx))
                }
            case .affine(let affine):
                let weights = step.parameterOffset
                return { frame in
                    affine.inputGradient(
                        kernels, dy: frame.floats(dy), weights: frame.weights + weights, activation: owed,
                        x: frame.floats(x), dx: frame.floats(dx))
                }
            case .maximum(let window):
                let argmax = memory.argmax[index]
                return settling(owed, index) { frame in
                    window.maximumBackward(
                        kernels, dy: frame.floats(dy), argmax: frame.argmax(argmax), dx: frame.floats(dx))
                }
            case .average(let window, let countsPadding):
                return settling(owed, index) { frame in
                    window.averageBackward(
                        kernels, countsPadding: countsPadding, dy: frame.floats(dy), dx: frame.floats(dx))
                }
            case .activation:
                let (activation, count) = (step.activation, step.outputCount * KernelSet.laneCount)
                return settling(owed, index) { frame in
                    kernels.activationBackward(
                        activation, y: frame.floats(y), dy: frame.floats(dy), count: count, dx: frame.floats(dx))
                }
            }
        }

        /// Follows an input gradient by the derivative of the activation that made the input.
        private func settling(_ owed: LaneActivation, _ index: Int, _ operation: @escaping Operation) -> Operation {
            if case .none = owed { return operation }
            let (kernels, x, dx) = (kernels, memory.values[index], memory.gradients[index])
            let count = program.steps[index].inputCount * KernelSet.laneCount
            return { frame in
                operation(frame)
                kernels.activationBackward(
                    owed, y: frame.floats(x), dy: frame.floats(dx), count: count, dx: frame.floats(dx))
            }
        }
    }
}
