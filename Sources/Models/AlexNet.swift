internal import Layers

/// AlexNet in its one-tower form: Krizhevsky, "One weird trick for parallelizing convolutional neural networks", 2014
/// (arXiv:1404.5997), after Krizhevsky, Sutskever, Hinton 2012; 61,100,840 parameters for 1,000 classes.
///
/// torchvision's `alexnet`, with its parameter names and its adaptive pooling to 6 × 6, so that images of 63 pixels and more
/// work. The survey that the tutorials take it from builds the same network under other names and with the paper's learning
/// setup left out; the paper's own has two towers and local response normalisation.
enum AlexNet {
    static func description(_ request: ModelRequest) -> ModelDescription {
        let dropout = request.dropout ?? 0.5
        var model = ModelDescription(request)
        model.append("features.0", Conv2d(outChannels: 64, kernel: 11, stride: 4, padding: 2))
        model.append("features.1", ActivationLayer(.relu))
        model.append("features.2", MaxPool2d(kernel: 3, stride: 2))
        model.append("features.3", Conv2d(outChannels: 192, kernel: 5, padding: 2))
        model.append("features.4", ActivationLayer(.relu))
        model.append("features.5", MaxPool2d(kernel: 3, stride: 2))
        model.append("features.6", Conv2d(outChannels: 384, kernel: 3, padding: 1))
        model.append("features.7", ActivationLayer(.relu))
        model.append("features.8", Conv2d(outChannels: 256, kernel: 3, padding: 1))
        model.append("features.9", ActivationLayer(.relu))
        model.append("features.10", Conv2d(outChannels: 256, kernel: 3, padding: 1))
        model.append("features.11", ActivationLayer(.relu))
        model.append("features.12", MaxPool2d(kernel: 3, stride: 2))
        model.append("avgpool", AdaptiveAvgPool2d(output: 6))
        model.append("flatten", Flatten())
        model.append("classifier.0", Dropout(probability: dropout))
        model.append("classifier.1", Linear(outputs: 4096))
        model.append("classifier.2", ActivationLayer(.relu))
        model.append("classifier.3", Dropout(probability: dropout))
        model.append("classifier.4", Linear(outputs: 4096))
        model.append("classifier.5", ActivationLayer(.relu))
        model.append("classifier.6", Linear(outputs: request.classes))
        return model
    }
}
