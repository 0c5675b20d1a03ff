internal import Foundation

/// The label in the JSON beside an image.
enum JSONLabel {
    private static let keys = ["label", "cls", "class", "class_id", "class_name", "target"]

    /// The first of the known keys whose value is a number or a word; nil where there is none.
    static func find(in text: String) -> String? {
        guard let object = try? JSONDecoder().decode([String: Value].self, from: Data(text.utf8)) else { return nil }
        return keys.lazy.compactMap { object[$0]?.text }.first
    }

    private struct Value: Decodable {
        let text: String?
        init(from decoder: any Decoder) throws {
            let container = try decoder.singleValueContainer()
            if let number = try? container.decode(Int.self) {
                text = "\(number)"
            } else {
                text = try? container.decode(String.self)
            }
        }
    }
}

extension StringProtocol {
    var trimmingSpaces: String { trimmingCharacters(in: .whitespacesAndNewlines) }
}
