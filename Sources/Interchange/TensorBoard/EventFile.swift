internal import Files
internal import Foundation
internal import SwiftProtobuf

/// A file of scalars and pictures that TensorBoard reads while it grows.
///
/// Records are TensorFlow's: length (uint64), its checksum, bytes, their checksum; little-endian, checksums masked CRC-32C.
/// The bytes are an `Event` of TensorBoard.proto.
package final class EventFile {
    private let file: AppendFile

    /// Makes the file in a folder, named so that TensorBoard finds it and reads the files of one folder in their order.
    ///
    /// `time`: seconds since 1970. `firstStep`: of a run that goes on, whose earlier files may hold steps that are done again;
    /// from it on they count no more. Throws: `Failure(.cannotCreate)`, `SystemError`.
    package init(folder: String, host: String, time: Double, firstStep: Int?) throws {
        let seconds = String(format: "%010.0f", time.rounded(.down))
        file = try AppendFile(path: "\(folder)/events.out.tfevents.\(seconds).\(host).\(getpid())", keeping: 0)
        try append(at: time, step: 0) { $0.fileVersion = "brain.Event:2" }
        if let firstStep {
            try append(at: time, step: firstStep) { $0.sessionLog = .with { $0.status = .start } }
        }
    }

    /// Appends the values of a step under their tags; TensorBoard keeps float32. Throws: `SystemError`.
    package func append(_ scalars: [(tag: String, value: Double)], step: Int, time: Double) throws {
        try append(at: time, step: step) { event in
            event.summary.value = scalars.map { scalar in
                .with {
                    $0.tag = scalar.tag
                    $0.simpleValue = Float(scalar.value)
                }
            }
        }
    }

    /// A picture in red, green and blue.
    package struct Image {
        let tag: String
        let width, height: Int
        let png: [UInt8]

        package init(tag: String, width: Int, height: Int, png: [UInt8]) {
            (self.tag, self.width, self.height, self.png) = (tag, width, height, png)
        }
    }

    /// Appends pictures of a step under their tags. Throws: `SystemError`.
    package func append(_ images: [Image], step: Int, time: Double) throws {
        for image in images {
            try append(at: time, step: step) { event in
                event.summary.value = [
                    .with {
                        $0.tag = image.tag
                        $0.image = .with {
                            ($0.width, $0.height, $0.colorspace) = (Int32(image.width), Int32(image.height), 3)
                            $0.encodedImageString = Data(image.png)
                        }
                    }
                ]
            }
        }
    }

    private func append(at time: Double, step: Int, _ fill: (inout TensorBoardEvent) -> Void) throws {
        var event = TensorBoardEvent()
        event.wallTime = time
        event.step = Int64(step)
        fill(&event)
        let record = Self.record([UInt8](try event.serializedData()))
        try record.withUnsafeBytes { try file.append($0) }
    }

    /// Bytes in their frame.
    static func record(_ bytes: [UInt8]) -> [UInt8] {
        func littleEndian(_ value: some FixedWidthInteger) -> [UInt8] {
            withUnsafeBytes(of: value.littleEndian, Array.init)
        }
        let length = littleEndian(UInt64(bytes.count))
        return length + littleEndian(CRC32C.masked(length)) + bytes + littleEndian(CRC32C.masked(bytes))
    }
}

/// The checksum of Castagnoli's polynomial, as iSCSI (RFC 3720) has it.
enum CRC32C {
    private static let table: [UInt32] = (0..<256).map { byte in
        (0..<8).reduce(UInt32(byte)) { value, _ in value & 1 == 0 ? value >> 1 : value >> 1 ^ 0x82F6_3B78 }
    }

    static func checksum(_ bytes: some Sequence<UInt8>) -> UInt32 {
        ~bytes.reduce(~UInt32(0)) { $0 >> 8 ^ table[Int(UInt8(truncatingIfNeeded: $0) ^ $1)] }
    }

    /// Turned and shifted, so that the checksum of bytes that hold checksums stays a good one.
    static func masked(_ bytes: some Sequence<UInt8>) -> UInt32 {
        let sum = checksum(bytes)
        return (sum >> 15 | sum << 17) &+ 0xA282_EAD8
    }
}
