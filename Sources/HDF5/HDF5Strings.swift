internal import CHDF5
internal import Glibc

/// Strings between Swift and the library's two representations: fixed length with padding, and pointers.
enum HDF5Strings {
    /// The type of all strings that we write: variable length, UTF-8. The caller closes it.
    static func variableLengthType(_ place: String) throws(HDF5Error) -> hid_t {
        let type = try HDF5Library.check(H5Tcopy(CHDF5_typeCString()), "H5Tcopy", place)
        do {
            try HDF5Library.check(H5Tset_size(type, CHDF5_variableLength()), "H5Tset_size", place)
            try HDF5Library.check(H5Tset_cset(type, H5T_CSET_UTF8), "H5Tset_cset", place)
        } catch {
            _ = H5Tclose(type)
            throw error
        }
        return type
    }

    /// Reads `count` strings of the file's type through `transfer`, which gets the memory type and the buffer.
    static func read(
        type: hid_t, count: Int, _ place: String,
        _ transfer: (hid_t, UnsafeMutableRawPointer) -> herr_t
    ) throws(HDF5Error) -> [String] {
        let isVariable = try HDF5Library.check(H5Tis_variable_str(type), "H5Tis_variable_str", place) > 0
        return isVariable
            ? try readVariable(type: type, count: count, place, transfer)
            : try readFixed(type: type, count: count, place, transfer)
    }

    private static func readVariable(
        type: hid_t, count: Int, _ place: String, _ transfer: (hid_t, UnsafeMutableRawPointer) -> herr_t
    ) throws(HDF5Error) -> [String] {
        let pointers = UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>.allocate(capacity: count)
        pointers.initialize(repeating: nil, count: count)
        defer {
            for index in 0..<count { _ = H5free_memory(pointers[index]) }
            pointers.deallocate()
        }
        try HDF5Library.check(transfer(type, pointers), "read strings", place)
        var strings: [String] = []
        for index in 0..<count {
            let text = pointers[index]
            let bytes = UnsafeRawBufferPointer(start: text, count: text.map { strlen($0) } ?? 0)
            strings.append(try decoded(bytes, index, place))
        }
        return strings
    }

    private static func readFixed(
        type: hid_t, count: Int, _ place: String, _ transfer: (hid_t, UnsafeMutableRawPointer) -> herr_t
    ) throws(HDF5Error) -> [String] {
        let width = H5Tget_size(type)
        let (byteCount, overflow) = width.multipliedReportingOverflow(by: count)
        guard width > 0, !overflow, byteCount <= 1 << 28 else {
            throw HDF5Error(
                call: "H5Tget_size", place: place, reason: "\(count) strings of \(width) bytes are too much")
        }
        let isSpacePadded = H5Tget_strpad(type) == H5T_STR_SPACEPAD
        var bytes = [UInt8](repeating: 0, count: max(byteCount, 1))
        try HDF5Library.check(bytes.withUnsafeMutableBytes { transfer(type, $0.baseAddress!) }, "read strings", place)
        var strings: [String] = []
        for index in 0..<count {
            var text = bytes[index * width..<(index + 1) * width]
            if isSpacePadded {
                while text.last == UInt8(ascii: " ") { text.removeLast() }
            } else {
                text = text.prefix { $0 != 0 }
            }
            strings.append(try decoded(text, index, place))
        }
        return strings
    }

    private static func decoded(
        _ bytes: some Sequence<UInt8>, _ index: Int, _ place: String
    ) throws(HDF5Error) -> String {
        guard let text = String(validating: bytes, as: UTF8.self) else {
            throw HDF5Error(call: "read strings", place: place, reason: "string \(index) is not UTF-8")
        }
        return text
    }
}
