internal import Files
internal import Foundation
internal import SwiftProtobuf

/// A network in ONNX's words, built node by node: the model file of onnx.ai, which most inference programs read.
///
/// Equal calls give equal bytes. Source: the ONNX specification, operator set 20 of the default domain.
package struct ONNXModel {
    package enum Attribute: Equatable, Sendable {
        case integer(Int)
        case integers([Int])
        case number(Float)
        case text(String)
    }

    /// What protobuf and with it ONNX holds in one file.
    package static let largestBytes = Int(Int32.max)
    package static let operatorSet = 20
    /// The version of the file format that came with this operator set.
    static let formatVersion = 9

    private var model = ONNXModelProto()
    private var names: Set<String> = []

    package init(name: String, producer: String, version: String) {
        model.irVersion = Int64(Self.formatVersion)
        model.producerName = producer
        model.producerVersion = version
        model.opsetImport = [.with { $0.version = Int64(Self.operatorSet) }]
        model.graph.name = name
    }

    /// Facts beside the graph.
    package mutating func add(metadata: [(key: String, value: String)]) {
        model.metadataProps += metadata.map { entry in
            .with { (entryProto: inout ONNXStringStringEntryProto) in
                entryProto.key = entry.key
                entryProto.value = entry.value
            }
        }
    }

    /// What the network takes: float32 [batch, shape…], with a batch of any size.
    package mutating func addInput(_ name: String, shape: [Int], meaning: String) -> String {
        model.graph.input.append(Self.value(unique(name), shape, meaning))
        return model.graph.input[model.graph.input.count - 1].name
    }

    /// Gives a value the name under which the network's users find it: float32 [batch, shape…].
    package mutating func addOutput(_ value: String, as name: String, shape: [Int], meaning: String) {
        let output = unique(name)
        addNode("Identity", [value], output: output)
        model.graph.output.append(Self.value(output, shape, meaning))
    }

    /// Adds an operation and returns the name of the value that it makes.
    package mutating func add(
        _ operation: String, _ inputs: [String], named name: String, _ attributes: [(String, Attribute)] = []
    ) -> String {
        let output = unique(name)
        addNode(operation, inputs, output: output, attributes)
        return output
    }

    /// Adds numbers that the graph holds and returns their name.
    package mutating func add(_ values: [Float], shape: [Int], named name: String) -> String {
        precondition(shape.reduce(1, *) == values.count, "\(values.count) values of the shape \(shape)")
        // The formats of the processors that this runs on are those of the file.
        return add(values.withUnsafeBytes { Data($0) }, type: Self.float, shape: shape, named: name)
    }

    package mutating func add(_ values: [Int], named name: String) -> String {
        add(values.map(Int64.init).withUnsafeBytes { Data($0) }, type: Self.int64, shape: [values.count], named: name)
    }

    /// The file's bytes. Throws: what protobuf throws where they are more than `largestBytes`.
    package func bytes() throws -> [UInt8] {
        var options = BinaryEncodingOptions()
        options.useDeterministicOrdering = true
        return [UInt8](try model.serializedData(partial: false, options: options))
    }

    // ---- Parts

    private static let float: Int32 = 1
    private static let int64: Int32 = 7

    private mutating func add(_ data: Data, type: Int32, shape: [Int], named name: String) -> String {
        let name = unique(name)
        model.graph.initializer.append(
            .with {
                $0.name = name
                $0.dims = shape.map(Int64.init)
                $0.dataType = type
                $0.rawData = data
            })
        return name
    }

    private mutating func addNode(
        _ operation: String, _ inputs: [String], output: String, _ attributes: [(String, Attribute)] = []
    ) {
        model.graph.node.append(
            .with {
                $0.opType = operation
                $0.name = output
                $0.input = inputs
                $0.output = [output]
                $0.attribute = attributes.map(Self.attribute)
            })
    }

    private static func attribute(_ name: String, _ value: Attribute) -> ONNXAttributeProto {
        .with {
            $0.name = name
            switch value {
            case .integer(let number): ($0.type, $0.i) = (.int, Int64(number))
            case .integers(let numbers): ($0.type, $0.ints) = (.ints, numbers.map(Int64.init))
            case .number(let number): ($0.type, $0.f) = (.float, number)
            case .text(let text): ($0.type, $0.s) = (.string, Data(text.utf8))
            }
        }
    }

    private static func value(_ name: String, _ shape: [Int], _ meaning: String) -> ONNXValueInfoProto {
        .with {
            $0.name = name
            $0.docString = meaning
            $0.type.tensorType.elemType = float
            $0.type.tensorType.shape.dim =
                [.with { $0.dimParam = "batch" }] + shape.map { extent in .with { $0.dimValue = Int64(extent) } }
        }
    }

    /// A graph names each value once.
    private mutating func unique(_ name: String) -> String {
        var (candidate, number) = (name, 2)
        while !names.insert(candidate).inserted {
            candidate = "\(name)_\(number)"
            number += 1
        }
        return candidate
    }
}
