internal import Diagnostics
internal import HDF5

/// What kind of file this is, by the attribute that our formats carry on their root.
package enum FileFormat {
    /// The root attribute `format`; nil in an HDF5 file of another origin.
    /// Throws `Failure`: 66 when the file is missing, 65 when it is not HDF5 or is damaged.
    package static func read(_ path: String) throws -> String? {
        try DatasetFile.requireHDF5(path)
        return try translatingErrors {
            let file = try HDF5File.open(path)
            guard case .string(let name)? = try? file.attribute("format", on: "/") else { return nil }
            return name
        }
    }
}
