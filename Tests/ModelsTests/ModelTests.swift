import Tensors
import Testing

@testable import Layers
@testable import Models

@Suite("Networks by name")
struct ModelTests {
    private func network(_ name: String, classes: Int? = nil, input: Shape? = nil) throws -> Network {
        let usual = try #require(ModelRegistry.usual(name))
        let request = ModelRequest(name: name, input: input ?? usual.input, classes: classes ?? usual.classes)
        return try Network(try #require(ModelRegistry.description(request)))
    }

    private static let counts: [(name: String, parameters: Int)] = [
        ("fashion-classifier", 44_426), ("mnist-classifier", 17_066), ("strided-cnn", 5_274), ("lenet5", 61_706),
        ("alexnet", 61_100_840), ("vgg11", 132_863_336), ("vgg13", 133_047_848), ("vgg16", 138_357_544),
        ("vgg19", 143_667_240), ("vgg11-bn", 132_868_840), ("vgg13-bn", 133_053_736), ("vgg16-bn", 138_365_992),
        ("vgg19-bn", 143_678_248), ("resnet18", 11_689_512), ("resnet34", 21_797_672), ("resnet50", 25_557_032),
        ("resnet101", 44_549_160), ("resnet152", 60_192_808), ("cifar-resnet20", 269_722),
    ]

    @Test("parameters are as many as PyTorch counts", arguments: counts.map(\.name))
    func parameterCounts(_ name: String) throws {
        let expected = Self.counts.first { $0.name == name }?.parameters
        #expect(try network(name).parameterList.trainedCount == expected)
    }

    @Test("every name of the registry describes a network that fits its own image")
    func registry() throws {
        #expect(Set(ModelRegistry.names).count == ModelRegistry.names.count && ModelRegistry.names.count == 22)
        for name in ModelRegistry.names { #expect(try network(name).description.name == name) }
        #expect(ModelRegistry.description(ModelRequest(name: "resnet", input: [1, 1, 1], classes: 2)) == nil)
    }

    @Test("keys are torchvision's or the tutorial's")
    func keys() throws {
        func keys(_ name: String) throws -> [String] { try network(name).parameterList.parameters.map(\.key) }
        #expect(
            try keys("strided-cnn").prefix(2) == ["0.0.weight", "0.0.bias"] && keys("strided-cnn").last == "4.bias")
        #expect(try keys("mnist-classifier").suffix(2) == ["layers.13.weight", "layers.13.bias"])
        #expect(try keys("lenet5").first == "conv.conv1.weight")
        #expect(try keys("alexnet").contains("classifier.6.bias") && keys("alexnet").contains("features.10.weight"))
        #expect(try keys("vgg11-bn").prefix(6).last == "features.1.running_var")
        let resnet = try keys("resnet50")
        #expect(resnet.contains("layer4.2.bn3.running_mean") && resnet.contains("layer1.0.downsample.1.weight"))
        #expect(!resnet.contains("layer1.1.downsample.0.weight") && resnet.suffix(2) == ["fc.weight", "fc.bias"])
    }

    @Test("networks that pool adaptively take images of other sizes, with the same parameters")
    func otherSizes() throws {
        for name in ["alexnet", "vgg16", "resnet18", "resnet50", "cifar-resnet20"] {
            let small = try network(name, input: [3, 64, 64]).parameterList.parameters
            let usual = try network(name).parameterList.parameters
            #expect(small.map(\.key) == usual.map(\.key) && small.map(\.shape) == usual.map(\.shape), "\(name)")
        }
    }

    @Test("a dropout of 0 leaves no random layer")
    func dropout() throws {
        let request = ModelRequest(name: "vgg11", input: [3, 64, 64], classes: 10, dropout: 0)
        let description = try #require(ModelRegistry.description(request))
        #expect(description.nodes.compactMap { $0.layer as? Dropout }.allSatisfy { $0.mask.probability == 0 })
    }
}

/// Araujo, Norris, Sim, "Computing receptive fields of convolutional neural networks", Distill 2019, lists 212 for VGG-16's last
/// pooling and 483 for ResNet-50 with the stride in the first convolution of a bottleneck, as the paper had it.
@Suite("Receptive fields")
struct ReceptiveFieldTests {
    private func field(_ description: ModelDescription, _ path: String) throws -> NetworkSummary.ReceptiveField? {
        try NetworkSummary(Network(description)).rows.first { $0.path == path }?.receptiveField
    }

    @Test("VGG-16: 196 pixels at its last convolution, 212 at its last pooling, stride 32")
    func vgg16() throws {
        let request = ModelRequest(name: "vgg16", input: [3, 224, 224], classes: 1000)
        let description = VGG.description(request, .vgg16, batchNorm: false)
        #expect(try field(description, "features.28")?.reach == [196, 196])
        #expect(try field(description, "features.30")?.reach == [212, 212])
        #expect(try field(description, "features.30")?.stride == [32, 32])
        #expect(try field(description, "classifier.0")?.isWhole == true)
    }

    @Test("ResNet-50: 483 pixels as published, 427 with the stride in the 3 × 3 convolutions, stride 32")
    func resnet50() throws {
        let request = ModelRequest(name: "resnet50", input: [3, 224, 224], classes: 1000)
        let published = ResNet.description(request, .resnet50, stride: .inFirstConvolution)
        #expect(try field(published, "layer4.2.relu")?.reach == [483, 483])
        let ours = ResNet.description(request, .resnet50)
        #expect(try field(ours, "layer4.2.relu")?.reach == [427, 427])
        #expect(try field(ours, "layer4.2.relu")?.stride == [32, 32])
        #expect(try field(ours, "avgpool")?.isWhole == true)
    }

    @Test("multiply-adds of ResNet-50 and VGG-16 for one image of 224 × 224 are those that torchinfo and papers give")
    func multiplyAdds() throws {
        func multiplyAdds(_ name: String) throws -> Int {
            let request = ModelRequest(name: name, input: [3, 224, 224], classes: 1000)
            return try NetworkSummary(Network(try #require(ModelRegistry.description(request)))).multiplyAdds
        }
        #expect(try multiplyAdds("resnet50") == 4_089_184_256)
        #expect(try multiplyAdds("vgg16") == 15_470_264_320)
    }
}
