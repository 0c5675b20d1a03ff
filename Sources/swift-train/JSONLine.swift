internal import Foundation

/// What `--json` prints: one object on one line, keys sorted, numbers that are not finite as null.
enum JSONLine {
    static func text(_ values: [String: Any]) throws -> String {
        let finite = values.mapValues { value in
            if let number = value as? Double, !number.isFinite { return NSNull() as Any }
            return value
        }
        let data = try JSONSerialization.data(withJSONObject: finite, options: [.sortedKeys, .withoutEscapingSlashes])
        return String(decoding: data, as: UTF8.self)
    }
}
