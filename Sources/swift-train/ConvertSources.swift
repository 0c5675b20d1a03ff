internal import ArgumentParser
internal import Datasets
internal import Diagnostics
internal import Ingest
internal import Training

/// What `--store` can be.
private enum ImageStore: String, CaseIterable {
    case pixels, encoded
}

/// The conversions of other people's images, one command each.
extension ConvertCommand {
    /// How images become images of one size, and what happens to those that cannot be read.
    struct Images: ParsableArguments {
        @Option(name: .long, help: "Resize all images: 224, or WIDTHxHEIGHT. Needed where they have several sizes.")
        var size: String?

        @Option(
            name: .long,
            help:
                "With --size: crop (short side resized, middle kept), pad (long side resized, black borders), stretch.")
        var fit = "crop"

        @Option(name: .long, help: "With --size: bilinear or bicubic, antialiased, the bytes of Pillow.")
        var filter = "bilinear"

        @Option(name: .long, help: "1 or 3; by default 3 if any image has colours.")
        var channels: Int?

        @Flag(name: .long, help: "Leave images as stored, whatever orientation their EXIF data ask for.")
        var noExif = false

        @Option(
            help: ArgumentHelp(
                "pixels, or encoded: the JPEG and PNG files themselves, which the readers of a run decode. For sets that would not fit as pixels.",
                valueName: "form"),
            completion: .list(ImageStore.allCases.map(\.rawValue)))
        var store = ImageStore.pixels.rawValue

        @Option(name: .long, help: "Refuse images of more pixels.")
        var maxPixels = 100_000_000

        @Option(name: .long, help: "What images that cannot be read do: skip (they are listed) or fail.")
        var onError = "skip"

        @Option(name: .long, help: "With skip: end with an error if more than this part of the images is bad.")
        var maxBad = "1%"

        @Option(
            help: ArgumentHelp(
                "Where the list of files left out goes, CSV; by default OUTPUT.left-out.csv.", valueName: "file"),
            completion: .file(), transform: HomePath.expanded)
        var report: String?

        func apply(to options: inout ConversionOptions) throws {
            options.preparation.size = try size.map { try ImagePreparation.Size($0) }
            options.preparation.fit = try ConvertCommand.choice("--fit", fit)
            options.preparation.filter = try ConvertCommand.choice("--filter", filter)
            options.storesEncoded = try ConvertCommand.choice("--store", store) == ImageStore.encoded
            options.onError = try ConvertCommand.choice("--on-error", onError)
            if let channels, channels != 1, channels != 3 {
                throw Failure(.usage, "--channels \(channels): expected 1 or 3")
            }
            options.preparation.channels = channels
            options.preparation.orients = !noExif
            guard maxPixels >= 1 else { throw Failure(.usage, "--max-pixels \(maxPixels): expected 1 or more") }
            guard !options.storesEncoded || maxPixels <= ImagePreparation.defaultLargestPixels else {
                throw Failure(
                    .usage,
                    "--max-pixels \(maxPixels) --store encoded: expected at most \(ImagePreparation.defaultLargestPixels), "
                        + "the limit of those who decode the pictures again; or --store pixels")
            }
            options.preparation.largestPixels = maxPixels
            options.largestBadFraction = try ConversionOptions.badFraction(maxBad)
            options.reportPath = report
        }
    }

    /// What is taken out of the training images.
    struct Fractions: ParsableArguments {
        @Option(name: .long, help: "Take this part of the images of every class out of train for val: 10% or 0.1.")
        var val: String?

        @Option(name: .long, help: "Take this part of the images of every class out of train for test: 20% or 0.2.")
        var test: String?

        @Option(name: .long, help: "Equal seeds take the same images.")
        var splitSeed: UInt64 = 1

        func fractions() throws -> SplitFractions {
            SplitFractions(
                val: try val.map { try SplitFraction($0, option: "--val") },
                test: try test.map { try SplitFraction($0, option: "--test") }, seed: splitSeed)
        }
    }

    /// Labels that are numbers.
    struct Labels: ParsableArguments {
        @Option(name: .long, help: "Class names a,b,c in the order of the labels.")
        var classNames: String?

        @Option(name: .long, help: "The number of the first class.")
        var labelBase: Int32 = 0

        func names() throws -> [String]? {
            try classNames.map { text in
                let names = text.split(separator: ",", omittingEmptySubsequences: false).map(String.init)
                guard names.count >= 2, !names.contains(""), Set(names).count == names.count else {
                    throw Failure(.usage, "--class-names \(text), expected 2 or more different names as a,b,c")
                }
                return names
            }
        }
    }

    static func choice<Value: RawRepresentable & CaseIterable>(_ option: String, _ text: String) throws -> Value
    where Value.RawValue == String {
        guard let value = Value(rawValue: text) else {
            let known = Value.allCases.map(\.rawValue)
            let list =
                known.count > 1 ? known.dropLast().joined(separator: ", ") + " or \(known[known.count - 1])" : known[0]
            throw Failure(.usage, "\(option) \(text), expected \(list)")
        }
        return value
    }

    /// `28x28x1` → [28, 28, 1].
    static func shape(_ text: String) throws -> [Int] {
        let numbers = text.split(separator: "x", omittingEmptySubsequences: false).map { Int($0) ?? 0 }
        guard numbers.count == 3, numbers.allSatisfy({ (1...65536).contains($0) }) else {
            throw Failure(.usage, "--shape \(text), expected HEIGHTxWIDTHxCHANNELS")
        }
        return numbers
    }

    struct Folder: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "folder",
            abstract:
                "Convert a folder of JPEG and PNG files: CLASS/..., or train/CLASS/... with val and test beside it.")

        @Argument(help: "The folder.", completion: .directory, transform: HomePath.expanded)
        var folder: String

        @OptionGroup var fractions: Fractions
        @OptionGroup var images: Images
        @OptionGroup var output: Output

        func run() throws {
            var options = try output.options()
            try images.apply(to: &options)
            try ConvertCommand.show(
                FolderImages.convert(
                    folder: folder, to: output.output, fractions: fractions.fractions(), options: options
                ))
        }
    }

    struct CIFAR10: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "cifar10", abstract: "Convert the binary version of CIFAR-10.")

        @Argument(
            help: "The folder with data_batch_1.bin to data_batch_5.bin and test_batch.bin.", completion: .directory,
            transform: HomePath.expanded)
        var folder: String

        @OptionGroup var images: Images
        @OptionGroup var output: Output

        func run() throws {
            var options = try output.options()
            try images.apply(to: &options)
            try ConvertCommand.show(
                CIFARImages.convert(folder: folder, variant: .cifar10, to: output.output, options: options))
        }
    }

    struct CIFAR100: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "cifar100", abstract: "Convert the binary version of CIFAR-100.")

        @Argument(help: "The folder with train.bin and test.bin.", completion: .directory, transform: HomePath.expanded)
        var folder: String

        @Option(name: .long, help: "fine (100 classes) or coarse (20).")
        var labels = "fine"

        @OptionGroup var images: Images
        @OptionGroup var output: Output

        func run() throws {
            guard ["fine", "coarse"].contains(labels) else {
                throw Failure(.usage, "--labels \(labels), expected fine or coarse")
            }
            var options = try output.options()
            try images.apply(to: &options)
            try ConvertCommand.show(
                CIFARImages.convert(
                    folder: folder, variant: .cifar100(usesCoarseLabels: labels == "coarse"), to: output.output,
                    options: options
                ))
        }
    }

    struct CSV: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "csv", abstract: "Convert CSV lines of a label and pixels, or of a path and a label.")

        @Argument(
            help: "The CSV file, plain or gzip; the first line may name the columns.", completion: .file(),
            transform: HomePath.expanded)
        var file: String

        @Option(
            help: ArgumentHelp("Another file, for val.", valueName: "file"), completion: .file(),
            transform: HomePath.expanded)
        var valFrom: String?

        @Option(
            help: ArgumentHelp("Another file, for test.", valueName: "file"), completion: .file(),
            transform: HomePath.expanded)
        var testFrom: String?

        @Option(name: .long, help: "HEIGHTxWIDTHxCHANNELS of the pixels in a line; by default a gray square.")
        var shape: String?

        @Option(name: .long, help: "The column of labels: its name, or its number from 1.")
        var labelColumn: String?

        @Option(
            help: ArgumentHelp(
                "The folder where paths begin, and which they may not leave; by default the file's.", valueName: "dir"),
            completion: .directory, transform: HomePath.expanded)
        var root: String?

        @OptionGroup var labels: Labels
        @OptionGroup var fractions: Fractions
        @OptionGroup var images: Images
        @OptionGroup var output: Output

        func run() throws {
            var options = try output.options()
            try images.apply(to: &options)
            var description = CSVImages.Description()
            description.shape = try shape.map { try ConvertCommand.shape($0) }
            description.labelColumn = labelColumn
            description.classNames = try labels.names()
            description.labelBase = Int(labels.labelBase)
            description.root = root
            try ConvertCommand.show(
                CSVImages.convert(
                    train: file, val: valFrom, test: testFrom, to: output.output, description: description,
                    fractions: fractions.fractions(), options: options
                ))
        }
    }

    struct NumPy: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "numpy", abstract: "Convert NumPy arrays: one .npz, or .npy files of images and labels.")

        @Argument(
            help: "x_train, y_train, x_test, y_test and the like, in a .npz or as .npy files.", completion: .file(),
            transform: HomePath.expanded)
        var files: [String]

        @Option(name: .long, help: "The array of images, where names do not say it.")
        var images: String?

        @Option(name: .long, help: "The array of labels.")
        var labels: String?

        @Option(name: .long, help: "nhwc or nchw, where the extents do not say it.")
        var layout: String?

        @Option(name: .long, help: "HEIGHTxWIDTHxCHANNELS of images that are rows of numbers.")
        var shape: String?

        @OptionGroup var classLabels: Labels
        @OptionGroup var fractions: Fractions
        @OptionGroup var preparation: Images
        @OptionGroup var output: Output

        func run() throws {
            var options = try output.options()
            try preparation.apply(to: &options)
            var description = NumPyImages.Description()
            description.layout = try layout.map { try ConvertCommand.choice("--layout", $0.lowercased()) }
            description.shape = try shape.map { try ConvertCommand.shape($0) }
            (description.images, description.labels) = (images, labels)
            description.classNames = try classLabels.names()
            description.labelBase = Int(classLabels.labelBase)
            try ConvertCommand.show(
                NumPyImages.convert(
                    paths: files, to: output.output, description: description, fractions: fractions.fractions(),
                    options: options
                ))
        }
    }

    struct Tar: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "tar",
            abstract: "Convert tar files, plain or gzip: WebDataset shards, or a packed folder of images.")

        @Argument(
            help: "The files; numbers in braces stand for several: train-{0000..0147}.tar.", completion: .file(),
            transform: HomePath.expanded)
        var files: [String]

        @Option(
            help: ArgumentHelp("Files for val.", valueName: "file"), completion: .file(), transform: HomePath.expanded)
        var valFrom: [String] = []

        @Option(
            help: ArgumentHelp("Files for test.", valueName: "file"), completion: .file(), transform: HomePath.expanded)
        var testFrom: [String] = []

        @OptionGroup var labels: Labels
        @OptionGroup var fractions: Fractions
        @OptionGroup var images: Images
        @OptionGroup var output: Output

        func run() throws {
            var options = try output.options()
            try images.apply(to: &options)
            try ConvertCommand.show(
                TarImages.convert(
                    shards: TarImages.Shards(train: files, val: valFrom, test: testFrom), to: output.output,
                    fractions: fractions.fractions(), classNames: labels.names(), labelBase: Int(labels.labelBase),
                    options: options
                ))
        }
    }

    struct HDF5: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "hdf5",
            abstract:
                "Convert HDF5 files that others wrote: PatchCamelyon, Galaxy10, Caffe, Keras, MedMNIST and others.",
            discussion: """
                Images and labels are found by their names and shapes. Where they are not clear, the error lists what can be
                chosen. A place is FILE#/path, or /path in the first file.
                """)

        @Argument(
            help: "The files; the names of files and datasets say which hold train, val and test.", completion: .file(),
            transform: HomePath.expanded)
        var files: [String]

        @Option(help: ArgumentHelp("The images of train.", valueName: "place"))
        var images: String?

        @Option(help: ArgumentHelp("The labels of train.", valueName: "place"))
        var labels: String?

        @Option(help: ArgumentHelp("The images of val.", valueName: "place"))
        var valImages: String?

        @Option(help: ArgumentHelp("The labels of val.", valueName: "place"))
        var valLabels: String?

        @Option(help: ArgumentHelp("The images of test.", valueName: "place"))
        var testImages: String?

        @Option(help: ArgumentHelp("The labels of test.", valueName: "place"))
        var testLabels: String?

        @Option(help: ArgumentHelp("The names of the classes.", valueName: "place"))
        var classes: String?

        @Option(
            name: .long,
            help: "nhwc, nchw or nhw, of volumes ndhwc, ncdhw or ndhw, where the extents do not say it.")
        var layout: String?

        @OptionGroup var classLabels: Labels
        @OptionGroup var fractions: Fractions
        @OptionGroup var preparation: Images
        @OptionGroup var output: Output

        func run() throws {
            var options = try output.options()
            try preparation.apply(to: &options)
            var roles = DatasetRoles()
            roles.images = ["train": images, "val": valImages, "test": testImages].compactMapValues { $0 }
            roles.labels = ["train": labels, "val": valLabels, "test": testLabels].compactMapValues { $0 }
            roles.classes = classes
            roles.layout = try layout.map { try ConvertCommand.choice("--layout", $0.lowercased()) }
            roles.labelBase = classLabels.labelBase
            try ConvertCommand.show(
                HDF5Images.convert(
                    paths: files, to: output.output, roles: roles, classNames: classLabels.names(),
                    fractions: fractions.fractions(), options: options
                ))
        }
    }
}
