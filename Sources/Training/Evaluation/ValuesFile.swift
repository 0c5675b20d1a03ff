internal import Diagnostics
internal import Files
internal import HDF5
internal import Interchange
package import Tensors

/// Values of layers for other programs: one as NumPy's `.npy`, several as datasets of an HDF5 file, under their names.
package enum ValuesFile {
    package typealias Named = (name: String, shape: Shape, values: [Float])

    private static let numPy = ".npy"
    private static let hdf5 = [".h5", ".hdf5"]

    /// Throws: `Failure(.usage)` for a name that says nothing known, or that so many values do not go into.
    package static func requireName(_ path: String, option: String, count: Int) throws {
        let name = path.lowercased()
        guard name.hasSuffix(numPy) || hdf5.contains(where: name.hasSuffix) else {
            throw Failure(.usage, "\(option) \(path): expected a name that ends in .npy or .h5")
        }
        guard count == 1 || !name.hasSuffix(numPy) else {
            throw Failure(
                .usage, "\(option) \(path): holds one array, found \(count); a name that ends in .h5 takes several")
        }
    }

    /// Writes one file, whole or not at all. Throws: `Failure`.
    package static func write(_ values: [Named], to path: String) throws {
        if let only = values.first, path.lowercased().hasSuffix(numPy) {
            let file = try TemporaryFile(for: path)
            try NPYWriter.write(only.values, shape: only.shape.dimensions, to: file)
            return try file.commit()
        }
        do {
            let file = try HDF5File.createInMemory(name: FilePath.name(of: path))
            for (name, shape, values) in values {
                try file.write("/\(name)", shape: shape.dimensions, values)
            }
            try file.withImage { try DurableFile.write([$0], to: path) }
            try file.close()
        } catch let error as HDF5Error {
            throw Failure(.internalError, "\(path): \(error)")
        }
    }
}
