package import Layers
package import Tensors

/// The Fashion-MNIST classifier of "Why convolutions are effective" (Internet article, January 2024), a LeNet-5 (LeCun,
/// Bottou, Bengio, Haffner 1998) with ReLU and max pooling; 44,426 parameters for 28 × 28 gray images and ten classes.
///
/// Exactly the article's `FashionClassifier`, with its parameter names; torchvision has no such network. Other image
/// sizes change the inputs of fc1.
package enum FashionClassifier {
    package static func description(input: Shape, classes: Int) -> ModelDescription {
        description(ModelRequest(name: "fashion-classifier", input: input, classes: classes))
    }

    static func description(_ request: ModelRequest) -> ModelDescription {
        var model = ModelDescription(request)
        model.append("conv1", Conv2d(outChannels: 6, kernel: 5))
        model.append("relu1", ActivationLayer(.relu))
        model.append("pool1", MaxPool2d(kernel: 2))
        model.append("conv2", Conv2d(outChannels: 16, kernel: 5))
        model.append("relu2", ActivationLayer(.relu))
        model.append("pool2", MaxPool2d(kernel: 2))
        model.append("flatten", Flatten())
        model.append("fc1", Linear(outputs: 120))
        model.append("relu3", ActivationLayer(.relu))
        model.append("fc2", Linear(outputs: 84))
        model.append("relu4", ActivationLayer(.relu))
        model.append("fc3", Linear(outputs: request.classes))
        return model
    }
}
