package import Tensors

/// Where in an image a network finds a class: gradient-weighted class activation mapping.
///
/// The maps A [K, h, w] of a convolution are added up with weights αₖ, the mean over all places of the gradient of the class's
/// logit with respect to Aₖ; what speaks against the class is left out: ReLU(Σ αₖ Aₖ).
/// Source: Selvaraju, Cogswell, Das, Vedantam, Parikh, Batra 2017.
package struct GradCAM: Sendable {
    package let height, width: Int
    /// [height, width], from 0; in units of the logit.
    package let map: [Float]
    /// What the map explains, in the order of the network's outputs.
    package let classIndex: Int
    /// The softmax of the outputs; after training with squared errors the output itself.
    package let probability: Float

    /// `maps` and `gradients` [K, h, w].
    package init(maps: [Float], gradients: [Float], shape: Shape, classIndex: Int, probability: Float) {
        precondition(shape.rank == 3 && maps.count == shape.count && gradients.count == shape.count, "maps of \(shape)")
        (height, width) = (shape[1], shape[2])
        let area = height * width
        var sum = [Double](repeating: 0, count: area)
        for channel in 0..<shape[0] {
            let places = channel * area..<(channel + 1) * area
            let weight = gradients[places].reduce(0.0) { $0 + Double($1) } / Double(area)
            for (place, value) in maps[places].enumerated() { sum[place] += weight * Double(value) }
        }
        map = sum.map { Float(max(0, $0)) }
        self.classIndex = classIndex
        self.probability = probability
    }

    /// The map in 0…1, its largest value 1, at another size: bilinear between the middles of places, as
    /// torch.nn.functional.interpolate without `align_corners`.
    package func resized(height newHeight: Int, width newWidth: Int) -> [Float] {
        let largest = map.max() ?? 0
        guard largest > 0 else { return [Float](repeating: 0, count: newHeight * newWidth) }
        let rows = Self.neighbours(from: height, to: newHeight)
        let columns = Self.neighbours(from: width, to: newWidth)
        return rows.flatMap { row in
            columns.map { column in
                func line(_ y: Int) -> Float {
                    map[y * width + column.first] * (1 - column.part) + map[y * width + column.second] * column.part
                }
                return (line(row.first) * (1 - row.part) + line(row.second) * row.part) / largest
            }
        }
    }

    private static func neighbours(from old: Int, to new: Int) -> [(first: Int, second: Int, part: Float)] {
        (0..<new).map { place in
            let at = max(0, (Float(place) + 0.5) * Float(old) / Float(new) - 0.5)
            let first = min(Int(at), old - 1)
            return (first, min(first + 1, old - 1), at - Float(first))
        }
    }
}

extension Network {
    /// The value whose maps show best where a class is seen: that of the last convolution with an extent, behind its
    /// normalisation, shortcut and activation; nil where there is none.
    package var lastMaps: Int? {
        let last = stages.lastIndex { stage in
            guard case .convolution = stage.operation else { return false }
            return Self.isMaps(stage.output)
        }
        return last.map { endOfBlock($0 + 1) }
    }

    /// The value of the first convolution, behind its normalisation and activation; nil where there is none.
    package var firstMaps: Int? {
        stages.firstIndex { if case .convolution = $0.operation { true } else { false } }.map { endOfBlock($0 + 1) }
    }

    /// Whether one sample of a value is a stack of pictures of more than one place.
    package static func isMaps(_ shape: Shape) -> Bool { shape.rank == 3 && shape[1] * shape[2] > 1 }

    /// Goes on over what keeps places where they are.
    private func endOfBlock(_ value: Int) -> Int {
        var value = value
        while value < stages.count, stages[value].inputValues.contains(value) {
            switch stages[value].operation {
            case .activation, .batchNormalization, .add: value += 1
            default: return value
            }
        }
        return value
    }
}
