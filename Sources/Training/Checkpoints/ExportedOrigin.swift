internal import Diagnostics
internal import Foundation
internal import Report
internal import Tensors

/// What a file of weights says of what they were trained as: the texts beside the tensors that `export` writes, or a
/// checkpoint's header.
struct ExportedOrigin: Equatable {
    var model: String
    /// In the order of the outputs.
    var classes: [String]
    /// [C, H, W]
    var input: [Int]
    /// One a channel, in units of 0…1.
    var mean, std: [Float]
    /// How pictures came to that size, as a dataset file says it; empty where nothing says it.
    var preprocessing: String
    /// YAML with what of the run's configuration decides outputs: model, loss, engine, convolution and the batch of evaluations; empty in
    /// exports of versions that did not write it.
    var configuration: String

    /// Of a checkpoint. `yaml` is its configuration, or a part of it.
    init(_ header: Checkpoint.Header, configuration yaml: String) {
        (model, classes, input) = (header.model, header.classes, header.input)
        (mean, std, preprocessing) = (header.inputMean, header.inputStd, header.preprocessing)
        configuration = yaml
    }

    // ---- Texts

    private enum Key {
        static let model = "model"
        static let classes = "classes"
        static let input = "input"
        static let mean = "input_mean"
        static let std = "input_std"
        static let preprocessing = "preprocessing"
        static let configuration = "configuration"
        /// Those that a file must have to be an export.
        static let needed = [model, classes, input, mean, std]
    }

    var texts: [String: String] {
        [
            Key.model: model, Key.classes: JSON.strings(classes).text(), Key.input: JSON.integers(input).text(),
            Key.mean: "\(mean)", Key.std: "\(std)", Key.preprocessing: preprocessing, Key.configuration: configuration,
        ]
    }

    /// nil for a file that is no export of this program. Throws: `Failure(.badData)` naming a text that is not what `export`
    /// writes.
    init?(texts: [String: String], path: String) throws {
        guard Key.needed.allSatisfy({ texts[$0] != nil }) else { return nil }
        func text(_ key: String) -> String { texts[key] ?? "" }
        func value<Value>(_ key: String, _ expected: String, _ read: (String) -> Value?) throws -> Value {
            if let value = read(text(key)) { return value }
            throw Failure(
                .badData,
                "\(path): \(key) of its metadata is \(text(key).shortened(to: 80).printable), expected \(expected)")
        }
        model = text(Key.model)
        preprocessing = text(Key.preprocessing)
        configuration = text(Key.configuration)
        classes = try value(Key.classes, "the names of the classes") { text in
            Self.decoded([String].self, text).flatMap { $0.isEmpty ? nil : $0 }
        }
        input = try value(Key.input, "[channels, height, width] or [channels, depth, height, width]") { text in
            Self.decoded([Int].self, text).flatMap { extents in
                let fits =
                    (3...4).contains(extents.count)
                    && extents.allSatisfy { (1...WindowArithmetic.largestExtent).contains($0) }
                return fits ? extents : nil
            }
        }
        let channels = input[0]
        mean = try value(Key.mean, "\(channels) numbers, one a channel") { Self.numbers($0, count: channels) }
        std = try value(Key.std, "\(channels) numbers above 0, one a channel") { text in
            Self.numbers(text, count: channels).flatMap { $0.allSatisfy { $0 > 0 } ? $0 : nil }
        }
    }

    private static func decoded<Value: Decodable>(_: Value.Type, _ text: String) -> Value? {
        try? JSONDecoder().decode(Value.self, from: Data(text.utf8))
    }

    /// Each from its own digits, which bring back its bits.
    private static func numbers(_ text: String, count: Int) -> [Float]? {
        guard text.first == "[", text.last == "]" else { return nil }
        let words = text.dropFirst().dropLast().split(separator: ",", omittingEmptySubsequences: false)
        let numbers = words.compactMap { Float($0.trimmingCharacters(in: .whitespaces)) }.filter(\.isFinite)
        return numbers.count == count && words.count == count ? numbers : nil
    }
}

extension Configuration {
    /// What of it decides the outputs of a network with given weights, as YAML.
    func outputYAML() throws -> String {
        try yaml { key in
            ["model", "loss", "engine", "convolution"].contains { key == $0 || key.hasPrefix($0 + ".") }
                || key == "evaluate.batch_size"
        }
    }
}
