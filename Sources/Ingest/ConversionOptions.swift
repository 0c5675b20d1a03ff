package import Datasets
internal import Diagnostics
internal import Foundation
internal import Report

/// How a converter prepares and stores the images.
package struct ConversionOptions: Sendable {
    /// 1…9; nil for no compression.
    package var gzipLevel: Int?
    /// Fletcher32 over every chunk.
    package var checksum: Bool
    /// The files' own bytes instead of pixels: decoded again by whoever reads the dataset.
    package var storesEncoded = false
    /// Whether an existing output may be replaced.
    package var replaceExisting: Bool
    package var preparation = ImagePreparation()
    /// Decoders; nothing in the file depends on their number.
    package var threads: Int
    package var onError = ErrorPolicy.skip
    /// With `skip`: more bad images than this part of all are an error.
    package var largestBadFraction = 0.01
    /// Where the list of what was left out goes; nil: beside the output, when there is something to list.
    package var reportPath: String?
    /// Progress on standard error.
    package var showsProgress = false
    /// The command as it was typed, for messages that propose another.
    package var invocation: [String] = []

    package init(
        gzipLevel: Int? = nil, checksum: Bool = false, replaceExisting: Bool = false, threads: Int = availableCores
    ) {
        self.gzipLevel = gzipLevel
        self.checksum = checksum
        self.replaceExisting = replaceExisting
        self.threads = threads
    }

    /// Cores that this process may use.
    package static var availableCores: Int { ProcessInfo.processInfo.activeProcessorCount }

    /// Level of `gzip` or `gzip:1` … `gzip:9`; `gzip` alone is 6.
    package static func gzipLevel(_ text: String) throws -> Int {
        if text == "gzip" { return 6 }
        let parts = text.split(separator: ":", omittingEmptySubsequences: false)
        guard parts.count == 2, parts[0] == "gzip", let level = Int(parts[1]), (1...9).contains(level) else {
            throw Failure(.usage, "--compress \(text), expected gzip or gzip:1 … gzip:9")
        }
        return level
    }

    /// `1%` or `0.01`, 0 … 1.
    package static func badFraction(_ text: String) throws -> Double {
        let isPercent = text.hasSuffix("%")
        guard let number = Double(isPercent ? String(text.dropLast()) : text), number >= 0,
            number <= (isPercent ? 100 : 1)
        else { throw Failure(.usage, "--max-bad \(text), expected 0% … 100%") }
        return isPercent ? number / 100 : number
    }

    static func percent(_ fraction: Double) -> String {
        let percent = fraction * 100
        return percent == percent.rounded() ? "\(Int(percent))%" : "\(percent)%"
    }

    /// The options that change how the file stores, as they stand in its `command`.
    var words: [String] {
        (storesEncoded ? ["--store", "encoded"] : []) + (gzipLevel.map { ["--compress", "gzip:\($0)"] } ?? [])
            + (checksum ? ["--checksum"] : [])
    }
}

/// What a converter tells its caller when it is done.
package struct ConversionReport: Sendable {
    package let path: String
    package let digest: String
    /// Name, number of images and images of each class of every split, in the order written.
    package let splits: [(name: String, count: Int, classCounts: [Int])]
    package let shape: (height: Int, width: Int, channels: Int)
    package let classes: [String]
    package var classCount: Int { classes.count }
    /// What was found out about the source and decided, one line each.
    package var notes: [String] = []
    /// What the user should look at.
    package var warnings: [String] = []
    /// Why things were left out, commonest reason first.
    package internal(set) var leftOut: [String] = []
    /// Images that cannot be used, and files that are no images.
    package internal(set) var leftOutCounts = (bad: 0, other: 0)
    /// The CSV file that lists them.
    package internal(set) var leftOutPath: String?

    private static let classesShown = 20
    private static let reasonsShown = 5

    /// What was written, images of each class, what is missing and why, and what can be done next.
    package var text: String {
        let counts = splits.map { "\($0.name) \($0.count)" }.joined(separator: ", ")
        var lines = ["\(path): \(counts) images, \(classCount) classes, digest \(digest)"]
        for split in splits { lines.append(contentsOf: Self.histogram(split.name, split.classCounts, classes)) }
        for split in splits.dropFirst() where splits.first?.name == "train" {
            let missing = zip(classes, zip(splits[0].classCounts, split.classCounts)).filter { $1.0 > 0 && $1.1 == 0 }
            guard !missing.isEmpty else { continue }
            lines.append("note: \(split.name) has no image of \(Self.list(missing.map(\.0)))")
        }
        lines += notes.map { "note: \($0)" }
        if leftOutCounts.bad + leftOutCounts.other > 0 {
            var words: [String] = []
            if leftOutCounts.bad > 0 { words.append("\(leftOutCounts.bad) images that cannot be used") }
            if leftOutCounts.other > 0 { words.append("\(leftOutCounts.other) other files") }
            lines.append("left out: \(words.joined(separator: ", "))\(leftOutPath.map { "; all in \($0)" } ?? "")")
            lines += leftOut.prefix(Self.reasonsShown).map { "  \($0)" }
            if leftOut.count > Self.reasonsShown {
                lines.append("  and \(leftOut.count - Self.reasonsShown) more reasons")
            }
        }
        let data = ShellWords.quoted([path])
        lines.append("next: swift-train inspect \(data)")
        return lines.joined(separator: "\n")
    }

    private static func histogram(_ name: String, _ counts: [Int], _ classes: [String]) -> [String] {
        if classes.count <= classesShown {
            return ["  \(name): " + zip(classes, counts).map { "\($0) \($1)" }.joined(separator: ", ")]
        }
        guard let least = counts.indices.min(by: { counts[$0] < counts[$1] }),
            let most = counts.indices.max(by: { counts[$0] < counts[$1] })
        else { return [] }
        return [
            "  \(name): from \(counts[least]) (\(classes[least])) to \(counts[most]) (\(classes[most])) images a class"
        ]
    }

    private static func list(_ names: [String]) -> String {
        names.count <= 5
            ? names.joined(separator: ", ") : names.prefix(5).joined(separator: ", ") + " and \(names.count - 5) more"
    }
}
