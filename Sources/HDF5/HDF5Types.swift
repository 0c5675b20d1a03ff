internal import CHDF5

/// A number type that moves between memory and a file without conversion of its value.
package protocol HDF5Scalar: BitwiseCopyable, Sendable {
    static var elementType: HDF5ElementType { get }
}

extension UInt8: HDF5Scalar { package static var elementType: HDF5ElementType { .uint8 } }
extension Int32: HDF5Scalar { package static var elementType: HDF5ElementType { .int32 } }
extension Int64: HDF5Scalar { package static var elementType: HDF5ElementType { .int64 } }
extension Float: HDF5Scalar { package static var elementType: HDF5ElementType { .float32 } }
extension Double: HDF5Scalar { package static var elementType: HDF5ElementType { .float64 } }

/// What the elements of a dataset are, whatever their byte order.
package enum HDF5ElementType: Equatable, Sendable, CustomStringConvertible {
    case uint8, int32, int64, float32, float64, string
    /// An integer of another width or sign, which only `readIntegers` takes.
    case integer(bits: Int, isSigned: Bool)
    /// A type that this program does not read, in words.
    case other(String)

    package var isInteger: Bool {
        switch self {
        case .uint8, .int32, .int64, .integer: true
        case .float32, .float64, .string, .other: false
        }
    }

    /// An integer or a real number of a width that the library converts.
    package var isNumber: Bool {
        isInteger || self == .float32 || self == .float64 || self == .other("float16")
    }

    package var description: String {
        switch self {
        case .uint8: "uint8"
        case .int32: "int32"
        case .int64: "int64"
        case .float32: "float32"
        case .float64: "float64"
        case .string: "string"
        case .integer(let bits, let isSigned): (isSigned ? "int" : "uint") + "\(bits)"
        case .other(let name): name
        }
    }

    /// The type in files that we write: little-endian everywhere, so that equal content gives equal bytes.
    var fileType: hid_t? {
        switch self {
        case .uint8: CHDF5_typeUInt8()
        case .int32: CHDF5_typeInt32()
        case .int64: CHDF5_typeInt64()
        case .float32: CHDF5_typeFloat()
        case .float64: CHDF5_typeDouble()
        case .string, .integer, .other: nil
        }
    }

    /// The element type that an identifier stands for, and whether its bytes are in our order.
    static func describing(_ type: hid_t) -> (type: HDF5ElementType, isLittleEndian: Bool) {
        let known: [(HDF5ElementType, hid_t, Bool)] = [
            (.uint8, CHDF5_typeUInt8(), true),
            (.int32, CHDF5_typeInt32(), true), (.int32, CHDF5_typeInt32BigEndian(), false),
            (.int64, CHDF5_typeInt64(), true), (.int64, CHDF5_typeInt64BigEndian(), false),
            (.float32, CHDF5_typeFloat(), true), (.float32, CHDF5_typeFloatBigEndian(), false),
            (.float64, CHDF5_typeDouble(), true), (.float64, CHDF5_typeDoubleBigEndian(), false),
        ]
        for (element, identifier, isLittleEndian) in known where H5Tequal(type, identifier) > 0 {
            return (element, isLittleEndian)
        }
        let bits = H5Tget_size(type) * 8
        switch H5Tget_class(type) {
        case H5T_STRING: return (.string, true)
        case H5T_INTEGER: return (.integer(bits: bits, isSigned: H5Tget_sign(type) != H5T_SGN_NONE), false)
        case H5T_FLOAT: return (.other("float\(bits)"), false)
        case H5T_COMPOUND: return (.other("compound"), false)
        case H5T_ENUM: return (.other("enumeration"), false)
        case H5T_REFERENCE: return (.other("reference"), false)
        case H5T_VLEN: return (.other("variable-length"), false)
        case H5T_ARRAY: return (.other("array"), false)
        default: return (.other("opaque"), false)
        }
    }
}

/// How the elements of a dataset lie in the file.
package enum HDF5Storage: Equatable, Sendable {
    case contiguous
    case chunked(shape: [Int], gzipLevel: Int?, fletcher32: Bool)
}

/// The value of an attribute.
package enum HDF5Value: Equatable, Sendable, CustomStringConvertible {
    case string(String)
    case integer(Int64)
    case real(Double)
    case integers([Int64])
    case reals([Double])
    /// No value at all, whatever its type: h5py.Empty.
    case empty

    /// The value alone: `text`, `3`, `[0.5, 1.0]`, `(empty)`.
    package var description: String {
        switch self {
        case .string(let text): text
        case .integer(let number): "\(number)"
        case .real(let number): "\(number)"
        case .integers(let numbers): "\(numbers)"
        case .reals(let numbers): "\(numbers)"
        case .empty: "(empty)"
        }
    }
}
