import Foundation
import Testing

@testable import Interchange

@Suite("ONNX models")
struct ONNXModelTests {
    @Test("nodes, numbers and facts are in the file under names that occur once, and equal calls give equal bytes")
    func file() throws {
        func make() -> ONNXModel {
            var model = ONNXModel(name: "tiny", producer: "p", version: "1")
            let image = model.addInput("image", shape: [2, 4, 4], meaning: "pixels")
            let weight = model.add([1, 2], shape: [1, 2, 1, 1], named: "conv.weight")
            let pads = model.add([0, 1], named: "pads")
            let first = model.add(
                "Conv", [image, weight], named: "conv", [("group", .integer(1)), ("alpha", .number(0.5))])
            let second = model.add(
                "Conv", [first, pads], named: "conv", [("pads", .integers([1, 2])), ("mode", .text("edge"))])
            model.addOutput(second, as: "logits", shape: [3], meaning: "")
            model.add(metadata: [("classes", "[]")])
            return model
        }
        let bytes = try make().bytes()
        #expect(try make().bytes() == bytes)
        let file = try ONNXModelProto(serializedBytes: bytes)
        #expect(file.irVersion == 9 && file.opsetImport.map(\.version) == [20] && file.opsetImport[0].domain.isEmpty)
        #expect(file.metadataProps.map(\.key) == ["classes"] && file.producerName == "p" && file.graph.name == "tiny")
        let graph = file.graph
        #expect(graph.node.map(\.opType) == ["Conv", "Conv", "Identity"])
        #expect(graph.node.map(\.output) == [["conv"], ["conv_2"], ["logits"]])
        #expect(graph.node[1].input == ["conv", "pads"])
        #expect(graph.node[0].attribute.map(\.type) == [.int, .float] && graph.node[0].attribute[1].f == 0.5)
        #expect(graph.node[1].attribute[0].ints == [1, 2] && graph.node[1].attribute[1].s == Data("edge".utf8))
        #expect(graph.initializer.map(\.dims) == [[1, 2, 1, 1], [2]] && graph.initializer.map(\.dataType) == [1, 7])
        #expect(Array(graph.initializer[0].rawData) == [0, 0, 0x80, 0x3f, 0, 0, 0, 0x40])
        let extents = graph.input[0].type.tensorType.shape.dim
        #expect(extents[0].dimParam == "batch" && extents.dropFirst().map(\.dimValue) == [2, 4, 4])
    }
}
