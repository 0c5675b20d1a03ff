internal import Report

/// Where the parts of a dataset lie in HDF5 files that others wrote; what is not said is found by names and shapes.
///
/// A place is `FILE#/path`, or `/path` in the first file.
package struct DatasetRoles: Equatable, Sendable {
    package enum Layout: String, CaseIterable, Sendable {
        /// Channels last, channels first, and gray images without an axis of channels; the same of volumes.
        case nhwc, nchw, nhw, ndhwc, ncdhw, ndhw

        /// Whether there is an axis of slices.
        var isOfVolumes: Bool { rawValue.contains("d") }
        /// That of one slice.
        var ofSlices: Layout {
            switch self {
            case .ndhwc: .nhwc
            case .ncdhw: .nchw
            case .ndhw: .nhw
            case .nhwc, .nchw, .nhw: self
            }
        }
    }

    /// Images and labels by the name of their split: train, val or test.
    package var images: [String: String] = [:]
    package var labels: [String: String] = [:]
    package var classes: String?
    package var layout: Layout?
    /// The number of the first class.
    package var labelBase: Int32 = 0

    package init() {}

    /// What a role is called as an option of `convert hdf5`: `images`, `test-images`, `layout`.
    static func name(_ role: String, of split: String) -> String { split == "train" ? role : "\(split)-\(role)" }

    /// File and dataset of a place; nil where it names no file. The names of known files are looked for first, since either name
    /// may hold a `#`.
    package static func parts(of place: String, in paths: [String]) -> (file: String, name: String)? {
        let known = paths.filter { place.hasPrefix("\($0)#") }.max { $0.utf8.count < $1.utf8.count }
        if let known { return (known, String(place.dropFirst(known.count + 1))) }
        guard let mark = place.ranges(of: "#/").last?.lowerBound, mark > place.startIndex else { return nil }
        return (String(place[..<mark]), String(place[place.index(after: mark)...]))
    }

    /// `--test-images 'f.h5#/x'`, as a shell takes it; a number below 0 as `--label-base=-1`, which is no option then.
    package static func option(_ name: String, _ value: String) -> String {
        value.hasPrefix("-") ? ShellWords.quoted("--\(name)=\(value)") : ShellWords.quoted(["--\(name)", value])
    }

    /// The same for a run: `--set 'data.test_images=f.h5#/x'`
    static func setting(_ name: String, _ value: String) -> String {
        ShellWords.quoted(["--set", "data.\(name.replacing("-", with: "_"))=\(value)"])
    }

    /// What is said where labels begin above the number of the first class, and what can be done: labels that count from 1 have an
    /// empty class 0 otherwise.
    static func emptyClasses(_ least: Int, _ most: Int, base: Int) -> (note: String, advice: String) {
        let advice =
            "if the first class is \(least), say so (\(option("label-base", "\(least)")) of convert hdf5, or "
            + "\(setting("label-base", "\(least)")))"
        return (emptyClassesNote(least, most, base: base), advice)
    }

    /// `labels go from 1 to 4, and class 0 has no images`
    package static func emptyClassesNote(_ least: Int, _ most: Int, base: Int) -> String {
        let empty = least - base == 1 ? "class \(base) has" : "classes \(base) to \(least - 1) have"
        return "labels go from \(least) to \(most), and \(empty) no images"
    }

    /// What to write for a choice, in either command.
    static func choice(_ parts: [(name: String, value: String)]) -> [String] {
        [
            "  convert hdf5   " + parts.map { option($0.name, $0.value) }.joined(separator: " "),
            "  train          " + parts.map { setting($0.name, $0.value) }.joined(separator: " "),
        ]
    }
}
