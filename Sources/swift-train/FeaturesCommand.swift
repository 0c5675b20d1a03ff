internal import ArgumentParser
internal import Diagnostics
internal import Files
internal import Ingest
internal import Layers
internal import Pictures
internal import Report
internal import Tensors
internal import Training

/// `swift-train features`: the filters of a network's first layer, and what its layers make of an image.
struct FeaturesCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "features",
        abstract: "Draw a network's first filters and what its layers make of an image.",
        discussion: """
            Examples:
              swift-train features RUN --list
              swift-train features RUN --output filters.png
              swift-train features RUN data.h5:test:0 --output maps.png
              swift-train features --weights w.pth photo.jpg --layer layer1.0.relu --output maps.png --values maps.npy

            All filters, and all maps of a layer, share one scale: the smallest value is black and the largest white; where there are \
            negative values, zero is the gray in the middle. The image is a picture, or DATASET:SPLIT:INDEX of a dataset file.
            """)

    @OptionGroup var subject: NetworkSubject

    @Option(
        help: ArgumentHelp(
            "A layer whose maps are drawn; may be given several times. By default the first convolution with its activation.",
            valueName: "name"))
    var layer: [String] = []

    @Option(
        name: .shortAndLong, help: ArgumentHelp("The picture to write.", valueName: "file"),
        completion: .file(extensions: ["png"]), transform: HomePath.expanded)
    var output: String?

    @Option(
        help: ArgumentHelp(
            "Write the values: of one layer as .npy, which holds one array, of several as .h5.", valueName: "file"),
        completion: .file(extensions: ["npy", "h5"]), transform: HomePath.expanded)
    var values: String?

    @Option(parsing: .unconditional, help: ArgumentHelp("Filters and maps of a layer that are drawn.", valueName: "n"))
    var channels = 64

    @Flag(help: "List the layers.")
    var list = false

    func validate() throws {
        guard list || output != nil || values != nil else {
            throw ValidationError("expected --output FILE.png, --values FILE or --list")
        }
        guard subject.images.count <= 1 else {
            throw ValidationError("\(subject.images.count) images, expected one")
        }
        if let twice = layer.first(where: { name in layer.count { $0 == name } > 1 }) {
            throw ValidationError("--layer \(twice) stands twice")
        }
        guard values == nil || !subject.images.isEmpty else { throw ValidationError("--values needs an image") }
        if let output, !output.lowercased().hasSuffix(".png") {
            throw ValidationError("--output \(output): expected a name that ends in .png, which is what is written")
        }
        guard (1...4096).contains(channels) else { throw ValidationError("--channels \(channels): expected 1…4096") }
    }

    func run() throws {
        if let values { try ValuesFile.requireName(values, option: "--values", count: max(1, layer.count)) }
        let choice = try subject.choice()
        try subject.requireWritable([output, values].compactMap { $0 }, beside: choice)
        try BLAS.load()
        let trained = try subject.open(choice)
        choice.sayWhich(assuming: trained.assumption)
        if list { try StandardOutput.line(Self.table(trained)) }
        guard output != nil || values != nil else { return }
        let wanted =
            try layer.isEmpty
            ? [trained.network.firstMaps ?? trained.network.stages.count] : layer.map(trained.value(ofLayer:))
        let pool = try ThreadPool(threads: Machine.defaultThreads(localRanks: 1))
        let image = try subject.images.first.map(trained.image)
        let maps: [ValuesFile.Named] =
            try image.map { image in
                try wanted.map { value in
                    let numbers = try image.bytes.withUnsafeBytes {
                        try trained.value(value, of: $0, image.shape.type, pool: pool)
                    }
                    return (trained.network.stages[value - 1].path, trained.network.shape(ofValue: value), numbers)
                }
            } ?? []
        for map in maps {
            try StandardOutput.line(
                "\(map.name)  \(map.shape)  values \(NumberText.extremes(map.values))")
        }
        if let values {
            try ValuesFile.write(maps, to: values)
            try StandardOutput.line("wrote \(values)")
        }
        if let output {
            let sheet = FeatureSheet(trained: trained, image: image, maps: maps, largestCount: channels)
            try DurableFile.write(sheet.canvas.png(), to: output)
            try StandardOutput.line("wrote \(output)")
        }
    }

    private static func table(_ trained: TrainedNetwork) -> String {
        TextTable(
            [["layer", "type", "values of an image"]]
                + trained.network.stages.map { [$0.path, $0.layer.typeName, "\($0.output)"] }, [.left]
        ).text
    }
}

/// Filters and maps as a picture.
private struct FeatureSheet {
    let trained: TrainedNetwork
    let image: GivenImage?
    let maps: [ValuesFile.Named]
    let largestCount: Int

    private static let across = 8
    private static let side = 88

    var canvas: Canvas {
        var rows: [ContactSheet.Row] = []
        if let image {
            let picture = GrayLevels(low: 0, high: 1).image(
                planes: image.planes, channels: image.shape.channels, height: image.shape.height,
                width: image.shape.width)
            rows.append(
                .init([.init(image: picture, captions: [])], heading: "\(image.name), as the network takes it"))
        }
        if let filters { rows += filters }
        for map in maps { rows += self.rows(of: map) }
        return ContactSheet(rows: rows, captionCharacters: 12, smallestSide: Self.side, largestSide: 2 * Self.side)
            .canvas
    }

    /// Of the first layer with weights, where it is a convolution of pictures: in colours where it takes colours.
    private var filters: [ContactSheet.Row]? {
        guard let stage = trained.network.stages.first(where: { !$0.parameters.isEmpty }),
            case .convolution = stage.operation, let (shape, values) = trained.values(of: stage.path + ".weight"),
            shape.rank == 4
        else { return nil }
        let levels = GrayLevels(of: values)
        let count = shape[1] * shape[2] * shape[3]
        let cells = (0..<min(shape[0], largestCount)).map { filter in
            ContactSheet.Cell(
                image: levels.image(
                    planes: Array(values[filter * count..<(filter + 1) * count]), channels: shape[1], height: shape[2],
                    width: shape[3]), caption: "\(filter)")
        }
        let kind = shape[1] == 3 ? ", in its colours" : shape[1] == 1 ? "" : ", its first of \(shape[1]) channels"
        return rows(
            cells, heading: "filters of \(stage.path): \(shape[0]) of \(shape[2])×\(shape[3])\(kind); \(words(levels))",
            of: shape[0])
    }

    private func rows(of map: ValuesFile.Named) -> [ContactSheet.Row] {
        let (channels, height, width) =
            map.shape.rank == 3 ? (map.shape[0], map.shape[1], map.shape[2]) : (1, 1, map.shape.count)
        let levels = GrayLevels(of: map.values)
        let area = height * width
        let cells = (0..<min(channels, largestCount)).map { channel in
            ContactSheet.Cell(
                image: levels.image(
                    planes: Array(map.values[channel * area..<(channel + 1) * area]), channels: 1, height: height,
                    width: width),
                caption: channels > 1 ? "\(channel)" : "")
        }
        return rows(cells, heading: "after \(map.name): \(map.shape); \(words(levels))", of: channels)
    }

    private func rows(_ cells: [ContactSheet.Cell], heading: String, of count: Int) -> [ContactSheet.Row] {
        let missing = count > cells.count ? "; the first \(cells.count)" : ""
        return stride(from: 0, to: cells.count, by: Self.across).map { start in
            .init(
                Array(cells[start..<min(start + Self.across, cells.count)]),
                heading: start == 0 ? heading + missing : nil)
        }
    }

    private func words(_ levels: GrayLevels) -> String {
        "black \(NumberText.significant(Double(levels.low), 3)), white \(NumberText.significant(Double(levels.high), 3))"
    }
}
