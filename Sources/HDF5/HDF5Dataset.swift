internal import CHDF5

/// An open dataset: its shape, its type and where its bytes lie.
///
/// Opening refuses what could read outside the file or ask for absurd memory: more than five dimensions, external
/// storage, virtual layout, filters other than gzip, shuffle and Fletcher32, and more bytes than the file can hold.
package final class HDF5Dataset {
    package let name: String
    package let shape: [Int]
    package let elementType: HDF5ElementType
    /// One unfiltered run of bytes.
    package let isContiguous: Bool
    /// The chunk's shape, nil when not chunked.
    package let chunkShape: [Int]?
    package let filters: [String]
    let filterKinds: [HDF5ChunkTable.Filter]
    /// Whether as many bytes are stored as its elements can come of; false for what was declared and never written.
    package let isStored: Bool
    /// Whether numbers lie in the file as they do in memory.
    let isInMachineOrder: Bool
    /// First byte of the data in the file: the data can be mapped. Nil when nothing is allocated yet, when the data is not
    /// contiguous, and when its bytes are not in this machine's order.
    package let fileOffset: Int?

    /// How often numbers were asked of the library, which unpacks every chunk of a question anew.
    package internal(set) var numberReads = 0

    package let file: HDF5File
    let id: hid_t
    static let largestRank = 5
    static let largestChunkBytes = 1 << 30
    private static let largestReadElements = 1 << 25
    /// Deflate shrinks by at most 1032; what claims more has no data behind it.
    static let largestCompression = 1100

    /// Number of elements.
    package var count: Int { shape.reduce(1, *) }
    /// File and name, for messages.
    package var place: String { file.place(name) }

    /// Takes over the identifier of a dataset, also when it throws.
    init(file: HDF5File, name: String, adopting id: hid_t) throws(HDF5Error) {
        let description: HDF5DatasetDescription
        do {
            description = try HDF5DatasetDescription(of: id, in: file, name: name)
        } catch {
            _ = H5Dclose(id)
            throw error
        }
        self.file = file
        self.id = id
        self.name = name
        shape = description.shape
        elementType = description.elementType
        isContiguous = description.isContiguous
        chunkShape = description.chunkShape
        filters = description.filters
        filterKinds = description.filterKinds
        isStored = description.isStored
        isInMachineOrder = description.isInMachineOrder
        fileOffset = description.fileOffset
    }

    deinit {
        // The file takes its datasets along when it is closed first.
        if file.id >= 0 { _ = H5Dclose(id) }
    }

    /// How many rows of the outermost dimension are read together: at least so many, and all that share a row of chunks, so that
    /// no chunk is unpacked twice; but no such row that would take more than `largestReadElements`.
    package func rowsPerRead(atLeast rows: Int) -> Int {
        let least = max(1, rows)
        let chunk = min(chunkShape?.first ?? 1, shape.first ?? 1)
        let together = (least + chunk - 1) / max(1, chunk) * max(1, chunk)
        return together <= Self.largestReadElements / max(1, shape.dropFirst().reduce(1, *)) ? together : least
    }

    /// `contiguous`, `compact`, or `chunks of 1×28×28×1, gzip, fletcher32`.
    package var storageDescription: String {
        guard let chunkShape else { return isContiguous ? "contiguous" : "compact" }
        return (["chunks of \(chunkShape.map(String.init).joined(separator: "×"))"] + filters).joined(separator: ", ")
    }
}

/// What opening a dataset finds out and insists on.
struct HDF5DatasetDescription {
    var shape: [Int] = []
    var elementType: HDF5ElementType
    var isContiguous = false
    var chunkShape: [Int]?
    var filters: [String] = []
    var filterKinds: [HDF5ChunkTable.Filter] = []
    var isStored = false
    var isInMachineOrder = false
    var fileOffset: Int?

    init(of id: hid_t, in file: HDF5File, name: String) throws(HDF5Error) {
        let place = file.place(name)
        func refused(_ call: String, _ reason: String) -> HDF5Error {
            HDF5Error(call: call, place: place, reason: reason)
        }

        let space = try HDF5Library.check(H5Dget_space(id), "H5Dget_space", place)
        defer { _ = H5Sclose(space) }
        guard H5Sget_simple_extent_type(space) != H5S_NULL else { throw refused("H5Dget_space", "holds no data") }
        let rank = Int(try HDF5Library.check(H5Sget_simple_extent_ndims(space), "H5Sget_simple_extent_ndims", place))
        guard rank <= HDF5Dataset.largestRank else {
            throw refused("H5Dget_space", "has \(rank) dimensions, expected at most \(HDF5Dataset.largestRank)")
        }
        var extents = [hsize_t](repeating: 0, count: max(rank, 1))
        try HDF5Library.check(H5Sget_simple_extent_dims(space, &extents, nil), "H5Sget_simple_extent_dims", place)

        let type = try HDF5Library.check(H5Dget_type(id), "H5Dget_type", place)
        defer { _ = H5Tclose(type) }
        let (element, isLittleEndian) = HDF5ElementType.describing(type)
        elementType = element
        isInMachineOrder = isLittleEndian
        let elementBytes = H5Tget_size(type)
        let extentsText = extents.prefix(rank).map { String($0) }.joined(separator: "×")
        guard let declared = Self.product(extents.prefix(rank), elementBytes) else {
            throw refused(
                "H5Dget_space", "declares \(extentsText) elements of \(elementBytes) bytes, too many to count")
        }
        shape = extents.prefix(rank).map { Int($0) }

        let creation = try HDF5Library.check(H5Dget_create_plist(id), "H5Dget_create_plist", place)
        defer { _ = H5Pclose(creation) }
        (filters, filterKinds) = try Self.filters(creation, place)
        let fileBytes = try file.byteCount()
        let layout = H5Pget_layout(creation)
        let stored = Int(clamping: H5Dget_storage_size(id))
        isStored = stored > 0 && declared / HDF5Dataset.largestCompression <= stored
        // The library copies as many bytes as the extents declare, out of memory that holds what was stored (1.10.8).
        guard layout == H5D_CHUNKED || !file.isReadOnly || stored >= declared || stored == 0 && layout != H5D_COMPACT
        else {
            throw refused(
                "H5Dget_storage_size",
                "declares \(extentsText) \(element) = \(declared) bytes, and \(stored) are stored")
        }
        switch layout {
        case H5D_CONTIGUOUS:
            guard try HDF5Library.check(H5Pget_external_count(creation), "H5Pget_external_count", place) == 0 else {
                throw refused("H5Pget_external_count", "keeps its data in another file; external storage is not read")
            }
            isContiguous = true
            let offset = H5Dget_offset(id)
            let start = offset == CHDF5_undefinedAddress() ? nil : Int(clamping: offset)
            // Data of our own that is not written yet has no place in the file.
            if file.isReadOnly || start != nil {
                let fits = (start ?? 0) <= fileBytes && declared <= fileBytes - (start ?? 0)
                guard fits else {
                    let place = start.map { " at byte \($0)" } ?? ""
                    throw refused(
                        "H5Dget_offset",
                        "declares \(extentsText) \(element) = \(declared) bytes\(place), the file has \(fileBytes)")
                }
            }
            if isLittleEndian, element != .string { fileOffset = start }
        case H5D_CHUNKED:
            var chunk = [hsize_t](repeating: 0, count: max(rank, 1))
            try HDF5Library.check(H5Pget_chunk(creation, Int32(chunk.count), &chunk), "H5Pget_chunk", place)
            guard let chunkBytes = Self.product(chunk[...], elementBytes), chunkBytes <= HDF5Dataset.largestChunkBytes
            else {
                throw refused("H5Pget_chunk", "has chunks of more than \(HDF5Dataset.largestChunkBytes) bytes")
            }
            guard !file.isReadOnly || declared / HDF5Dataset.largestCompression <= fileBytes else {
                throw refused(
                    "H5Dget_space", "declares \(extentsText) \(element) = \(declared) bytes, the file has \(fileBytes)")
            }
            chunkShape = chunk.map { Int(clamping: $0) }
        case H5D_COMPACT:
            break
        default:
            throw refused("H5Pget_layout", "is assembled from other datasets; virtual layout is not read")
        }
    }

    /// Bytes of a shape; nil beyond what an `Int` counts.
    private static func product(_ extents: ArraySlice<hsize_t>, _ elementBytes: Int) -> Int? {
        var bytes = elementBytes
        for extent in extents {
            guard let extent = Int(exactly: extent) else { return nil }
            let (next, overflow) = bytes.multipliedReportingOverflow(by: extent)
            guard !overflow else { return nil }
            bytes = next
        }
        return bytes
    }

    private static func filters(_ creation: hid_t, _ place: String) throws(HDF5Error) -> (
        [String], [HDF5ChunkTable.Filter]
    ) {
        let count = try HDF5Library.check(H5Pget_nfilters(creation), "H5Pget_nfilters", place)
        var (names, kinds) = ([String](), [HDF5ChunkTable.Filter]())
        for index in 0..<UInt32(count) {
            var flags: UInt32 = 0
            var valueCount = 8
            var values = [UInt32](repeating: 0, count: 8)
            var configuration: UInt32 = 0
            let filter = H5Pget_filter2(creation, index, &flags, &valueCount, &values, 0, nil, &configuration)
            switch Int(try HDF5Library.check(filter, "H5Pget_filter2", place)) {
            case Int(H5Z_FILTER_DEFLATE):
                names.append("gzip \(values[0])")
                kinds.append(.deflate)
            case Int(H5Z_FILTER_SHUFFLE):
                names.append("shuffle")
                kinds.append(.shuffle)
            case Int(H5Z_FILTER_FLETCHER32):
                names.append("fletcher32")
                kinds.append(.fletcher32)
            case let other:
                throw HDF5Error(
                    call: "H5Pget_filter2", place: place,
                    reason: "is stored through filter \(other); only gzip, shuffle and fletcher32 are read")
            }
        }
        return (names, kinds)
    }
}
