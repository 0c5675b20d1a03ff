internal import ArgumentParser
internal import Diagnostics
internal import Files
internal import Ingest
internal import Layers
internal import Pictures
internal import Report
internal import Tensors
internal import Training

/// `swift-train explain`: where in a photo a network finds a class (Grad-CAM).
struct ExplainCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "explain",
        abstract: "Show where in an image a network finds a class (Grad-CAM).",
        discussion: """
            Gradient-weighted class activation mapping (Selvaraju et al. 2017): the maps of the last convolution, weighted by how much \
            each of them raises the class's logit, laid over the image. Images are pictures, or DATASET:SPLIT:INDEX of a dataset file.

            Examples:
              swift-train explain RUN photo.jpg --output why.png
              swift-train explain RUN data.h5:test:3 --class Sneaker --output why.png
            """)

    @OptionGroup var subject: NetworkSubject

    @Option(
        name: .customLong("class"),
        help: ArgumentHelp(
            "The class to explain, by name or number; by default the most probable one.", valueName: "name"))
    var className: String?

    @Option(
        help: ArgumentHelp(
            "The layer whose maps are used; by default the last convolution with its activation.", valueName: "name"))
    var layer: String?

    @Option(
        name: .shortAndLong, help: ArgumentHelp("The picture to write.", valueName: "file"),
        completion: .file(extensions: ["png"]), transform: HomePath.expanded)
    var output: String

    @Option(
        help: ArgumentHelp(
            "Write the maps: of one image as .npy, which holds one array, of several as .h5.", valueName: "file"),
        completion: .file(extensions: ["npy", "h5"]), transform: HomePath.expanded)
    var values: String?

    private static let largestCount = 100

    func validate() throws {
        guard (1...Self.largestCount).contains(subject.images.count) else {
            throw ValidationError("\(subject.images.count) images, expected 1…\(Self.largestCount) behind the run")
        }
        guard output.lowercased().hasSuffix(".png") else {
            throw ValidationError("--output \(output): expected a name that ends in .png, which is what is written")
        }
    }

    func run() throws {
        if let values { try ValuesFile.requireName(values, option: "--values", count: subject.images.count) }
        let choice = try subject.choice()
        try subject.requireWritable([output, values].compactMap { $0 }, beside: choice)
        try BLAS.load()
        let trained = try subject.open(choice)
        choice.sayWhich(assuming: trained.assumption)
        let wanted = try className.map { try Self.classIndex($0, trained.classNames) }
        guard let value = try layer.map(trained.value(ofLayer:)) ?? trained.network.lastMaps else {
            throw Failure(.usage, "\(trained.modelName) has no convolution whose maps have more than one place")
        }
        let (shape, path) = (trained.network.shape(ofValue: value), trained.network.stages[value - 1].path)
        guard Network.isMaps(shape) else {
            throw Failure(.usage, "--layer \(path): gives \(shape), expected maps [C, H, W] of more than one place")
        }
        let explainer = Explainer(
            trained, value: value, pool: try ThreadPool(threads: Machine.defaultThreads(localRanks: 1)))
        var rows: [ContactSheet.Row] = []
        var maps: [ValuesFile.Named] = []
        for (index, text) in subject.images.enumerated() {
            let image = try trained.image(text)
            let result = try image.bytes.withUnsafeBytes {
                try explainer.explain($0, image.shape.type, class: wanted, name: text)
            }
            let probability = Double(result.probability)
            let score =
                trained.givesProbabilities ? NumberText.percent(probability, 1) : NumberText.significant(probability)
            let words = "\(trained.classNames[result.classIndex].printable) \(score)"
            try StandardOutput.line("\(image.name)  \(words)")
            rows.append(Self.row(image, result, words))
            maps.append(("\(index)", [result.height, result.width], result.map))
        }
        if let values { try ValuesFile.write(maps, to: values) }
        rows.append(
            .init(
                [nil, .init(image: ColourMap.bar, caption: "0 … the largest value of each map")],
                heading: "Grad-CAM of \(path), \(shape)"))
        let sheet = ContactSheet(rows: rows, smallestSide: 224, largestSide: 320)
        try DurableFile.write(sheet.canvas.png(), to: output)
        try StandardOutput.line("wrote \(([output] + [values].compactMap { $0 }).joined(separator: " and "))")
    }

    /// The image, its map, and the map over the image.
    private static func row(_ image: GivenImage, _ result: GradCAM, _ words: String) -> ContactSheet.Row {
        let (height, width) = (image.shape.height, image.shape.width)
        let picture = GrayLevels(low: 0, high: 1).image(
            planes: image.planes, channels: image.shape.channels, height: height, width: width)
        // Small images are enlarged before the map is laid over, so that it stays smooth.
        let factor = max(1, 224 / max(height, width))
        let (tall, wide) = (height * factor, width * factor)
        let heat = result.resized(height: tall, width: wide)
        return .init([
            .init(image: picture, caption: image.name),
            .init(
                image: ColourMap.picture(heat, width: wide, height: tall), caption: "\(result.height)×\(result.width)"),
            .init(
                image: ColourMap.blended(heat, over: picture.enlarged(factor)), caption: words),
        ])
    }

    private static func classIndex(_ text: String, _ names: [String]) throws -> Int {
        if let index = names.firstIndex(of: text) { return index }
        if let number = Int(text), names.indices.contains(number) { return number }
        let near = Suggestion.nearest(to: text, in: names).map { ", did you mean \($0.printable)?" }
        let shown = names.prefix(20).map(\.printable).joined(separator: ", ") + (names.count > 20 ? " …" : "")
        throw Failure(.usage, "--class \(text.printable): no such class\(near ?? "; expected one of \(shown)")")
    }
}
