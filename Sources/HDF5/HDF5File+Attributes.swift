internal import CHDF5
internal import Glibc

/// Attributes of a file's objects: UTF-8 strings, integers and reals, alone or in a row.
extension HDF5File {
    /// Adds an attribute; one of that name must not exist.
    package func setAttribute(_ name: String, on path: String, _ value: HDF5Value) throws(HDF5Error) {
        let location = "\(place(path))@\(name)"
        let object = try openObject(path)
        defer { _ = H5Oclose(object) }
        switch value {
        case .string(let text):
            guard !text.utf8.contains(0) else {
                throw HDF5Error(call: "H5Acreate2", place: location, reason: "a NUL byte in the text")
            }
            let type = try HDF5Strings.variableLengthType(location)
            defer { _ = H5Tclose(type) }
            let bytes = Array(text.utf8) + [0]
            try bytes.withUnsafeBufferPointer { (bytes) throws(HDF5Error) in
                try withUnsafePointer(to: bytes.baseAddress) { (pointer) throws(HDF5Error) in
                    try writeAttribute(name, on: object, type: type, count: nil, pointer, location)
                }
            }
        case .integer(let number):
            try withUnsafePointer(to: number) { (pointer) throws(HDF5Error) in
                try writeAttribute(name, on: object, type: CHDF5_typeInt64(), count: nil, pointer, location)
            }
        case .real(let number):
            try withUnsafePointer(to: number) { (pointer) throws(HDF5Error) in
                try writeAttribute(name, on: object, type: CHDF5_typeDouble(), count: nil, pointer, location)
            }
        case .integers(let numbers):
            try writeRow(name, on: object, type: CHDF5_typeInt64(), numbers, location)
        case .reals(let numbers):
            try writeRow(name, on: object, type: CHDF5_typeDouble(), numbers, location)
        case .empty:
            throw HDF5Error(call: "H5Acreate2", place: location, reason: "an attribute without a value is not written")
        }
    }

    /// The value of an attribute, nil when there is none. Strings may be of fixed or variable length, numbers of any width.
    package func attribute(_ name: String, on path: String) throws(HDF5Error) -> HDF5Value? {
        let location = "\(place(path))@\(name)"
        let object = try openObject(path)
        defer { _ = H5Oclose(object) }
        guard try HDF5Library.check(H5Aexists(object, name), "H5Aexists", location) > 0 else { return nil }
        let attribute = try HDF5Library.check(H5Aopen(object, name, hid_t(H5P_DEFAULT)), "H5Aopen", location)
        defer { _ = H5Aclose(attribute) }
        let type = try HDF5Library.check(H5Aget_type(attribute), "H5Aget_type", location)
        defer { _ = H5Tclose(type) }
        let space = try HDF5Library.check(H5Aget_space(attribute), "H5Aget_space", location)
        defer { _ = H5Sclose(space) }
        guard H5Sget_simple_extent_type(space) != H5S_NULL else { return .empty }
        let rank = try HDF5Library.check(H5Sget_simple_extent_ndims(space), "H5Sget_simple_extent_ndims", location)
        let count = try HDF5Library.check(H5Sget_simple_extent_npoints(space), "H5Sget_simple_extent_npoints", location)
        guard rank <= 1, count <= 1 << 20 else {
            throw HDF5Error(
                call: "H5Aget_space", place: location,
                reason: "has rank \(rank) and \(count) elements; expected one value or one row of at most 1048576")
        }
        switch H5Tget_class(type) {
        case H5T_STRING:
            guard count == 1 else {
                throw HDF5Error(call: "H5Aread", place: location, reason: "has \(count) strings, expected one")
            }
            let strings = try HDF5Strings.read(type: type, count: 1, location) { memoryType, buffer in
                H5Aread(attribute, memoryType, buffer)
            }
            return .string(strings.first ?? "")
        case H5T_INTEGER:
            let numbers = try readIntegers(attribute, type: type, count: Int(count), location)
            return rank == 0 && count == 1 ? .integer(numbers[0]) : .integers(numbers)
        case H5T_FLOAT:
            var numbers = [Double](repeating: 0, count: Int(count))
            if count > 0 {
                try HDF5Library.check(H5Aread(attribute, CHDF5_typeDouble(), &numbers), "H5Aread", location)
            }
            return rank == 0 && count == 1 ? .real(numbers[0]) : .reals(numbers)
        default:
            let found = HDF5ElementType.describing(type).type
            throw HDF5Error(
                call: "H5Aread", place: location, reason: "is of type \(found), expected a string or numbers")
        }
    }

    /// The names of an object's attributes, sorted by their UTF-8 bytes.
    package func attributeNames(on path: String) throws(HDF5Error) -> [String] {
        let object = try openObject(path)
        defer { _ = H5Oclose(object) }
        var names: [String] = []
        let code = withUnsafeMutablePointer(to: &names) { names in
            H5Aiterate2(
                object, H5_INDEX_NAME, H5_ITER_INC, nil,
                { _, name, _, context in
                    guard let name, let context else { return -1 }
                    context.assumingMemoryBound(to: [String].self).pointee.append(String(cString: name))
                    return 0
                }, names)
        }
        try HDF5Library.check(code, "H5Aiterate2", place(path))
        return names.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
    }

    private func readIntegers(
        _ attribute: hid_t, type: hid_t, count: Int, _ location: String
    ) throws(HDF5Error) -> [Int64] {
        var numbers = [Int64](repeating: 0, count: count)
        guard count > 0 else { return [] }
        guard H5Tget_sign(type) == H5T_SGN_NONE else {
            try HDF5Library.check(H5Aread(attribute, CHDF5_typeInt64(), &numbers), "H5Aread", location)
            return numbers
        }
        // The library would clamp what does not fit.
        var wide = [UInt64](repeating: 0, count: count)
        try HDF5Library.check(H5Aread(attribute, CHDF5_typeUInt64(), &wide), "H5Aread", location)
        return try HDF5Integers.narrowed(wide, "H5Aread", location)
    }

    private func writeRow<T>(
        _ name: String, on object: hid_t, type: hid_t, _ numbers: [T], _ location: String
    ) throws(HDF5Error) {
        try numbers.withUnsafeBufferPointer { (numbers) throws(HDF5Error) in
            // An empty row has no storage, and the library still wants an address.
            var nothing: UInt64 = 0
            try withUnsafePointer(to: &nothing) { (nothing) throws(HDF5Error) in
                let start = numbers.baseAddress.map { UnsafeRawPointer($0) } ?? UnsafeRawPointer(nothing)
                try writeAttribute(name, on: object, type: type, count: numbers.count, start, location)
            }
        }
    }

    private func writeAttribute(
        _ name: String, on object: hid_t, type: hid_t, count: Int?, _ value: UnsafeRawPointer, _ location: String
    ) throws(HDF5Error) {
        let space: hid_t
        if let count {
            var extent = hsize_t(count)
            space = try HDF5Library.check(H5Screate_simple(1, &extent, nil), "H5Screate_simple", location)
        } else {
            space = try HDF5Library.check(H5Screate(H5S_SCALAR), "H5Screate", location)
        }
        defer { _ = H5Sclose(space) }
        let attribute = try HDF5Library.check(
            H5Acreate2(object, name, type, space, hid_t(H5P_DEFAULT), hid_t(H5P_DEFAULT)), "H5Acreate2", location)
        let code = H5Awrite(attribute, type, value)
        do {
            try HDF5Library.check(code, "H5Awrite", location)
        } catch {
            _ = H5Aclose(attribute)
            throw error
        }
        try HDF5Library.check(H5Aclose(attribute), "H5Aclose", location)
    }
}
