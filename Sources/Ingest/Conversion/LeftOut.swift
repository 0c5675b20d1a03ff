internal import Diagnostics

/// Something in a source that does not go into the dataset.
struct LeftOut: Equatable {
    /// As the source names it.
    let file: String
    let reason: String
    /// An image that should have been there; false for what only lies beside the images.
    var isBad = true
}

/// What happens to images that cannot be read.
package enum ErrorPolicy: String, Sendable, CaseIterable {
    /// They are left out and listed.
    case skip
    /// The first one ends the conversion.
    case fail
}

/// Everything that a conversion left out.
struct LeftOutList {
    private(set) var all: [LeftOut] = []
    var badCount: Int { all.count(where: \.isBad) }
    var otherCount: Int { all.count - badCount }

    mutating func add(_ items: [LeftOut]) { all += items }

    /// Two columns, `file` and `reason`, by RFC 4180 but with newlines alone, in byte order of the names.
    var csv: String {
        let rows = all.sorted { $0.file.utf8.lexicographicallyPrecedes($1.file.utf8) }
        return (["file,reason"] + rows.map { "\(CSVText.field($0.file)),\(CSVText.field($0.reason))" }).joined(
            separator: "\n") + "\n"
    }

    /// The most frequent reasons, numbers in them not told apart: `3 × is truncated`.
    var reasons: [String] {
        var groups: [String: (count: Int, example: LeftOut)] = [:]
        for item in all {
            let key = String(item.reason.map { $0.isNumber ? "#" : $0 })
            groups[key, default: (0, item)].count += 1
        }
        return groups.values
            .sorted { ($1.count, $0.example.file) < ($0.count, $1.example.file) }
            .map {
                $0.count == 1
                    ? "\($0.example.file): \($0.example.reason)"
                    : "\($0.count) × \($0.example.reason), first \($0.example.file)"
            }
    }
}
