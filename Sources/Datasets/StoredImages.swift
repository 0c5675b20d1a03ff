internal import Diagnostics
internal import HDF5

/// Images of an HDF5 file, labelled or not: a split of a dataset file, or what can be images in a file that others wrote.
package struct StoredImages {
    /// `test`; in others' files perhaps another name.
    package let name: String
    /// Without labels.
    package let images: DatasetSplit
    /// What they were called in their source; empty where the file does not say it.
    package let names: [String]

    /// All images of a file, in byte order of the names; with `split` those of one name.
    ///
    /// Throws: `Failure`: what opening the file throws; 65 where it holds no images.
    package static func all(in path: String, split: String? = nil) throws -> [StoredImages] {
        if try FileFormat.read(path) != nil {
            let file = try DatasetFile(path: path)
            let chosen = try self.chosen(file.splitNames.map { ($0, $0) }, split, path)
            return try chosen.map {
                StoredImages(name: $0.name, images: try file.split($0.part), names: try file.sampleNames(of: $0.part))
            }
        }
        return try translatingErrors {
            let file = try HDF5File.open(path)
            let detection = try RoleDetection([file])
            return try chosen(detection.allImages().map { ($0.name, $0.images) }, split, path).map { name, entry in
                let images = try ForeignImages(try detection.dataset(entry), nil, .standard)
                let header = DatasetSplitHeader(name: name, images: images, labels: [])
                let storage = try SplitPixels(header, in: file, .streamed, .standard).storage()
                return StoredImages(
                    name: name, images: DatasetSplit(header, storage: storage),
                    names: try header.sampleNames(in: file))
            }
        }
    }

    private static func chosen<Part>(
        _ parts: [(name: String, part: Part)], _ split: String?, _ path: String
    ) throws -> [(name: String, part: Part)] {
        guard let split else { return parts }
        let chosen = parts.filter { $0.name == split }
        guard !chosen.isEmpty else {
            throw Failure(
                .badData,
                "\(path): has no images of the name \(split), expected one of "
                    + parts.map(\.name.printable).joined(separator: ", "))
        }
        return chosen
    }
}
