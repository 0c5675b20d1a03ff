internal import CHDF5

/// Where the chunks of a dataset lie in its file, and what was done to their bytes: all that reading them without the library takes.
package struct HDF5ChunkTable: Sendable {
    /// In the order in which they are undone here; the library applies them in any.
    package enum Filter: CaseIterable, Equatable, Sendable {
        /// Bytes of equal place in the elements stand together.
        case shuffle
        case deflate
        case fletcher32
    }

    package struct Chunk: Equatable, Sendable {
        /// First byte in the file; nil for a chunk that was never written, which holds the fill value.
        package let offset: Int?
        package let byteCount: Int
        /// Bit i: the i-th filter was left out.
        package let skippedFilters: UInt32
    }

    package let shape: [Int]
    package let chunkShape: [Int]
    /// Chunks along each dimension; the last ones may reach beyond the dataset, and are stored whole.
    package let grid: [Int]
    package let elementBytes: Int
    /// In the order in which they were applied in writing.
    package let filters: [Filter]
    /// In row-major order of the grid.
    package let chunks: [Chunk]
    /// The bytes of an element that was never written.
    package let fillValue: [UInt8]

    /// Bytes of a chunk without filters.
    package var chunkBytes: Int { chunkShape.reduce(elementBytes, *) }
}

extension HDF5Dataset {
    /// Chunks that a file is believed to have, whatever its size; a larger one may have one in eight bytes.
    private static let believedChunkCount = 1 << 16

    /// The table of a chunked dataset of bytes or of float32 in this machine's order; nil where only the library can read it.
    ///
    /// Every chunk lies inside the file. Time: a look-up in the file's index for each chunk, some microseconds.
    package func chunkTable() throws(HDF5Error) -> HDF5ChunkTable? {
        _ = try file.liveIdentifier()
        guard let chunkShape, !shape.isEmpty, isInMachineOrder, elementType == .uint8 || elementType == .float32,
            filterKinds == HDF5ChunkTable.Filter.allCases.filter(filterKinds.contains),
            try file.userBlockBytes() == 0  // which the library (1.10.8) forgets in the chunks' addresses
        else { return nil }
        let elementBytes = elementType == .uint8 ? 1 : 4
        let fileBytes = try file.byteCount()
        let grid = zip(shape, chunkShape).map { extent, chunk in (extent + chunk - 1) / chunk }
        let limit = max(Self.believedChunkCount, fileBytes / 8)
        var count = 1
        for extent in grid {
            guard extent > 0, count <= limit / extent else { return nil }
            count *= extent
        }
        let creation = try HDF5Library.check(H5Dget_create_plist(id), "H5Dget_create_plist", place)
        defer { _ = H5Pclose(creation) }
        var options: UInt32 = 0
        try HDF5Library.check(H5Pget_chunk_opts(creation, &options), "H5Pget_chunk_opts", place)
        let filters = filterKinds
        let chunkBytes = chunkShape.reduce(elementBytes, *)
        // Deflate adds 5 bytes to 16 KiB that it cannot shrink, and a few more; other encoders may do worse.
        let filteredBytes = 1...2 * chunkBytes + 4096
        var chunks: [HDF5ChunkTable.Chunk] = []
        chunks.reserveCapacity(count)
        var cell = [Int](repeating: 0, count: grid.count)
        for _ in 0..<count {
            let isPartial = zip(zip(cell, chunkShape), shape).contains { ($0.0 + 1) * $0.1 > $1 }
            let isUnfiltered = isPartial && options & UInt32(H5D_CHUNK_DONT_FILTER_PARTIAL_CHUNKS) != 0
            chunks.append(
                try chunk(
                    at: zip(cell, chunkShape).map { hsize_t($0 * $1) }, fileBytes: fileBytes,
                    expected: isUnfiltered || filters.isEmpty ? chunkBytes...chunkBytes : filteredBytes,
                    isUnfiltered: isUnfiltered))
            for dimension in grid.indices.reversed() {
                cell[dimension] += 1
                guard cell[dimension] == grid[dimension] else { break }
                cell[dimension] = 0
            }
        }
        return HDF5ChunkTable(
            shape: shape, chunkShape: chunkShape, grid: grid, elementBytes: elementBytes, filters: filters,
            chunks: chunks, fillValue: try fillValue(creation, elementBytes))
    }

    private func chunk(
        at start: [hsize_t], fileBytes: Int, expected: ClosedRange<Int>, isUnfiltered: Bool
    ) throws(HDF5Error) -> HDF5ChunkTable.Chunk {
        var (mask, address, size): (UInt32, haddr_t, hsize_t) = (0, 0, 0)
        try HDF5Library.check(
            H5Dget_chunk_info_by_coord(id, start, &mask, &address, &size), "H5Dget_chunk_info_by_coord", place)
        guard address != CHDF5_undefinedAddress() else {
            return HDF5ChunkTable.Chunk(offset: nil, byteCount: 0, skippedFilters: 0)
        }
        let (offset, byteCount) = (Int(clamping: address), Int(clamping: size))
        guard expected.contains(byteCount), offset <= fileBytes, byteCount <= fileBytes - offset else {
            let coordinates = start.map { String($0) }.joined(separator: ", ")
            throw HDF5Error(
                call: "H5Dget_chunk_info_by_coord", place: place,
                reason:
                    "the chunk at (\(coordinates)) has \(byteCount) bytes at byte \(offset), the file has \(fileBytes)")
        }
        return HDF5ChunkTable.Chunk(
            offset: offset, byteCount: byteCount, skippedFilters: isUnfiltered ? .max : mask)
    }

    private func fillValue(_ creation: hid_t, _ elementBytes: Int) throws(HDF5Error) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: elementBytes)
        var status = H5D_FILL_VALUE_UNDEFINED
        try HDF5Library.check(H5Pfill_value_defined(creation, &status), "H5Pfill_value_defined", place)
        guard status == H5D_FILL_VALUE_USER_DEFINED, let type = elementType.fileType else { return bytes }
        try HDF5Library.check(H5Pget_fill_value(creation, type, &bytes), "H5Pget_fill_value", place)
        return bytes
    }
}
