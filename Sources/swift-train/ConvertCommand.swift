internal import ArgumentParser
internal import Diagnostics
internal import Foundation
internal import Ingest

/// `swift-train convert`: source files to a dataset file.
struct ConvertCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "convert", abstract: "Convert source files to a dataset file.",
        subcommands: [
            Folder.self, IDX.self, CIFAR10.self, CIFAR100.self, CSV.self, NumPy.self, Tar.self, Synthetic.self,
        ])

    /// What every conversion takes.
    struct Output: ParsableArguments {
        @Option(name: .long, help: "The dataset file to write.")
        var output: String

        @Option(name: .long, help: "Compress images: gzip or gzip:1 … gzip:9. Compressed images are read into memory.")
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
                guard (1...1024).contains(threads) else {
                    throw Failure(.usage, "--threads \(threads): expected 1…1024")
                }
                options.threads = threads
            }
            options.showsProgress = true
            options.invocation = ["swift-train"] + CommandLine.arguments.dropFirst()
            return options
        }
    }

    struct IDX: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "idx", abstract: "Convert the four IDX files of MNIST or Fashion-MNIST, plain or gzip.")

        @Argument(help: "The folder with train-images-idx3-ubyte, train-labels-idx1-ubyte and the two of t10k.")
        var folder: String

        @Option(name: .long, help: "Class names a,b,c in the order of the labels, or fashion-mnist.")
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
            for warning in report.warnings {
                FileHandle.standardError.write(Data("warning: \(warning)\n".utf8))
            }
            print(report.text)
        }
    }

    struct Synthetic: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "synthetic", abstract: "Draw the built-in data: ten classes of 28×28 glyphs.")

        @Option(name: .long, help: "Number of train images.")
        var train = SyntheticDataset.defaultTrainCount

        @Option(name: .long, help: "Number of test images.")
        var test = SyntheticDataset.defaultTestCount

        @Option(name: .long, help: "Equal seeds give equal files.")
        var seed = SyntheticDataset.defaultSeed

        @OptionGroup var output: Output

        func run() throws {
            let report = try SyntheticDataset.write(
                to: output.output, train: train, test: test, seed: seed, options: output.options())
            print(report.text)
        }
    }
}
