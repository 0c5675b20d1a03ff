/// Where the parts of a dataset lie in HDF5 files that others wrote; what is not said is found by names and shapes.
///
/// A place is `FILE#/path`, or `/path` in the first file.
package struct DatasetRoles: Equatable, Sendable {
    package enum Layout: String, CaseIterable, Sendable {
        /// Channels last, channels first, and gray images without an axis of channels.
        case nhwc, nchw, nhw
    }

    /// Images and labels by the name of their split.
    package var images: [String: String] = [:]
    package var labels: [String: String] = [:]
    package var classes: String?
    package var layout: Layout?
    /// The number of the first class.
    package var labelBase = 0
    /// How the user says all this, for messages.
    package var style = Style.options

    package init() {}

    package enum Style: Equatable, Sendable {
        case options
        case keys

        /// `--test-images 'f.h5#/x'` or `data.test_images: f.h5#/x`
        func words(_ name: String, _ value: String) -> String {
            switch self {
            case .options: "--\(name) '\(value)'"
            case .keys: "\(name.replacing("-", with: "_")): '\(value)'"
            }
        }
    }

    /// `images`, `test-images`
    static func name(_ role: String, of split: String) -> String { split == "train" ? role : "\(split)-\(role)" }
}
