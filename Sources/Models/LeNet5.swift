internal import Layers

/// LeNet-5 as a survey of convolutional networks builds it (Internet article), after LeCun, Bottou, Bengio, Haffner,
/// "Gradient-based learning applied to document recognition", 1998: tanh and maximum pooling, 32 × 32 gray images; 61,706
/// parameters for ten classes.
///
/// Exactly the article's network, with its parameter names (`conv.conv1.weight`, `fc.fc3.bias`). The paper averages with trained
/// scales, connects conv2 sparsely and ends in radial basis functions; torchvision has no LeNet. Images of 28 × 28 get two
/// pixels of zeros on every side; other sizes change the inputs of fc.fc1.
enum LeNet5 {
    static func description(_ request: ModelRequest) -> ModelDescription {
        let isDigit = request.input[1] == 28 && request.input[2] == 28
        var model = ModelDescription(request)
        model.append("conv.conv1", Conv2d(outChannels: 6, kernel: 5, padding: isDigit ? 2 : 0))
        model.append("conv.activate1", ActivationLayer(.tanh))
        model.append("conv.pool1", MaxPool2d(kernel: 2))
        model.append("conv.conv2", Conv2d(outChannels: 16, kernel: 5))
        model.append("conv.activate2", ActivationLayer(.tanh))
        model.append("conv.pool2", MaxPool2d(kernel: 2))
        model.append("flatten", Flatten())
        model.append("fc.fc1", Linear(outputs: 120))
        model.append("fc.activate1", ActivationLayer(.tanh))
        model.append("fc.fc2", Linear(outputs: 84))
        model.append("fc.activate2", ActivationLayer(.tanh))
        model.append("fc.fc3", Linear(outputs: request.classes))
        return model
    }
}
