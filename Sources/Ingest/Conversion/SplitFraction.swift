internal import Diagnostics
internal import Digests
internal import Report

/// A part of the samples, as `20%` or `0.2`.
package struct SplitFraction: Sendable, Equatable {
    package let value: Double
    /// As it was given.
    package let text: String

    package init(_ text: String, option: String) throws {
        let isPercent = text.hasSuffix("%")
        guard let number = Double(isPercent ? String(text.dropLast()) : text), number > 0,
            isPercent ? number < 100 : number < 1
        else { throw Failure(.usage, "\(option) \(text), expected a part of the images, as 20% or 0.2") }
        value = isPercent ? number / 100 : number
        self.text = text
    }

    /// So many of `count` samples, rounded.
    func share(of count: Int) -> Int { Int((Double(count) * value).rounded(.toNearestOrAwayFromZero)) }
}

/// What is taken out of the training images.
package struct SplitFractions: Sendable {
    package var val: SplitFraction?
    package var test: SplitFraction?
    package var seed: UInt64

    package init(val: SplitFraction? = nil, test: SplitFraction? = nil, seed: UInt64 = 1) {
        (self.val, self.test, self.seed) = (val, test, seed)
    }

    package var isEmpty: Bool { val == nil && test == nil }

    /// The options that change the file, as they stand in its `command`.
    var words: [String] {
        let parts = (val.map { ["--val", $0.text] } ?? []) + (test.map { ["--test", $0.text] } ?? [])
        return parts.isEmpty ? [] : parts + ["--split-seed", "\(seed)"]
    }

    /// Takes `val` and `test` out of a split, class by class, order kept.
    ///
    /// A pure function of the seed and the samples' names (their numbers, where they have none): the samples of a class are
    /// ordered by the SHA-256 of `seed/name`; the first go to test, the next to val. Each takes its part of the class, rounded, and at
    /// least one image stays in train. Throws: `Failure(.usage)` where a part takes all images or none.
    func divide(_ split: SourceSplit) throws -> [SourceSplit] {
        guard !isEmpty else { return [split] }
        guard (val?.value ?? 0) + (test?.value ?? 0) < 1 else {
            throw Failure(.usage, "--val and --test take all images together, expected less than 100%")
        }
        var byClass: [Int32: [(key: [UInt8], index: Int)]] = [:]
        for (index, label) in split.labels.enumerated() {
            var hash = SHA256()
            hash.update("\(seed)/\(split.names.isEmpty ? "\(split.samples[index])" : split.names[index])")
            byClass[label, default: []].append((hash.finalize(), index))
        }
        var place = [Int](repeating: 0, count: split.labels.count)  // 0 train, 1 val, 2 test
        for members in byClass.values {
            let order = members.sorted { left, right in
                left.key == right.key ? left.index < right.index : left.key.lexicographicallyPrecedes(right.key)
            }
            let testCount = min(test?.share(of: members.count) ?? 0, members.count - 1)
            let valCount = min(val?.share(of: members.count) ?? 0, members.count - 1 - testCount)
            for member in order.prefix(testCount) { place[member.index] = 2 }
            for member in order.dropFirst(testCount).prefix(valCount) { place[member.index] = 1 }
        }
        let largest = byClass.values.map(\.count).max() ?? 0
        for (number, name, fraction) in [(1, "val", val), (2, "test", test)] {
            guard let fraction, largest > 0, !place.contains(number) else { continue }
            let wish: String
            if fraction.share(of: largest) > 0 {
                let isSecond = number == 1 && test != nil && largest > 1
                wish =
                    ", \(largest == 1 ? "which" : "one of which") stays in train; expected more images"
                    + (isSecond ? " or a smaller --test" : "")
            } else {
                wish =
                    ", expected " + (largest > 1 ? "at least \((50 + largest - 1) / largest)% or " : "") + "more images"
            }
            throw Failure(
                .usage,
                "--\(name) \(fraction.text) takes no image of any class: the largest one has "
                    + NumberText.counted(largest, "image") + wish)
        }
        return ["train", "val", "test"].enumerated().compactMap { number, name in
            let indices = place.indices.filter { place[$0] == number }
            if number == 1 && val == nil || number == 2 && test == nil { return nil }
            return SourceSplit(
                name: name, part: split.part, samples: indices.map { split.samples[$0] },
                labels: indices.map { split.labels[$0] },
                names: split.names.isEmpty ? [] : indices.map { split.names[$0] })
        }
    }
}
