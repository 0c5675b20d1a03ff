/// How a file of weights stores its numbers, all little-endian.
package enum ElementType: String, CaseIterable, Sendable {
    case float16 = "F16"
    case bfloat16 = "BF16"
    case float32 = "F32"
    case float64 = "F64"
    case bool = "BOOL"
    case uint8 = "U8"
    case int8 = "I8"
    case int16 = "I16"
    case int32 = "I32"
    case int64 = "I64"

    package var byteCount: Int {
        switch self {
        case .bool, .uint8, .int8: 1
        case .float16, .bfloat16, .int16: 2
        case .float32, .int32: 4
        case .float64, .int64: 8
        }
    }

    /// Whether the values are weights; the others count steps and the like.
    package var isReal: Bool {
        switch self {
        case .float16, .bfloat16, .float32, .float64: true
        default: false
        }
    }

    /// Converts values that lie one behind the other to float32, rounding to nearest, ties to even.
    ///
    /// Traps: a type that is not real; buffers whose counts differ.
    func convert(_ bytes: UnsafeRawBufferPointer, to values: UnsafeMutableBufferPointer<Float>) {
        precondition(
            isReal && bytes.count == values.count * byteCount, "\(bytes.count) bytes for \(values.count) values")
        switch self {
        case .float16:
            for index in values.indices { values[index] = Self.float(half: load(bytes, index)) }
        case .bfloat16:
            for index in values.indices {
                values[index] = Float(bitPattern: UInt32(load(bytes, index) as UInt16) << 16)
            }
        case .float64:
            for index in values.indices { values[index] = Float(Double(bitPattern: load(bytes, index))) }
        default:
            for index in values.indices { values[index] = Float(bitPattern: load(bytes, index)) }
        }
    }

    private func load<T: FixedWidthInteger>(_ bytes: UnsafeRawBufferPointer, _ index: Int) -> T {
        T(littleEndian: bytes.loadUnaligned(fromByteOffset: index * MemoryLayout<T>.size, as: T.self))
    }

    /// IEEE 754 binary16, written out because `Float16` does not exist on every processor that Swift runs on.
    static func float(half bits: UInt16) -> Float {
        let sign = UInt32(bits & 0x8000) << 16
        let exponent = UInt32(bits >> 10) & 0x1F
        let fraction = UInt32(bits & 0x3FF)
        switch exponent {
        case 0x1F: return Float(bitPattern: sign | 0x7F80_0000 | fraction << 13)
        case 0:
            let magnitude = Float(fraction) * 0x1p-24
            return sign == 0 ? magnitude : -magnitude
        default: return Float(bitPattern: sign | (exponent + 112) << 23 | fraction << 13)
        }
    }
}
