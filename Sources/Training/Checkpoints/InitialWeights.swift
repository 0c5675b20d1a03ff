internal import Diagnostics
internal import Layers

/// A file of weights that a run starts from, instead of random ones.
///
/// What the network has and the file has not keeps its first values, exactly as from nothing with the same seed: the head, if
/// it is for other classes.
struct InitialWeights {
    let match: WeightsMatch
    private let file: WeightsFile
    private let path: String
    private let model: String

    /// Judges the file by what it says of itself. `classes` are the data's.
    ///
    /// Throws: `Failure(.inputMissing)` without such a file; `.badData` for one that is damaged, or that does not fit beside
    /// the head, with the whole table; `.configuration` for a head that is to be kept and is for other classes.
    init(_ path: String, head: WeightsMatch.Head, network: Network, classes: [String]) throws {
        self.path = path
        model = network.description.name
        file = try WeightsFile(path)
        // Names that differ say that the outputs mean something else, whatever their number.
        let isForOthers = head == .auto && file.classNames.map { $0 != classes } ?? false
        match = file.match(network.parameterList, head: isForOthers ? .new : head)
        do {
            try match.check(path: path, model: model)
        } catch let failure as Failure {
            let withoutHead = file.match(network.parameterList, head: .auto)
            if head == .keep, !withoutHead.new.isEmpty, (try? withoutHead.check(path: path, model: model)) != nil {
                throw Failure(
                    .configuration,
                    "head = keep, but the head in \(path) is not for the \(classes.count) classes of the data; expected head: "
                        + "auto or head: new, which begin another\n\(match.table)")
            }
            throw Failure(failure.code, "\(failure.message)\n\(match.table)")
        }
    }

    /// What is worth knowing about how a run normalises images that the weights were trained on otherwise, or on nobody knows which;
    /// nil where they agree.
    func note(_ normalization: Normalization) -> String? {
        let words =
            "this run normalises them by mean \(normalization.mean) and std \(normalization.std) (data.normalize)"
        guard let origin = file.origin else { return "\(path) says nothing of its images; \(words)" }
        guard origin.mean != normalization.mean || origin.std != normalization.std else { return nil }
        return "the images of \(path) were normalised by mean \(origin.mean) and std \(origin.std); \(words)"
    }

    /// Copies what the file has into a state that has its first values. Returns the digest of what was taken, which no
    /// format and no path changes.
    ///
    /// Throws: `Failure(.badData)`; the state is not whole then.
    func load(into state: ModelState) throws -> String {
        try file.load(match, into: state)
        var digest = WeightsDigest()
        for parameter in match.taken.map(\.parameter) {
            digest.add(
                key: parameter.key, shape: parameter.shape,
                values: UnsafeBufferPointer(rebasing: UnsafeBufferPointer(state.weights)[parameter.range]))
        }
        return digest.hexadecimal()
    }
}
