internal import ArgumentParser
internal import Datasets
internal import Diagnostics
internal import Files
internal import Models
internal import Pictures
internal import Training

extension InspectCommand {
    /// Contact sheets of a dataset's images.
    struct Pictures: ParsableArguments {
        @Option(
            help: ArgumentHelp("Draw images with the names of their classes into this PNG file.", valueName: "file"),
            completion: .file(extensions: ["png"]), transform: HomePath.expanded)
        var grid: String?

        @Option(help: ArgumentHelp("Rows and columns of --grid.", valueName: "ROWSxCOLUMNS"))
        var gridSize = "3x3"

        @Option(help: ArgumentHelp("Where the images of --grid come from; by default train.", valueName: "name"))
        var split: String?

        @Option(parsing: .unconditional, help: ArgumentHelp("Equal seeds draw the same images.", valueName: "n"))
        var seed: UInt64 = 1

        @Option(
            help: ArgumentHelp(
                "With --grid: beside each image what the network gets in this many epochs, by data.augment of --config.",
                valueName: "epochs"))
        var augmented: Int?

        @Option(
            help: ArgumentHelp("The configuration for --augmented.", valueName: "file"),
            completion: .file(extensions: ["yaml", "yml"]), transform: HomePath.expanded)
        var config: String?

        private static let largestCount = 100

        /// Draws what was asked for. Throws: `Failure`: 64 for options that do not fit together, 73 and 74 for the picture.
        func draw(_ path: String) throws {
            guard let grid else {
                guard augmented == nil, config == nil else {
                    throw Failure(.usage, "--augmented needs --grid FILE.png")
                }
                return
            }
            let (rows, columns) = try size()
            let configuration = try augmentedConfiguration(data: path)
            try DurableFile.requireWritable(grid, unlike: [path] + [config].compactMap { $0 })
            let file = try DatasetFile(path: path)
            let name = split ?? (file.splitNames.contains("train") ? "train" : file.splitNames[0])
            guard file.splitNames.contains(name) else {
                throw Failure(
                    .usage, "--split \(name), expected one of \(file.splitNames.joined(separator: ", "))")
            }
            let cells = try ImageCells(source: file.split(name), classes: file.classes)
            let order = SampleOrder(count: cells.source.count, seed: seed, epoch: 0)
            let sheet: [[ContactSheet.Cell]]
            if let configuration, let augmented {
                sheet = try (0..<min(rows, cells.source.count)).map { row in
                    try cells.cells(ofSample: order[row], epochs: augmented, configuration)
                }
            } else {
                let count = min(rows * columns, cells.source.count)
                sheet = try stride(from: 0, to: count, by: columns).map { start in
                    try (start..<min(start + columns, count)).map { try cells.cell(ofSample: order[$0]) }
                }
            }
            try DurableFile.write(ContactSheet(rows: sheet).canvas.png(), to: grid)
        }

        private func size() throws -> (rows: Int, columns: Int) {
            let numbers = gridSize.split(separator: "x", omittingEmptySubsequences: false).map { Int($0) ?? 0 }
            guard numbers.count == 2, numbers.allSatisfy({ (1...Self.largestCount).contains($0) }) else {
                throw Failure(
                    .usage, "--grid-size \(gridSize), expected ROWSxCOLUMNS, each 1…\(Self.largestCount), as in 3x3")
            }
            return (numbers[0], numbers[1])
        }

        private func augmentedConfiguration(data: String) throws -> Configuration? {
            guard let augmented else {
                guard config == nil else { throw Failure(.usage, "--config: is read for --augmented alone") }
                return nil
            }
            guard (1...Self.largestCount).contains(augmented) else {
                throw Failure(.usage, "--augmented \(augmented), expected 1…\(Self.largestCount) epochs")
            }
            guard let config else {
                throw Failure(.usage, "--augmented needs --config FILE, whose data.augment says what is done to images")
            }
            let configuration = try Configuration(
                yaml: ConfigurationFile.read(config), file: config, assignments: [], models: ModelRegistry.names,
                defaults: Configuration(), needsData: false)
            guard configuration.data.augment != nil else {
                throw Failure(
                    .configuration,
                    "\(config): has no data.augment, so the network gets the images as they are; add one, or leave "
                        + "--augmented out")
            }
            return configuration
        }
    }
}

/// Samples as captioned pictures.
private struct ImageCells {
    let source: any SampleSource
    let classes: [String]
    private var pictures: SamplePictures { SamplePictures(source) }

    func cell(ofSample sample: Int) throws -> ContactSheet.Cell {
        ContactSheet.Cell(
            image: try pictures.picture(of: sample), caption: classes[Int(source.labels[sample])].printable)
    }

    /// The image as it is stored, then as the training gets it, epoch by epoch.
    func cells(
        ofSample sample: Int, epochs: Int, _ configuration: Configuration
    ) throws -> [ContactSheet.Cell] {
        guard source.pixelType == .uint8 else {
            throw Failure(
                .configuration, "data.augment: the images are float32, expected uint8, which transforms work on")
        }
        let augmentation: Augmentation
        do throws(TransformError) {
            augmentation = try Augmentation(configuration.data.augment?.transforms ?? [], input: pictures.shape)
        } catch {
            throw Failure(.configuration, "data.augment: \(error)")
        }
        let changed = try pictures.augmented(sample, augmentation, seed: configuration.seed, epochs: epochs)
        return [try cell(ofSample: sample)]
            + changed.enumerated().map { ContactSheet.Cell(image: $1, caption: "epoch \($0 + 1)") }
    }
}
