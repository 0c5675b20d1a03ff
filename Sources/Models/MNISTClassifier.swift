internal import Layers

/// The `ConvolutionalMNISTClassifier` of a tutorial on convolutional networks in PyTorch (Internet article): two pairs of
/// convolutions with pooling, two linear layers; 17,066 parameters for 28 × 28 gray images and ten classes.
///
/// Exactly the article's network, with its parameter names (`layers.0.weight`); torchvision has no such network. Other image
/// sizes change the inputs of layers.11.
enum MNISTClassifier {
    static func description(_ request: ModelRequest) -> ModelDescription {
        var model = ModelDescription(request)
        model.append("layers.0", Conv2d(outChannels: 4, kernel: 3, padding: 1))
        model.append("layers.1", ActivationLayer(.relu))
        model.append("layers.2", Conv2d(outChannels: 8, kernel: 3, padding: 1))
        model.append("layers.3", ActivationLayer(.relu))
        model.append("layers.4", MaxPool2d(kernel: 2))
        model.append("layers.5", Conv2d(outChannels: 8, kernel: 5, padding: 1))
        model.append("layers.6", ActivationLayer(.relu))
        model.append("layers.7", Conv2d(outChannels: 8, kernel: 5, padding: 1))
        model.append("layers.8", ActivationLayer(.relu))
        model.append("layers.9", MaxPool2d(kernel: 2))
        model.append("layers.10", Flatten())
        model.append("layers.11", Linear(outputs: 64))
        model.append("layers.12", ActivationLayer(.relu))
        model.append("layers.13", Linear(outputs: request.classes))
        return model
    }
}
