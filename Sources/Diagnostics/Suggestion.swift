/// Finds the word that was most likely meant.
package enum Suggestion {
    /// The known word that the given one begins; else the one that takes the fewest edits, if those are few enough to be a
    /// slip; else the longest that it begins with. Case, hyphens, underscores and dots do not count.
    package static func nearest(to word: String, in known: [String]) -> String? {
        let wanted = plain(word)
        guard !wanted.isEmpty else { return nil }
        let names = known.map { (name: $0, plain: plain($0)) }
        if let same = names.first(where: { $0.plain == wanted }) { return same.name }
        if wanted.count >= 3, let longer = names.first(where: { $0.plain.hasPrefix(wanted) }) { return longer.name }
        let ranked = names.map { ($0.name, editDistance(wanted, $0.plain), max(wanted.count, $0.plain.count)) }
            .min { $0.1 < $1.1 }
        let tolerated = wanted.count <= 3 ? 1 : max(2, wanted.count / 3)
        if let (name, distance, length) = ranked, distance <= tolerated, 2 * distance <= length { return name }
        return names.filter { $0.plain.count >= 3 && wanted.hasPrefix($0.plain) }.max {
            $0.plain.count < $1.plain.count
        }?
        .name
    }

    /// ", did you mean NAME?", or nothing.
    package static func words(for word: String, in known: [String]) -> String {
        nearest(to: word, in: known).map { ", did you mean \($0)?" } ?? ""
    }

    /// A word as it counts: lower case, without hyphens, underscores and dots.
    package static func plain(_ word: String) -> String {
        word.lowercased().filter { !"-_.".contains($0) }
    }

    /// Insertions, deletions, replacements and exchanges of neighbours between two words (optimal string alignment).
    private static func editDistance(_ a: String, _ b: String) -> Int {
        let (a, b) = (Array(a.prefix(64)), Array(b.prefix(64)))
        var before: [Int] = []
        var above = Array(0...b.count)
        for i in a.indices {
            var row = [i + 1]
            for j in b.indices {
                var best = min(row[j] + 1, above[j + 1] + 1, above[j] + (a[i] == b[j] ? 0 : 1))
                if i > 0, j > 0, a[i] == b[j - 1], a[i - 1] == b[j] { best = min(best, before[j - 1] + 1) }
                row.append(best)
            }
            (before, above) = (above, row)
        }
        return above[b.count]
    }
}
