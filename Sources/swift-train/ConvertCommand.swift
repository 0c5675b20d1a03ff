internal import ArgumentParser
internal import Diagnostics
internal import Ingest
internal import Training

/// `swift-train convert`: source files to a dataset file.
struct ConvertCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "convert", abstract: "Convert source files to a dataset file.",
        discussion: """
            IDX files are converted, and drawn data is made. A dataset file of other sources is written with h5py:

              f.attrs.update(format="swift-train.dataset", format_version=1)
              f["classes"] = ["cat", "dog"]                             # K names
              for split in "train", "test":
                  f[split + "/images"] = images                         # (N, H, W, C), uint8 or float32 in 0 to 1
                  f[split + "/images"].attrs.update(mean=m, std=s)      # C numbers each, of the training pixels in 0 to 1
                  f[split + "/labels"] = labels.astype("int64")         # (N,), 0 to K - 1
            """,
        subcommands: [IDX.self, Synthetic.self])

    /// What every conversion takes.
    struct Output: ParsableArguments {
        @Option(
            help: ArgumentHelp("The dataset file to write.", valueName: "file"), completion: .file(),
            transform: HomePath.expanded)
        var output: String

        @Option(
            help: ArgumentHelp(
                "Compress images: gzip, or gzip:1 to gzip:9. Compressed images are read into memory.",
                valueName: "gzip"),
            completion: .list(["gzip"] + (1...9).map { "gzip:\($0)" }))
        var compress: String?

        @Flag(name: .long, help: "Store a Fletcher32 checksum with every chunk of images.")
        var checksum = false

        @Flag(name: .long, help: "Replace the output if it exists.")
        var force = false

        func options() throws -> ConversionOptions {
            ConversionOptions(
                gzipLevel: try compress.map { try ConversionOptions.gzipLevel($0) }, checksum: checksum,
                replaceExisting: force)
        }
    }

    struct IDX: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "idx", abstract: "Convert the four IDX files of MNIST or Fashion-MNIST, plain or gzip.")

        @Argument(
            help: "The folder with train-images-idx3-ubyte, train-labels-idx1-ubyte and the two of t10k.",
            completion: .directory, transform: HomePath.expanded)
        var folder: String

        @Option(
            help: ArgumentHelp("Class names a,b,c in the order of the labels, or fashion-mnist.", valueName: "names"),
            completion: .list(["fashion-mnist"]))
        var classNames: String?

        @OptionGroup var output: Output

        func run() throws {
            let report = try IDXConverter.convert(
                folder: folder, to: output.output, classNames: classNames, options: output.options())
            try StandardOutput.line(report.line)
        }
    }

    struct Synthetic: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "synthetic", abstract: "Draw the built-in data: ten classes of 28 x 28 glyphs.")

        @Option(parsing: .unconditional, help: ArgumentHelp("Number of train images.", valueName: "n"))
        var train = SyntheticDataset.defaultTrainCount

        @Option(parsing: .unconditional, help: ArgumentHelp("Number of test images.", valueName: "n"))
        var test = SyntheticDataset.defaultTestCount

        @Option(parsing: .unconditional, help: ArgumentHelp("Equal seeds give equal files.", valueName: "n"))
        var seed = SyntheticDataset.defaultSeed

        @OptionGroup var output: Output

        func run() throws {
            let report = try SyntheticDataset.write(
                to: output.output, train: train, test: test, seed: seed, options: output.options())
            try StandardOutput.line(report.line)
        }
    }
}

extension ConversionReport {
    /// `data/x.h5: train 60,000, test 10,000 images, 10 classes, digest 0123…`
    fileprivate var line: String {
        let counts = splits.map { "\($0.name) \(NumberText.grouped($0.count))" }.joined(separator: ", ")
        return "\(path): \(counts) images, \(classCount) classes, digest \(digest)"
    }
}
