import Testing

@testable import Layers
@testable import Models
@testable import Tensors

@Suite("Networks")
struct NetworkTests {
    /// The message of the mismatch that this network is refused with.
    private func mismatch(input: Shape, classes: Int = 2, _ layers: [(String, any Layer)]) -> String {
        var model = ModelDescription(name: "small", input: input, classes: classes)
        for (path, layer) in layers { model.append(path, layer) }
        do {
            _ = try Network(model)
            return "accepted"
        } catch let error as ShapeMismatch {
            return error.description
        } catch {
            return "\(type(of: error))"
        }
    }

    @Test("a kernel larger than the padded image is refused with the layer's name and the image's shape")
    func kernelTooLarge() {
        let conv = mismatch(input: [1, 4, 9], [("conv7", Conv2d(outChannels: 2, kernel: 5))])
        #expect(conv.contains("small") && conv.contains("layer conv7") && conv.contains("[1, 4, 9]"))
        #expect(conv.contains("5 places") && conv.contains("has 4"))
        let pool = mismatch(
            input: [1, 4, 9], [("conv1", Conv2d(outChannels: 2, kernel: 3)), ("pool1", MaxPool2d(kernel: 3))])
        #expect(pool.contains("layer pool1") && pool.contains("[2, 2, 7]"))
    }

    @Test("padding over half a pooling window is refused")
    func poolingPadding() {
        let text = mismatch(input: [1, 8, 8], [("pool1", MaxPool2d(kernel: 3, stride: 1, padding: 2))])
        #expect(text.contains("layer pool1") && text.contains("padding 2") && text.contains("kernel 3"))
    }

    @Test("Linear on an image and Conv2d or MaxPool2d on a vector are refused with the shape they found")
    func ranks() {
        let linear = mismatch(input: [1, 4, 4], [("fc1", Linear(outputs: 2))])
        #expect(linear.contains("layer fc1") && linear.contains("[1, 4, 4]"))
        let conv = mismatch(input: [1, 4, 4], [("flatten", Flatten()), ("conv2", Conv2d(outChannels: 1, kernel: 1))])
        #expect(conv.contains("layer conv2") && conv.contains("[16]"))
        let pool = mismatch(input: [1, 4, 4], [("flatten", Flatten()), ("pool2", MaxPool2d(kernel: 1))])
        #expect(pool.contains("layer pool2") && pool.contains("[16]"))
    }

    @Test("a network whose last layer does not give one logit a class is refused")
    func wrongLogits() {
        let few = mismatch(input: [1, 2, 2], classes: 3, [("flatten", Flatten()), ("fc1", Linear(outputs: 2))])
        #expect(few.contains("[2]") && few.contains("3 classes"))
        let image = mismatch(input: [3, 1, 1], classes: 3, [("conv1", Conv2d(outChannels: 3, kernel: 1))])
        #expect(image.contains("[3, 1, 1]"))
    }

    @Test("two layers with parameters may not share a path")
    func sharedPath() {
        let text = mismatch(
            input: [1, 2, 2], [("flatten", Flatten()), ("fc", Linear(outputs: 3)), ("fc", Linear(outputs: 2))])
        #expect(text.contains("share a path"))
    }

    @Test("an image too small for the Fashion classifier is refused, and other sizes change fc1")
    func fashionSizes() throws {
        #expect(throws: ShapeMismatch.self) {
            try Network(FashionClassifier.description(input: [1, 12, 12], classes: 10))
        }
        let wide = try Network(FashionClassifier.description(input: [3, 32, 32], classes: 100))
        #expect(wide.parameterList.parameters.first { $0.key == "fc1.weight" }?.shape == [120, 400])
        #expect(wide.parameterList.parameters.first { $0.key == "conv1.weight" }?.shape == [6, 3, 5, 5])
    }

    @Test("the operations of the Fashion classifier are those of its layers")
    func operations() throws {
        let network = try Network(FashionClassifier.description(input: [1, 28, 28], classes: 10))
        let conv1 = 6 * 25 * 24 * 24
        let conv2 = 16 * 150 * 8 * 8
        let linear = 256 * 120 + 120 * 84 + 84 * 10
        #expect(try network.multiplyAdds() == conv1 + conv2 + linear)
        #expect(try network.trainingOperations() == 2 * (2 * conv1 + 3 * conv2 + 3 * linear))
    }
}
