package import Datasets
internal import Diagnostics

extension Configuration {
    package struct Data: Equatable, Sendable {
        /// Dataset files that count as one.
        package var files = ["data/fashion-mnist.h5"]
        /// What the files are called; a value set takes the place of all.
        package var file: String {
            get { Self.text(files: files) }
            set { files = [newValue] }
        }
        /// Where the parts lie in files that others wrote.
        package var roles = DatasetRoles()
        package var normalize = Normalize.none
        /// nil: training images as they are.
        package var augment: ConfiguredAugmentation?
        /// nil: images are not mixed.
        package var mix: ConfiguredMixing?
        /// Threads of a rank that gather the batches; nil: as many as it has cores.
        package var readers: Int?
        package var shuffle = Shuffle.full
        package var sampling = Sampling.once
        /// The part of each class's training images that is used.
        package var fraction = 1.0
        /// nil: nothing is held out.
        package var fold: Fold?
    }

    /// The order of an epoch.
    package enum Shuffle: String, CaseIterable, Equatable, Sendable {
        /// Any image may follow any other.
        case full
        /// Runs of neighbours, as storage has them, some of them mixed at a time.
        case blocks
    }

    /// How often an epoch takes each image.
    package enum Sampling: Equatable, Sendable {
        case once
        /// Every class equally often.
        case balanced
        /// Each image in proportion to the weight of its class.
        case weights([Float])
    }

    /// One of `count` equal parts of the training images, 1 … count, which is held out of training and scored in evaluations.
    package struct Fold: Equatable, Sendable, CustomStringConvertible {
        package let number: Int
        package let count: Int
        static let largestCount = 1000

        package init(number: Int, count: Int) {
            (self.number, self.count) = (number, count)
        }

        /// "2/5".
        init?(_ text: String) {
            let parts = text.split(separator: "/", omittingEmptySubsequences: false).map { Int($0) }
            guard parts.count == 2, let number = parts[0], let count = parts[1],
                (2...Self.largestCount).contains(count),
                (1...count).contains(number)
            else { return nil }
            (self.number, self.count) = (number, count)
        }

        package var description: String { "\(number)/\(count)" }
    }

    /// What the images are called that a fold holds out.
    package static let heldOutSplit = "held-out"
}

// How the keys of `data` that say what is read are written, and what is wrong with them.

extension Configuration.Data {
    static let filesExpectation = "a path, or a list of paths"

    /// A path, or a list of them; nil when the key is absent.
    static func files(_ section: ConfigurationSection, _ key: String) throws -> [String]? {
        guard let node = section.node(key) else { return nil }
        guard case .sequence = node.content else { return try section.path(key).map { [$0] } }
        let files = try section.list(key, expected: "paths of dataset files") {
            $0.isEmpty ? nil : HomePath.expanded($0)
        }
        guard let files, !files.isEmpty else { throw section.failure(key, "is empty, expected \(filesExpectation)") }
        if let twice = files.first(where: { file in files.count { $0 == file } > 1 }) {
            throw section.failure(key, "names \(twice) twice, expected each file once")
        }
        return files
    }

    /// A path as it is, several as a list of YAML.
    static func text(files: [String]) -> String {
        if files.count == 1, let file = files.first, !file.hasPrefix("[") { return file }
        return "[" + files.map(quoted).joined(separator: ", ") + "]"
    }

    /// In YAML's double quotes.
    private static func quoted(_ text: String) -> String {
        var result = "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\\", "\"": result += "\\" + String(scalar)
            case _ where scalar.value < 32 || scalar.value == 127:
                let digits = String(scalar.value, radix: 16)
                result += "\\x" + (digits.count == 1 ? "0" : "") + digits
            default: result.unicodeScalars.append(scalar)
            }
        }
        return result + "\""
    }

    static let placeExpectation = "FILE#/path, or /path in the first file"
    static let labelBases = Int(Int32.min)...Int(Int32.max)

    static let samplingExpectation = "once, balanced, or {weights: […]}"

    mutating func readSampling(_ section: ConfigurationSection) throws {
        guard let node = section.node("sampling") else { return }
        if case .scalar = node.content {
            let words: [String: Configuration.Sampling] = ["once": .once, "balanced": .balanced]
            sampling =
                try section.value("sampling", expected: Self.samplingExpectation, names: ["once", "balanced"]) {
                    words[$0]
                }
                ?? sampling
        } else if let values = try section.section("sampling") {
            guard let weights = try values.numbers("weights") else {
                throw section.failure("sampling", "has no weights")
            }
            guard weights.allSatisfy({ $0 >= 0 }), weights.contains(where: { $0 > 0 }) else {
                throw section.failure(
                    "sampling", "has the weights \(weights), expected numbers from 0, one of them above 0")
            }
            sampling = .weights(weights)
        }
        guard sampling == .once || shuffle == .full else {
            throw section.failure(
                "sampling",
                "and data.shuffle = blocks: draws from the classes take images from everywhere; set data.shuffle=full, or "
                    + "data.sampling=once")
        }
    }

    static let foldExpectation =
        "none, or a part to hold out such as 2/5, of 2…\(Configuration.Fold.largestCount) parts"

    static let readersExpectation = "auto, or a whole number 1…256"

    mutating func readReaders(_ section: ConfigurationSection) throws {
        let found = try section.value("readers", expected: Self.readersExpectation, names: ["auto"]) { text in
            text == "auto" || Int(text).map { (1...256).contains($0) } == true ? text : nil
        }
        if let found { readers = Int(found) }
    }
}

extension Configuration {
    /// A fold is scored unless the configuration names another split.
    mutating func readFold(_ section: ConfigurationSection) throws {
        let fold =
            try section.isNone("fold")
            ? nil : section.value("fold", expected: Data.foldExpectation, Fold.init) ?? data.fold
        data.fold = fold
        if fold != nil, evaluate.split == Evaluate().split { evaluate.split = Self.heldOutSplit }
        if fold == nil, evaluate.split == Self.heldOutSplit { evaluate.split = Evaluate().split }
    }

    func checkEvaluatedSplit(_ section: ConfigurationSection) throws {
        guard evaluate.split == Self.heldOutSplit, data.fold == nil else { return }
        throw section.failure(
            "split", "= \(Self.heldOutSplit), but data.fold holds nothing out; set data.fold=1/5, for example")
    }
}
