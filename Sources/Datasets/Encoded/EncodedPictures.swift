internal import Diagnostics
internal import HDF5
internal import Report

/// JPEG and PNG files one after the other in a dataset file: where each begins and ends, and what becomes of it.
///
/// ```
/// /train/encoded  (B,) uint8; shape (3,) = height, width, channels of the decoded images; sha256, pixels_sha256
/// /train/offsets  (N + 1,) int64: where each file begins, from 0, and B at the end
/// ```
struct EncodedPictures: Sendable {
    /// The first byte of each file, ascending, and the number of bytes.
    let offsets: [Int]
    let shape: ImageShape
    let preparation: ImagePreparation

    var count: Int { offsets.count - 1 }
    private static let largestSide = 1 << 16
    private static let largestImageBytes = 1 << 28

    /// Reads the table of `bytes`, of a file that says `preprocessing`; of the pictures nothing.
    ///
    /// Throws: `Failure`: 65 for a table or a shape that cannot be, before anything of its size is allocated; `HDF5Error`.
    init(_ bytes: HDF5Dataset, offsetsAt path: String, preprocessing: String?) throws {
        func bad(_ place: String, _ text: String) -> Failure {
            Failure(.badData, "\(place)\(text.hasPrefix("[") ? "" : " ")\(text)")
        }
        guard bytes.shape.count == 1, bytes.elementType == .uint8, bytes.count > 0 else {
            throw bad(
                bytes.place,
                "is \(bytes.elementType) of shape \(bytes.shape), expected the bytes of pictures, (B,) uint8")
        }
        let table = try bytes.file.dataset(path)
        guard table.shape.count == 1, table.elementType.isInteger, table.count >= 2, table.count - 1 <= bytes.count
        else {
            throw bad(
                table.place,
                "is \(table.elementType) of shape \(table.shape), expected (N + 1,) int64 with N in 1…\(bytes.count), the number of "
                    + "bytes")
        }
        // What was never written reads as zeros, of which there can be any number.
        for dataset in [bytes, table] where !dataset.isStored {
            throw bad(dataset.place, "declares \(dataset.count) elements, more than the bytes stored for them can hold")
        }
        let offsets = try table.readIntegers()
        guard offsets[0] == 0, offsets[offsets.count - 1] == bytes.count else {
            throw bad(
                table.place,
                "goes from \(offsets[0]) to \(offsets[offsets.count - 1]), expected 0 to \(bytes.count), the number of bytes"
            )
        }
        if let index = offsets.indices.dropFirst().first(where: { offsets[$0] <= offsets[$0 - 1] }) {
            throw bad(
                table.place,
                "holds \(offsets[index]) at \(index) behind \(offsets[index - 1]), expected numbers that ascend")
        }
        let largestBytes = ImagePreparation.largestEncodedBytes
        if let index = offsets.indices.dropFirst().first(where: { offsets[$0] - offsets[$0 - 1] > largestBytes }) {
            throw bad(
                bytes.place,
                "[\(index - 1)] has \(offsets[index] - offsets[index - 1]) bytes, expected at most \(largestBytes) for a picture"
            )
        }
        self.offsets = offsets.map { Int($0) }

        let declared = try bytes.file.attribute("shape", on: bytes.name)
        guard case .integers(let extents)? = declared, extents.count == 3, [1, 3].contains(extents[2]),
            extents[..<2].allSatisfy({ (1...Int64(Self.largestSide)).contains($0) }),
            extents.reduce(1, *) <= Self.largestImageBytes
        else {
            throw bad(
                bytes.place + "@shape",
                "is \(declared?.description.printable ?? "missing"), expected height, width and 1 or 3 channels of the decoded "
                    + "images")
        }
        shape = ImageShape(height: Int(extents[0]), width: Int(extents[1]), channels: Int(extents[2]))
        preparation = try ImagePreparation(decodingAs: preprocessing ?? "", to: shape) {
            bad("\(bytes.file.path):/@preprocessing", $0)
        }
    }
}

extension ImagePreparation {
    /// How the encoded pictures of a dataset file become pixels of its shape: as its `preprocessing` says. Pictures that have that
    /// size already need say nothing.
    ///
    /// Throws: what `bad` makes of a member whose value is none that is known, since other pixels would come of it.
    fileprivate init(decodingAs recorded: String, to shape: ImageShape, _ bad: (String) -> Failure) throws {
        let members = JSON(parsing: recorded)
        func check(_ key: String, among known: [String]) throws {
            guard let value = members?[key: key], !known.contains(where: { value == .string($0) }) else { return }
            throw bad("has the \(key) \(value.plain.printable), expected \(known.joined(separator: " or "))")
        }
        try check("fit", among: Fit.allCases.map(\.rawValue))
        try check("filter", among: Filter.allCases.map(\.rawValue))
        try check("orientation", among: [Self.asEXIFAsks, Self.asStored])
        let said = ImagePreparation(recorded: recorded)
        self = said ?? ImagePreparation()
        size = said == nil ? nil : Size(width: shape.width, height: shape.height)
        channels = shape.channels
        orients = members?[key: "orientation"] != .string(Self.asStored)
        if let limit = members?[key: Self.largestPixelsKey] {
            guard case .integer(let pixels) = limit, pixels >= 1 else {
                throw bad(
                    "has the \(Self.largestPixelsKey) \(limit.plain.printable), expected a whole number of 1 or more")
            }
            // A file may ask for less than the program allows, not for more.
            largestPixels = min(pixels, largestPixels)
        }
    }
}
