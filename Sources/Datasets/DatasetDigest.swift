internal import Digests

/// The digest that says whether two dataset files hold the same data; `DatasetFile.digest` describes its lines.
enum DatasetDigest {
    static func compute(
        classes: [String], headers: [DatasetSplitHeader], imageDigests: [String]
    ) -> String {
        var hash = SHA256()
        hash.update("\(DatasetFileFormat.name) \(DatasetFileFormat.version)\nclasses \(classes.count)\n")
        for name in classes { hash.update("\(name.utf8.count) \(name)\n") }
        for (header, imageDigest) in zip(headers, imageDigests) {
            hash.update("split \(header.name)\n")
            hash.update("images \(([header.count] + header.extents).map(String.init).joined(separator: " ")) ")
            hash.update("\(header.pixelType.rawValue)\n")
            hash.update("mean\(bits(header.mean))\nstd\(bits(header.std))\n")
            hash.update("images-sha256 \(imageDigest)\nlabels-sha256 \(header.labelDigest)\n")
            header.labels.map { Int64($0).littleEndian }.withUnsafeBytes { hash.update($0) }
        }
        return hash.hexadecimal()
    }

    private static func bits(_ values: [Float]) -> String {
        values.map { " " + String($0.bitPattern, radix: 16) }.joined()
    }
}
