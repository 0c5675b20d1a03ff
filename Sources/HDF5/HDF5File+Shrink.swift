internal import CHDF5
internal import Glibc

/// Giving back rows that turned out not to be needed.
extension HDF5File {
    /// Keeps the first rows of a dataset that this program has written and that nobody holds open; attributes are lost.
    ///
    /// Contiguous data stays where it lies: the dataset is removed and made again over the same bytes. Little data goes through
    /// memory, since the library puts it wherever there is room.
    package func shrink(_ name: String, toRows rows: Int, as storage: HDF5Storage) throws(HDF5Error) {
        let old = try facts(of: name)
        precondition((1...old.shape[0]).contains(rows), "\(rows) rows of \(old.shape)")
        guard case .contiguous = storage else { return try setRows(rows, of: name) }
        var shape = old.shape
        shape[0] = rows
        var first = [UInt8](repeating: 0, count: shape.dropFirst().reduce(1, *) * old.elementBytes)
        guard let start = old.offset else {
            throw HDF5Error(call: "shrink", place: place(name), reason: "has no place")
        }
        if rows * first.count <= Self.littleBytes {
            let kept = try bytes(of: name, rows: rows, count: rows * first.count)
            try remove(name)
            try createDataset(name, shape: shape, type: old.elementType, storage: storage).write(rows: rows, kept)
            return
        }
        try HDF5Library.check(H5Fflush(try liveIdentifier(), H5F_SCOPE_LOCAL), "H5Fflush", place(name))
        let descriptor = Glibc.open(path, O_RDWR | O_CLOEXEC)
        guard descriptor >= 0 else { throw failed("open", name) }
        defer { Glibc.close(descriptor) }
        try transfer(name) { pread(descriptor, &first, first.count, off_t(start)) == first.count }

        try remove(name)
        // Space is taken with the first row, which is written back as it was.
        try createDataset(name, shape: shape, type: old.elementType, storage: storage).write(rows: 1, first)
        guard let newStart = try facts(of: name).offset, newStart <= start else {
            throw HDF5Error(call: "shrink", place: place(name), reason: "the library chose another place")
        }
        guard newStart < start else { return }
        let pieceBytes = 1 << 20
        var piece = [UInt8](repeating: 0, count: pieceBytes)
        let end = first.count * rows
        var position = first.count
        while position < end {
            let count = min(pieceBytes, end - position)
            try transfer(name) {
                pread(descriptor, &piece, count, off_t(start + position)) == count
                    && pwrite(descriptor, piece, count, off_t(newStart + position)) == count
            }
            position += count
        }
    }

    private static let littleBytes = 1 << 22

    private func remove(_ name: String) throws(HDF5Error) {
        try HDF5Library.check(H5Ldelete(try liveIdentifier(), name, hid_t(H5P_DEFAULT)), "H5Ldelete", place(name))
    }

    private func bytes(of name: String, rows: Int, count: Int) throws(HDF5Error) -> [UInt8] {
        let dataset = try dataset(name)
        guard dataset.elementType == .float32 else {
            var bytes = [UInt8](repeating: 0, count: count)
            try bytes.withUnsafeMutableBufferPointer { (buffer) throws(HDF5Error) in
                try dataset.read(rows: 0..<rows, into: buffer)
            }
            return bytes
        }
        var values = [Float](repeating: 0, count: count / 4)
        try values.withUnsafeMutableBufferPointer { (buffer) throws(HDF5Error) in
            try dataset.read(rows: 0..<rows, into: buffer)
        }
        return values.withUnsafeBytes { Array($0) }
    }

    private func facts(
        of name: String
    ) throws(HDF5Error) -> (shape: [Int], elementType: HDF5ElementType, elementBytes: Int, offset: Int?) {
        let dataset = try dataset(name)
        return (dataset.shape, dataset.elementType, dataset.elementType == .uint8 ? 1 : 4, dataset.fileOffset)
    }

    private func setRows(_ rows: Int, of name: String) throws(HDF5Error) {
        let dataset = try dataset(name)
        let extents = ([rows] + dataset.shape.dropFirst()).map { hsize_t($0) }
        try HDF5Library.check(H5Dset_extent(dataset.id, extents), "H5Dset_extent", place(name))
    }

    private func transfer(_ name: String, _ body: () -> Bool) throws(HDF5Error) {
        guard body() else { throw failed("move", name) }
    }

    private func failed(_ call: String, _ name: String) -> HDF5Error {
        HDF5Error(call: call, place: place(name), reason: "\(String(cString: strerror(errno))) (errno = \(errno))")
    }
}

extension HDF5Dataset {
    /// Writes the first rows from their bytes.
    fileprivate func write(rows: Int, _ bytes: [UInt8]) throws(HDF5Error) {
        switch elementType {
        case .float32:
            let values = bytes.withUnsafeBytes { Array($0.bindMemory(to: Float.self)) }
            try values.withUnsafeBufferPointer { (values) throws(HDF5Error) in try write(rows: 0..<rows, values) }
        default:
            try bytes.withUnsafeBufferPointer { (values) throws(HDF5Error) in try write(rows: 0..<rows, values) }
        }
    }
}
