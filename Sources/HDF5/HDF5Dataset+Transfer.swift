internal import CHDF5

/// Creating, reading and writing datasets. Element types must agree: the library would convert, and clamp, in silence.
extension HDF5File {
    /// Creates an empty dataset, and the groups above it.
    package func createDataset(
        _ path: String, shape: [Int], type: HDF5ElementType, storage: HDF5Storage
    ) throws(HDF5Error) -> HDF5Dataset {
        let object = place(path)
        let id = try liveIdentifier()
        let fileType: hid_t
        if type == .string {
            fileType = try HDF5Strings.variableLengthType(object)
        } else if let known = type.fileType {
            fileType = try HDF5Library.check(H5Tcopy(known), "H5Tcopy", object)
        } else {
            throw HDF5Error(call: "H5Dcreate2", place: object, reason: "the type \(type) is not written")
        }
        defer { _ = H5Tclose(fileType) }
        let space = try HDF5Selection.space(shape, object)
        defer { _ = H5Sclose(space) }
        let creation = try HDF5Library.check(H5Pcreate(CHDF5_propertiesDatasetCreate()), "H5Pcreate", object)
        defer { _ = H5Pclose(creation) }
        try HDF5Library.check(H5Pset_obj_track_times(creation, false), "H5Pset_obj_track_times", object)
        if case .chunked(let chunk, let gzipLevel, let fletcher32) = storage {
            precondition(chunk.count == shape.count, "chunk \(chunk) for shape \(shape)")
            let extents = chunk.map { hsize_t($0) }
            try HDF5Library.check(H5Pset_chunk(creation, Int32(extents.count), extents), "H5Pset_chunk", object)
            if let gzipLevel {
                try HDF5Library.check(H5Pset_deflate(creation, UInt32(gzipLevel)), "H5Pset_deflate", object)
            }
            if fletcher32 { try HDF5Library.check(H5Pset_fletcher32(creation), "H5Pset_fletcher32", object) }
        }
        let links = try linkProperties(path)
        defer { _ = H5Pclose(links) }
        let dataset = H5Dcreate2(id, path, fileType, space, links, creation, hid_t(H5P_DEFAULT))
        return try HDF5Dataset(
            file: self, name: path, adopting: try HDF5Library.check(dataset, "H5Dcreate2", object))
    }

    /// Creates a contiguous dataset and writes all of it.
    package func write<T: HDF5Scalar>(
        _ path: String, shape: [Int], _ values: UnsafeBufferPointer<T>
    ) throws(HDF5Error) {
        let dataset = try createDataset(path, shape: shape, type: T.elementType, storage: .contiguous)
        precondition(dataset.count == values.count, "\(values.count) values for shape \(shape)")
        guard !values.isEmpty else { return }
        try dataset.transfer(T.self, rows: nil) { type, memory, selection in
            H5Dwrite(dataset.id, type, memory, selection, hid_t(H5P_DEFAULT), values.baseAddress)
        }
    }

    package func write<T: HDF5Scalar>(_ path: String, shape: [Int], _ values: [T]) throws(HDF5Error) {
        try values.withUnsafeBufferPointer { (values) throws(HDF5Error) in try write(path, shape: shape, values) }
    }

    /// Creates a row of variable-length UTF-8 strings.
    package func write(_ path: String, strings: [String]) throws(HDF5Error) {
        let dataset = try createDataset(path, shape: [strings.count], type: .string, storage: .contiguous)
        guard !strings.isEmpty else { return }
        let object = place(path)
        guard !strings.contains(where: { $0.utf8.contains(0) }) else {
            throw HDF5Error(call: "H5Dwrite", place: object, reason: "a NUL byte in a string")
        }
        let type = try HDF5Strings.variableLengthType(object)
        defer { _ = H5Tclose(type) }
        // All texts one after the other, each with its NUL, and a pointer to each.
        var texts: [UInt8] = []
        for text in strings { texts += Array(text.utf8) + [0] }
        let code = texts.withUnsafeBufferPointer { texts in
            var start = 0
            let pointers = strings.map { text -> UnsafePointer<UInt8>? in
                defer { start += text.utf8.count + 1 }
                return texts.baseAddress.map { $0 + start }
            }
            return H5Dwrite(
                dataset.id, type, hid_t(H5S_ALL), hid_t(H5S_ALL), hid_t(H5P_DEFAULT), pointers)
        }
        try HDF5Library.check(code, "H5Dwrite", object)
    }
}

extension HDF5Dataset {
    /// Reads all elements into a buffer of exactly their number.
    package func read<T: HDF5Scalar>(into buffer: UnsafeMutableBufferPointer<T>) throws(HDF5Error) {
        precondition(buffer.count == count, "\(place) has \(count) elements, the buffer \(buffer.count)")
        try readElements(rows: nil, into: buffer)
    }

    /// Reads the rows of the outermost dimension in a range.
    package func read<T: HDF5Scalar>(
        rows: Range<Int>, into buffer: UnsafeMutableBufferPointer<T>
    ) throws(HDF5Error) {
        precondition(buffer.count == rows.count * rowCount, "\(rows) of \(place) do not fill \(buffer.count) elements")
        try readElements(rows: rows, into: buffer)
    }

    /// Reads reals of any width as float32, rounded by the library.
    package func readReals(into buffer: UnsafeMutableBufferPointer<Float>) throws(HDF5Error) {
        precondition(buffer.count == count, "\(place) has \(count) elements, the buffer \(buffer.count)")
        guard [.float32, .float64, .other("float16")].contains(elementType) else {
            throw HDF5Error(call: "H5Dget_type", place: place, reason: "is \(elementType), expected real numbers")
        }
        _ = try file.liveIdentifier()
        guard !buffer.isEmpty else { return }
        let code = H5Dread(
            id, CHDF5_typeFloat(), hid_t(H5S_ALL), hid_t(H5S_ALL), hid_t(H5P_DEFAULT), buffer.baseAddress)
        try HDF5Library.check(code, "H5Dread", place)
    }

    /// Reads rows of the outermost dimension of integers or reals of any type as float64, converted by the library.
    package func readNumbers(rows: Range<Int>, into buffer: UnsafeMutableBufferPointer<Double>) throws(HDF5Error) {
        precondition(buffer.count == rows.count * rowCount, "\(rows) of \(place) do not fill \(buffer.count) elements")
        guard elementType.isNumber else {
            throw HDF5Error(call: "H5Dget_type", place: place, reason: "is \(elementType), expected numbers")
        }
        guard !buffer.isEmpty else { return }
        numberReads += 1
        try withSelection(rows: rows) { (memory, selection) throws(HDF5Error) in
            try HDF5Library.check(
                H5Dread(id, CHDF5_typeDouble(), memory, selection, hid_t(H5P_DEFAULT), buffer.baseAddress), "H5Dread",
                place)
        }
    }

    package func readAll<T: HDF5Scalar>(as type: T.Type) throws(HDF5Error) -> [T] {
        try requireType(T.self)
        let buffer = UnsafeMutableBufferPointer<T>.allocate(capacity: count)
        defer { buffer.deallocate() }
        try readElements(rows: nil, into: buffer)
        return Array(buffer)
    }

    /// All elements of any integer type, whatever its width, sign and byte order. Throws for one that a signed 64-bit integer
    /// cannot hold, and for other types.
    package func readIntegers() throws(HDF5Error) -> [Int64] {
        guard elementType.isInteger else {
            throw HDF5Error(call: "H5Dget_type", place: place, reason: "is \(elementType), expected integers")
        }
        // Unsigned ones alone can be too large, and the library would clamp them.
        if case .integer(_, isSigned: false) = elementType {
            return try HDF5Integers.narrowed(try converted(to: CHDF5_typeUInt64(), of: UInt64.self), "H5Dread", place)
        }
        return try converted(to: CHDF5_typeInt64(), of: Int64.self)
    }

    private func converted<T: BitwiseCopyable>(to type: hid_t, of: T.Type) throws(HDF5Error) -> [T] {
        _ = try file.liveIdentifier()
        guard count > 0 else { return [] }
        let buffer = UnsafeMutableBufferPointer<T>.allocate(capacity: count)
        defer { buffer.deallocate() }
        let all = hid_t(H5S_ALL)
        try HDF5Library.check(
            H5Dread(id, type, all, all, hid_t(H5P_DEFAULT), buffer.baseAddress), "H5Dread", place)
        return Array(buffer)
    }

    /// A row of strings of fixed or variable length.
    package func readStrings() throws(HDF5Error) -> [String] {
        guard elementType == .string, shape.count == 1 else {
            throw HDF5Error(
                call: "read strings", place: place,
                reason: "is \(elementType) of \(shape.count) dimensions, expected a row of strings")
        }
        _ = try file.liveIdentifier()
        guard count > 0 else { return [] }
        let type = try HDF5Library.check(H5Dget_type(id), "H5Dget_type", place)
        defer { _ = H5Tclose(type) }
        return try HDF5Strings.read(type: type, count: count, place) { memoryType, buffer in
            H5Dread(id, memoryType, hid_t(H5S_ALL), hid_t(H5S_ALL), hid_t(H5P_DEFAULT), buffer)
        }
    }

    /// Writes the rows of the outermost dimension in a range.
    package func write<T: HDF5Scalar>(
        rows: Range<Int>, _ values: UnsafeBufferPointer<T>
    ) throws(HDF5Error) {
        precondition(values.count == rows.count * rowCount, "\(rows) of \(place) do not take \(values.count) elements")
        guard !values.isEmpty else { return }
        try transfer(T.self, rows: rows) { type, memory, selection in
            H5Dwrite(id, type, memory, selection, hid_t(H5P_DEFAULT), values.baseAddress)
        }
    }

    private var rowCount: Int { shape.dropFirst().reduce(1, *) }

    private func readElements<T: HDF5Scalar>(
        rows: Range<Int>?, into buffer: UnsafeMutableBufferPointer<T>
    ) throws(HDF5Error) {
        try requireType(T.self)
        guard !buffer.isEmpty else { return }
        try transfer(T.self, rows: rows) { type, memory, selection in
            H5Dread(id, type, memory, selection, hid_t(H5P_DEFAULT), buffer.baseAddress)
        }
    }

    func requireType<T: HDF5Scalar>(_ type: T.Type) throws(HDF5Error) {
        guard elementType == T.elementType else {
            throw HDF5Error(
                call: "H5Dget_type", place: place, reason: "is \(elementType), expected \(T.elementType)")
        }
    }

    /// Runs one read or write of all elements or of some rows, with the memory type and both selections.
    func transfer<T: HDF5Scalar>(
        _ type: T.Type, rows: Range<Int>?, _ body: (hid_t, hid_t, hid_t) -> herr_t
    ) throws(HDF5Error) {
        _ = try file.liveIdentifier()
        try requireType(T.self)
        guard let memoryType = T.elementType.fileType else { return }
        guard let rows else {
            try HDF5Library.check(body(memoryType, hid_t(H5S_ALL), hid_t(H5S_ALL)), "H5Dread/H5Dwrite", place)
            return
        }
        try withSelection(rows: rows) { (memory, selection) throws(HDF5Error) in
            try HDF5Library.check(body(memoryType, memory, selection), "H5Dread/H5Dwrite", place)
        }
    }

    /// Calls `body` with the data spaces of some rows in memory and in the file.
    private func withSelection(
        rows: Range<Int>, _ body: (_ memory: hid_t, _ selection: hid_t) throws(HDF5Error) -> Void
    ) throws(HDF5Error) {
        _ = try file.liveIdentifier()
        precondition(!shape.isEmpty && rows.lowerBound >= 0 && rows.upperBound <= shape[0], "\(rows) of \(shape)")
        let selection = try HDF5Library.check(H5Dget_space(id), "H5Dget_space", place)
        defer { _ = H5Sclose(selection) }
        var start = [hsize_t](repeating: 0, count: shape.count)
        start[0] = hsize_t(rows.lowerBound)
        let extents = [hsize_t(rows.count)] + shape.dropFirst().map { hsize_t($0) }
        try HDF5Library.check(
            H5Sselect_hyperslab(selection, H5S_SELECT_SET, start, nil, extents, nil), "H5Sselect_hyperslab", place)
        let memory = try HDF5Selection.space(extents.map { Int($0) }, place)
        defer { _ = H5Sclose(memory) }
        try body(memory, selection)
    }
}

enum HDF5Integers {
    static func narrowed(_ wide: [UInt64], _ call: String, _ place: String) throws(HDF5Error) -> [Int64] {
        var numbers = [Int64](repeating: 0, count: wide.count)
        for (index, number) in wide.enumerated() {
            guard let narrow = Int64(exactly: number) else {
                throw HDF5Error(call: call, place: place, reason: "\(number) is beyond a 64-bit signed integer")
            }
            numbers[index] = narrow
        }
        return numbers
    }
}

enum HDF5Selection {
    /// A data space of a shape, scalar for none; the caller closes it.
    static func space(_ shape: [Int], _ place: String) throws(HDF5Error) -> hid_t {
        guard !shape.isEmpty else { return try HDF5Library.check(H5Screate(H5S_SCALAR), "H5Screate", place) }
        let extents = shape.map { hsize_t($0) }
        return try HDF5Library.check(
            H5Screate_simple(Int32(extents.count), extents, nil), "H5Screate_simple", place)
    }
}
