internal import CHDF5
internal import Diagnostics

/// The state of the library in this process, and the one place where its return codes become errors.
///
/// The library keeps its error stack, and whether it prints it, per thread; printing is therefore switched off at the
/// head of every operation. It is used from the training thread and from the writer of logs and checkpoints, so a build
/// that is not thread-safe is refused (Debian's and Ubuntu's serial package is).
enum HDF5Library {
    private static let state: Result<Void, HDF5Error> = {
        func failed(_ call: String, _ reason: String) -> Result<Void, HDF5Error> {
            .failure(HDF5Error(call: call, place: "libhdf5", reason: reason))
        }
        // Files are closed by their owners. After a failed close, as on a full disk, the library's own exit handler
        // (1.10.8) follows a dangling pointer and turns a reported error into a crash.
        guard H5dont_atexit() >= 0 else { return failed("H5dont_atexit", "the library runs already") }
        // Before the first file: a plug-in is foreign code named by the environment and asked for by a file.
        guard H5PLset_loading_state(0) >= 0 else {
            return failed("H5PLset_loading_state", "cannot switch off plug-ins")
        }
        guard H5open() >= 0 else { return failed("H5open", "the library does not start") }
        var isSafe: hbool_t = false
        guard H5is_library_threadsafe(&isSafe) >= 0, isSafe else {
            return failed("H5is_library_threadsafe", "this build of libhdf5 is not thread-safe; install libhdf5-dev")
        }
        return .success(())
    }()

    /// Starts the library once and silences it on the calling thread.
    static func prepare() throws(HDF5Error) {
        try state.get()
        _ = H5Eset_auto2(hid_t(H5E_DEFAULT), nil, nil)
    }

    /// Passes a code or an identifier through; a negative one becomes an error with the library's own text.
    @discardableResult
    static func check<Code: SignedInteger>(_ code: Code, _ call: String, _ place: String) throws(HDF5Error) -> Code {
        guard code < 0 else { return code }
        throw HDF5Error(call: call, place: place, reason: errorText())
    }

    /// The error stack of the calling thread: the innermost entry, then the outermost if it says something else.
    private static func errorText() -> String {
        var entries: [String] = []
        withUnsafeMutablePointer(to: &entries) { entries in
            _ = H5Ewalk2(
                hid_t(H5E_DEFAULT), H5E_WALK_UPWARD,
                { _, entry, context in
                    guard let text = entry?.pointee.desc, let context else { return 0 }
                    context.assumingMemoryBound(to: [String].self).pointee.append(String(cString: text))
                    return 0
                }, entries)
        }
        _ = H5Eclear2(hid_t(H5E_DEFAULT))
        guard let innermost = entries.first, let outermost = entries.last else { return "no reason given" }
        if let text = systemError(innermost) { return text }
        let text = entries.count == 1 ? innermost : "\(innermost); \(outermost)"
        return text.printable
    }

    /// `file write failed: time = …, errno = 28, error message = 'No space left on device', …` shortened to what counts.
    private static func systemError(_ text: String) -> String? {
        guard let what = text.split(separator: ":").first,
            let number = text.firstRange(of: "errno = ")?.upperBound,
            let message = text.firstRange(of: "error message = '")?.upperBound
        else { return nil }
        return "\(what): \(text[message...].prefix { $0 != "'" }) (errno = \(text[number...].prefix { $0.isNumber }))"
    }
}

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
