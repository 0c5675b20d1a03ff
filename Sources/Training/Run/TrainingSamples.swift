internal import Datasets
internal import Diagnostics
internal import Digests
internal import Report

/// Which samples of the training split a run trains on and in what order, and which it holds out.
struct TrainingSamples {
    let plan: EpochPlan
    /// Of the split that evaluations score, nil without a fold; ascending.
    let heldOut: [Int]?
    private let blocks: BlockCut?
    private let splitCount: Int
    private let data: Configuration.Data

    /// `classes` are the dataset's, `path` what it is called. Throws: `Failure(.configuration)` for what the labels do not allow.
    init(_ configuration: Configuration, of source: any SampleSource, classes: [String], path: String) throws {
        let data = configuration.data
        let labels = source.labels
        let (held, selection) = try Self.selection(data, labels: labels, path: path)
        let blocks = data.shuffle == .blocks ? BlockCut(of: source) : nil
        plan = EpochPlan(
            labels: labels, selection: selection, shuffle: blocks.map { .blocks($0) } ?? .full,
            sampling: try Self.sampling(
                data.sampling, labels: labels, selection: selection, classes: classes, path: path),
            seed: configuration.seed, batchSize: configuration.batchSize, shards: configuration.shards)
        heldOut = held
        self.blocks = blocks
        splitCount = source.count
        self.data = data
    }

    /// The samples that a fold holds out. Throws: `Failure(.configuration)` when there are fewer samples than folds.
    static func heldOut(_ fold: Configuration.Fold, labels: [Int32], path: String) throws -> [Int] {
        guard labels.count >= fold.count else {
            throw Failure(
                .configuration,
                "data.fold = \(fold), but \(path) has \(labels.count) training images, expected one a part")
        }
        return SampleSelection.fold(fold.number, of: fold.count, labels: labels).heldOut
    }

    private static func selection(
        _ data: Configuration.Data, labels: [Int32], path: String
    ) throws -> (heldOut: [Int]?, selection: [Int]?) {
        var (held, selection): ([Int]?, [Int]?)
        if let fold = data.fold {
            let out = try heldOut(fold, labels: labels, path: path)
            let outside = Set(out)
            (held, selection) = (out, labels.indices.filter { !outside.contains($0) })
        }
        if data.fraction < 1 {
            selection = SampleSelection.part(
                data.fraction, of: selection ?? Array(labels.indices), labels: labels)
        }
        return (held, selection)
    }

    private static func sampling(
        _ sampling: Configuration.Sampling, labels: [Int32], selection: [Int]?, classes: [String], path: String
    ) throws -> EpochPlan.Sampling {
        var counts = [Int](repeating: 0, count: classes.count)
        for sample in selection ?? Array(labels.indices) { counts[Int(labels[sample])] += 1 }
        switch sampling {
        case .once: return .once
        case .balanced: return .classes(shares: counts.map { $0 > 0 ? 1 : 0 })
        case .weights(let weights):
            guard weights.count == classes.count else {
                throw Failure(
                    .configuration,
                    "data.sampling.weights has \(weights.count) numbers, but \(path) has \(classes.count) classes")
            }
            let shares = zip(weights, counts).map { Double($0) * Double($1) }
            guard shares.contains(where: { $0 > 0 }) else {
                throw Failure(
                    .configuration,
                    "data.sampling.weights is 0 for all classes that have training images in \(path); expected one above 0"
                )
            }
            return .classes(shares: shares)
        }
    }

    /// What the data of the run is, given the digest of its dataset: the order by blocks depends on how storage cuts them.
    func digest(ofDataset digest: String) -> String {
        guard let blocks else { return digest }
        var hash = SHA256()
        hash.update("swift-train.blocks 1\n\(digest)\n\(blocks.window)\n")
        for start in blocks.starts { hash.update("\(start)\n") }
        return hash.hexadecimal()
    }

    /// "4800 of 60000 images: 10 % of each class, fold 2/5 held out"; nil when every image comes once in full order.
    var text: String? {
        var parts: [String] = []
        if let fold = data.fold { parts.append("fold \(fold) held out (\(heldOut?.count ?? 0))") }
        if data.fraction < 1 { parts.append("\(NumberText.percent(data.fraction, 3)) of each class") }
        switch data.sampling {
        case .once: break
        case .balanced: parts.append("every class equally often")
        case .weights: parts.append("classes by weight")
        }
        if let blocks { parts.append("\(blocks.starts.count) blocks, \(blocks.window) mixed at a time") }
        guard !parts.isEmpty else { return nil }
        return "\(plan.geometry.sampleCount) of \(splitCount) images an epoch: \(parts.joined(separator: ", "))"
    }
}
