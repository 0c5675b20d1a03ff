/// Where the parts of a dataset lie in HDF5 files that others wrote; what is not said is found by names and shapes.
///
/// A place is `FILE#/path`, or `/path` in the first file.
package struct DatasetRoles: Equatable, Sendable {
    package enum Layout: String, CaseIterable, Sendable {
        /// Channels last, channels first, and gray images without an axis of channels.
        case nhwc, nchw, nhw
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

    /// `--test-images 'f.h5#/x'`
    static func option(_ name: String, _ value: String) -> String { "--\(name) '\(value)'" }

    /// The same for a run: `--set 'data.test_images=f.h5#/x'`
    static func setting(_ name: String, _ value: String) -> String {
        "--set 'data.\(name.replacing("-", with: "_"))=\(value)'"
    }

    /// What to write for a choice, in either command.
    static func choice(_ parts: [(name: String, value: String)]) -> [String] {
        [
            "  convert hdf5   " + parts.map { option($0.name, $0.value) }.joined(separator: " "),
            "  train          " + parts.map { setting($0.name, $0.value) }.joined(separator: " "),
        ]
    }
}
