internal import ArgumentParser
internal import Datasets
internal import Diagnostics
internal import Files
internal import Foundation
internal import Ingest
internal import Layers
internal import Models
internal import Report
internal import Tensors
internal import Training

/// `swift-train filter`: what kernels, margins and pooling make of an image, as a picture and as numbers.
struct FilterCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "filter",
        abstract: "Show what kernels, padding, strides and pooling make of an image.",
        discussion: """
            Kernels: \(FilterKernel.names.joined(separator: ", ")); gaussian:SIZE:DEVIATION and box:SIZE take sizes, and a matrix is \
            written as "1,0,-1;2,0,-2;1,0,-1".

            Examples:
              swift-train filter photo.jpg --kernel vertical --kernel horizontal --output edges.png
              swift-train filter data.h5:train:0 --kernel top-edge --output digit.png
              swift-train filter --random 20x20 --kernel gaussian:7:1.87 --output smooth.png
              swift-train filter --matrix "1,2,3;4,5,6;7,8,9" --padding 1 --kernel sobel-x --pool max:2:1

            Sizes up to 12x12 are printed with all their numbers. In pictures the smallest value is black and the largest white; \
            where there are negative values, zero is the gray in the middle. Pooling alone, margins, sharpen and emboss keep the scale of \
            the image.
            """)

    @Argument(
        help: ArgumentHelp("A picture, or DATASET:SPLIT:INDEX, an image of a dataset file.", valueName: "image"),
        completion: .file(), transform: HomePath.expanded)
    var image: String?

    @Option(help: ArgumentHelp("Instead: an image of numbers, rows with ; between them.", valueName: "matrix"))
    var matrix: String?

    @Option(
        help: ArgumentHelp("Instead: an image of random numbers in 0...1.", valueName: "ROWSxCOLUMNS"))
    var random: String?

    @Option(parsing: .unconditional, help: ArgumentHelp("Of --random: equal seeds give equal images.", valueName: "n"))
    var seed: UInt64 = 1

    @Option(
        parsing: .unconditionalSingleValue,
        help: ArgumentHelp("A kernel by name, or as a matrix; may be given several times.", valueName: "kernel"),
        completion: .list(FilterKernel.names))
    var kernel: [String] = []

    @Option(
        help: ArgumentHelp(
            "Margins: none, same, full, a number, or LEFT,RIGHT,TOP,BOTTOM. With --transposed: what is cut off.",
            valueName: "padding"), completion: .list(["none", "same", "full"]))
    var padding = "none"

    @Option(
        help: ArgumentHelp(
            "What the margins hold: \(PaddingMode.allCases.map(\.rawValue).joined(separator: ", ")).", valueName: "mode"
        ),
        completion: .list(PaddingMode.allCases.map(\.rawValue)))
    var paddingMode = PaddingMode.zeros.rawValue

    @Option(
        parsing: .unconditional,
        help: ArgumentHelp("With zeros: the value to write instead.", valueName: "number"))
    var paddingValue: Float = 0

    @Option(parsing: .unconditional, help: ArgumentHelp("Places that the kernel moves at once.", valueName: "n"))
    var stride = 1

    @Option(
        parsing: .unconditional, help: ArgumentHelp("Places between those of the kernel, plus one.", valueName: "n"))
    var dilation = 1

    @Flag(help: "Convolution as mathematics defines it: the kernel turned by 180 degrees.")
    var flip = false

    @Flag(help: "The transposed convolution, which enlarges by the stride.")
    var transposed = false

    @Option(
        help: ArgumentHelp(
            "Pooling behind it: max, min or mean, as max:2 or max:3:2 with a stride.", valueName: "KIND:SIZE:STRIDE"))
    var pool: String?

    @Flag(help: "Let the last window of the pooling reach beyond the image.")
    var ceilMode = false

    @Flag(help: "Filter red, green and blue by themselves instead of the gray of a picture.")
    var color = false

    @Option(
        help: ArgumentHelp(
            "Bring a picture to this size first, its middle where the shapes differ.", valueName: "WIDTHxHEIGHT"))
    var size: String?

    @Option(
        parsing: .unconditional,
        help: ArgumentHelp("The values that are black and white in the pictures of results.", valueName: "LOW,HIGH"))
    var range: String?

    @Option(
        name: .shortAndLong,
        help: ArgumentHelp("Draw the image, the kernels and what comes of them.", valueName: "file"),
        completion: .file(extensions: ["png"]), transform: HomePath.expanded)
    var output: String?

    @Flag(help: "Print all numbers, however many.")
    var numbers = false

    @Flag(help: "Show the convolution as a product of matrices: every window a column (im2col).")
    var im2col = false

    @Flag(help: "Show how the kernel moves: the sum of each place, and with --output its window.")
    var steps = false

    @Flag(help: "Print one JSON object with all numbers.")
    var json = false

    private static let largest = 4096

    func validate() throws {
        guard [image, matrix, random].compactMap({ $0 }).count == 1 else {
            throw ValidationError("expected an image, --matrix or --random, one of them")
        }
        for (name, value) in [("stride", stride), ("dilation", dilation)] where !(1...Self.largest).contains(value) {
            throw ValidationError("--\(name) \(value): expected 1…\(Self.largest)")
        }
        guard paddingValue.isFinite else { throw ValidationError("--padding-value: expected a number") }
        if let output, !output.lowercased().hasSuffix(".png") {
            throw ValidationError("--output \(output): expected a name that ends in .png, which is what is written")
        }
        if transposed, kernel.isEmpty { throw ValidationError("--transposed needs --kernel") }
        if im2col || steps, kernel.isEmpty || transposed {
            throw ValidationError(
                "\(im2col ? "--im2col" : "--steps"): shows a convolution, expected --kernel without --transposed")
        }
        if size != nil, image == nil { throw ValidationError("--size: belongs to a picture") }
        if ceilMode, pool == nil { throw ValidationError("--ceil-mode belongs to --pool") }
    }

    func run() throws {
        let kernels: [FilterKernel?] = try kernel.isEmpty ? [nil] : kernel.map(Self.kernel)
        let filter = try filter()
        let levels = try range.map(Self.levels)
        if let output {
            try DurableFile.requireWritable(output, unlike: [image].compactMap { $0 }.map(GivenImage.file))
        }
        let input = try input()
        try BLAS.load()
        // One image is one unit of work.
        let pool = try ThreadPool(threads: 1)
        let results = try kernels.map { kernel -> FilterReport.Result in
            var filter = filter
            filter.kernel = kernel
            do {
                let steps = try filter.steps(of: input.pixels, input.shape, pool: pool)
                var columns: ImageColumns?
                if im2col, let kernel {
                    let source = steps.first { $0.name == "padded" } ?? input.step
                    columns = try ImageColumns(
                        of: Array(source.values.prefix(source.shape[1] * source.shape[2])), height: source.shape[1],
                        width: source.shape[2], filter, kernel: kernel, pool: pool)
                }
                return FilterReport.Result(kernel: kernel, steps: steps, columns: columns)
            } catch let error as ShapeMismatch {
                throw Failure(.usage, "\(input.name), \(input.shape): \(error)")
            } catch let error as Arena.OutOfMemory {
                throw Failure(.internalError, "\(error); take a smaller image")
            }
        }
        let report = FilterReport(
            input: input, filter: filter, results: results, showsAll: numbers, showsSteps: steps, range: levels)
        if let output { try DurableFile.write(report.sheet.png(), to: output) }
        try StandardOutput.line(json ? report.json.text() : report.text)
        if let output, !json { try StandardOutput.line("wrote \(output): \(report.legend)") }
    }

    /// The image [C, H, W] that is filtered.
    private func input() throws -> FilterReport.Input {
        if let matrix {
            do throws(FilterKernel.Mistake) {
                let rows = try FilterKernel.matrix(matrix, largestSide: Self.largest)
                return FilterReport.Input(
                    name: "matrix", shape: [1, rows.count, rows[0].count], pixels: rows.flatMap { $0 })
            } catch {
                throw Failure(.usage, "--matrix: \(error.reason), expected such as \"1,2,3;4,5,6\"")
            }
        }
        if let random {
            let sides = random.split(separator: "x", omittingEmptySubsequences: false).map { Int($0) ?? 0 }
            guard sides.count == 2, sides.allSatisfy({ (1...Self.largest).contains($0) }) else {
                throw Failure(.usage, "--random \(random), expected ROWSxCOLUMNS, each 1…\(Self.largest), as in 20x20")
            }
            var stream = RandomStream(seed: seed, purpose: .synthetic, id: 0)
            let pixels = (0..<sides[0] * sides[1]).map { _ in stream.nextUniform() }
            return FilterReport.Input(name: "random, seed \(seed)", shape: [1, sides[0], sides[1]], pixels: pixels)
        }
        let given = try GivenImage(image ?? "", size: size.map { try ImagePreparation.Size($0) })
        let (height, width, channels) = (given.shape.height, given.shape.width, given.shape.channels)
        var pixels = given.values
        guard channels == 3, !color else {
            return FilterReport.Input(name: given.name, shape: [channels, height, width], pixels: pixels)
        }
        // ITU-R BT.601, as Pillow's "L".
        pixels = Swift.stride(from: 0, to: pixels.count, by: 3).map {
            0.299 * pixels[$0] + 0.587 * pixels[$0 + 1] + 0.114 * pixels[$0 + 2]
        }
        return FilterReport.Input(name: "\(given.name), gray", shape: [1, height, width], pixels: pixels)
    }

    private func filter() throws -> ImageFilter {
        var filter = ImageFilter()
        (filter.stride, filter.dilation) = (stride, dilation)
        (filter.flipsKernel, filter.isTransposed) = (flip, transposed)
        filter.padding = try margins()
        guard let mode = PaddingMode(rawValue: paddingMode == "constant" ? "zeros" : paddingMode) else {
            throw Failure(
                .usage,
                "--padding-mode \(paddingMode), expected constant, \(PaddingMode.allCases.map(\.rawValue).joined(separator: ", "))"
            )
        }
        guard mode == .zeros || paddingValue == 0 else {
            throw Failure(.usage, "--padding-value \(paddingValue): belongs to --padding-mode constant")
        }
        (filter.paddingMode, filter.paddingValue) = (mode, paddingValue)
        guard let pool else { return filter }
        let words = pool.split(separator: ":", omittingEmptySubsequences: false).map(String.init)
        let numbers = words.dropFirst().map { Int($0) ?? 0 }
        let kinds = ImageFilter.Pool.Kind.allCases.map(\.rawValue).joined(separator: ", ")
        guard let kind = ImageFilter.Pool.Kind(rawValue: words[0]), (1...3).contains(numbers.count),
            numbers.prefix(2).allSatisfy({ (1...Self.largest).contains($0) }), numbers.count < 3 || numbers[2] >= 0
        else {
            throw Failure(
                .usage,
                "--pool \(pool), expected KIND:SIZE, KIND:SIZE:STRIDE or KIND:SIZE:STRIDE:PADDING with \(kinds), as in max:2"
            )
        }
        filter.pool = ImageFilter.Pool(kind, size: numbers[0], stride: numbers.count > 1 ? numbers[1] : numbers[0])
        filter.pool?.padding = numbers.count > 2 ? numbers[2] : 0
        filter.pool?.ceilMode = ceilMode
        return filter
    }

    private func margins() throws -> Padding {
        switch padding {
        case "none", "valid": return .valid
        case "same": return .same
        case "full": return .full
        default:
            let numbers = padding.split(separator: ",", omittingEmptySubsequences: false).map { Int($0) ?? -1 }
            guard [1, 4].contains(numbers.count), numbers.allSatisfy({ (0...Self.largest).contains($0) }) else {
                throw Failure(
                    .usage,
                    "--padding \(padding), expected none, same, full, a number up to \(Self.largest) or LEFT,RIGHT,TOP,BOTTOM"
                )
            }
            guard numbers.count == 4 else { return .symmetric(Extents(numbers[0])) }
            return .sides([(before: numbers[2], after: numbers[3]), (before: numbers[0], after: numbers[1])])
        }
    }

    private static func kernel(_ text: String) throws -> FilterKernel {
        do throws(FilterKernel.Mistake) {
            return try FilterKernel(text)
        } catch {
            let name = String(text.prefix { $0 != ":" })
            guard !FilterKernel.names.contains(name), !text.contains(where: ",;".contains) else {
                throw Failure(.usage, "--kernel \(text): \(error.reason)")
            }
            let near = Suggestion.nearest(to: name, in: FilterKernel.names).map { ", did you mean \($0)?" }
            throw Failure(
                .usage,
                "--kernel \(text): \(error.reason)\(near ?? "; known: " + FilterKernel.names.joined(separator: ", "))")
        }
    }

    private static func levels(_ text: String) throws -> (low: Float, high: Float) {
        let numbers = text.split(separator: ",", omittingEmptySubsequences: false).map { Float($0) ?? .nan }
        guard numbers.count == 2, numbers.allSatisfy(\.isFinite), numbers[0] < numbers[1] else {
            throw Failure(.usage, "--range \(text), expected LOW,HIGH, the lower one first, as in 0,0.01")
        }
        return (numbers[0], numbers[1])
    }
}
