internal import ArgumentParser
internal import Diagnostics
internal import Foundation
internal import Ingest
internal import Training

/// `swift-train convert`: source files to a dataset file.
struct ConvertCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "convert", abstract: "Convert source files to a dataset file.",
        discussion: """
            A dataset file of any other source is written with h5py:

              f.attrs.update(format="swift-train.dataset", format_version=1)
              f["classes"] = ["cat", "dog"]    # K names
              for split in "train", "test":
                  # (N, H, W, C), uint8, or float32 in 0 to 1
                  f[split + "/images"] = images
                  # (N,), 0 to K - 1
                  f[split + "/labels"] = labels

            In the place of images, JPEG and PNG files as they are:

                  # uint8, one file after the other, and where each begins
                  f[split + "/encoded"] = np.frombuffer(b"".join(files), "u1")
                  f[split + "/encoded"].attrs["shape"] = [H, W, C]
                  f[split + "/offsets"] = np.cumsum([0] + [len(x) for x in files])
            """,
        subcommands: [
            Folder.self, IDX.self, CIFAR10.self, CIFAR100.self, CSV.self, NumPy.self, HDF5.self, Tar.self,
            Synthetic.self,
        ])

    /// What every conversion takes.
    struct Output: ParsableArguments {
        @Option(
            help: ArgumentHelp("The dataset file to write.", valueName: "file"), completion: .file(),
            transform: HomePath.expanded)
        var output: String

        @Option(
            help: ArgumentHelp(
                "Compress images: gzip, or gzip:1 to gzip:9. Train on them with data.shuffle: blocks, or they are unpacked to memory.",
                valueName: "gzip"),
            completion: .list(["gzip"] + (1...9).map { "gzip:\($0)" }))
        var compress: String?

        @Flag(name: .long, help: "Store a Fletcher32 checksum with every chunk of images.")
        var checksum = false

        @Flag(name: .long, help: "Replace the output if it exists.")
        var force = false

        @Option(
            name: .long,
            help: "Threads that read and decode; by default as many as cores. The file does not depend on it.")
        var threads: Int?

        func options() throws -> ConversionOptions {
            var options = ConversionOptions(
                gzipLevel: try compress.map { try ConversionOptions.gzipLevel($0) }, checksum: checksum,
                replaceExisting: force)
            if let threads {
                if let reason = ThreadOption.refusal(of: threads) { throw Failure(.usage, reason) }
                options.threads = threads
            }
            options.showsProgress = true
            options.invocation = ["swift-train"] + CommandLine.arguments.dropFirst()
            return options
        }
    }

    /// What came of a conversion, and what the user should look at.
    static func show(_ report: ConversionReport) throws {
        for warning in report.warnings { StandardError.line("warning: \(warning)") }
        try StandardOutput.line(report.text)
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

        @Option(
            name: .long,
            help:
                "What the names of the files begin with, where a folder holds several sets: emnist-letters for example."
        )
        var prefix: String?

        @Flag(
            inversion: .prefixedNo,
            help: "Turn rows into columns; by default only for files with EMNIST's names, which are stored so.")
        var transpose: Bool?

        @OptionGroup var output: Output

        func run() throws {
            let report = try IDXConverter.convert(
                folder: folder, to: output.output, classNames: classNames, prefix: prefix, transposing: transpose,
                options: output.options())
            try ConvertCommand.show(report)
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
            try ConvertCommand.show(report)
        }
    }
}
