/// A call of the HDF5 library that failed, or a file that this program refuses to read.
package struct HDF5Error: Error, Equatable, CustomStringConvertible {
    /// The library's function, or the check of ours that failed.
    package let call: String
    /// File and object: `train.h5:/train/labels`.
    package let place: String
    /// The library's own words, innermost first, or ours.
    package let reason: String
    /// True when the system said "no space left on device" or "disk quota exceeded".
    package var isDiskFull: Bool { reason.hasSuffix("(errno = 28)") || reason.hasSuffix("(errno = 122)") }

    package init(call: String, place: String, reason: String) {
        self.call = call
        self.place = place
        self.reason = reason
    }

    package var description: String { "\(place): \(reason) (\(call))" }
}
