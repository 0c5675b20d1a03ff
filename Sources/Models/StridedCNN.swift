internal import Layers

/// The all-convolutional network of a tutorial on convolutions for Fashion-MNIST (Internet article): five 3 × 3 convolutions
/// with stride 2 halve 28 × 28 images down to one place, which holds the logits; 5,274 parameters for ten classes.
///
/// The article calls `conv(ni, nf)` for 1 → 4 → 8 → 16 → 16 → 10 channels; parameter names are those of its nested Sequential
/// (`0.0.weight` … `4.weight`). torchvision has no such network. Images must come down to one place in five halvings: 17 to
/// 32 pixels on a side.
enum StridedCNN {
    static func description(_ request: ModelRequest) -> ModelDescription {
        var model = ModelDescription(request)
        for (index, channels) in [4, 8, 16, 16].enumerated() {
            model.append("\(index).0", Conv2d(outChannels: channels, kernel: 3, stride: 2, padding: 1))
            model.append("\(index).1", ActivationLayer(.relu))
        }
        model.append("4", Conv2d(outChannels: request.classes, kernel: 3, stride: 2, padding: 1))
        model.append("5", Flatten())
        return model
    }
}
