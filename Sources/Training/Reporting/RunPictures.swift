internal import Datasets
internal import Diagnostics
internal import Pictures

/// What there is to look at in a run: images of its data, what augmentation makes of them, and where the network is wrong.
struct RunPictures {
    let training: any SampleSource
    /// The training samples that are in use, ascending; nil: all.
    var selection: [Int]?
    let evaluation: any SampleSource
    let classes: [String]
    let augmentation: Augmentation?
    let seed: UInt64

    private static let samples = 10
    private static let augmentedSamples = 3
    private static let augmentedEpochs = 5
    static let worst = 24

    /// The first training image of each of the first classes that have one. Throws: `Failure`.
    func samples() throws -> [ContactSheet.Cell] {
        let pictures = SamplePictures(training)
        return try firstOfEachClass.map {
            ContactSheet.Cell(image: try pictures.picture(of: $0), caption: name(of: $0))
        }
    }

    /// Some of them, and behind each what the network gets of it in the first epochs; nothing where nothing is changed.
    func augmented() throws -> [[ContactSheet.Cell]] {
        guard let augmentation, training.pixelType == .uint8 else { return [] }
        let pictures = SamplePictures(training)
        return try firstOfEachClass.prefix(Self.augmentedSamples).map { sample in
            let changed = try pictures.augmented(sample, augmentation, seed: seed, epochs: Self.augmentedEpochs)
            return [ContactSheet.Cell(image: try pictures.picture(of: sample), captions: [name(of: sample), "stored"])]
                + changed.enumerated().map {
                    ContactSheet.Cell(image: $1, captions: [name(of: sample), "epoch \($0 + 1)"])
                }
        }
    }

    func worst(of outcomes: SampleOutcomes) throws -> [ContactSheet.Cell] {
        try SamplePictures(evaluation).worst(Self.worst, of: outcomes, classNames: classes)
    }

    private func name(of sample: Int) -> String { classes[Int(training.labels[sample])].printable }

    private var firstOfEachClass: [Int] {
        var first: [Int32: Int] = [:]
        let labels = training.labels
        func look(_ sample: Int) { if first[labels[sample]] == nil { first[labels[sample]] = sample } }
        for place in 0..<(selection?.count ?? labels.count) {
            look(selection?[place] ?? place)
            if first.count == classes.count { break }
        }
        return first.sorted { $0.key < $1.key }.prefix(Self.samples).map(\.value)
    }
}
