internal import Datasets
internal import Diagnostics

/// Labels as a source writes them, numbers or words, turned into class numbers.
struct ClassLabels {
    let classes: [String]
    /// That the first classes have no images, where nobody said that there are such: the labels may count from another number.
    let warnings: [String]
    private let numbers: [String: Int32]
    private let base: Int
    private static let largestClassCount = 1 << 20

    /// - Parameter distinct: every different label of all splits.
    ///
    /// Whole numbers are class numbers counted from `base`, named by `names` or by themselves; anything else is a class's name, and the
    /// classes are the names in byte order. Throws 65 naming `place`.
    init(distinct: Set<String>, names: [String]?, base: Int, place: String) throws {
        self.base = base
        let integers = distinct.map { Self.wholeNumber($0) }
        guard !distinct.isEmpty, !integers.contains(nil) else {
            guard names == nil else {
                let word = distinct.first { Self.wholeNumber($0) == nil } ?? ""
                throw Failure(.usage, "--class-names: \(place) has labels that are names, as \(word), not numbers")
            }
            classes = distinct.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
            numbers = Dictionary(uniqueKeysWithValues: zip(classes, 0...).map { ($0, Int32($1)) })
            warnings = []
            return
        }
        let values = integers.compactMap { $0 }
        let (least, most) = (values.min()!, values.max()!)
        guard least >= base else {
            throw Failure(.badData, "\(place): has label \(least), expected \(base) or more (--label-base \(base))")
        }
        // Exact for any two numbers, of which the difference alone may not be an Int.
        guard UInt(bitPattern: most &- base) < Self.largestClassCount else {
            throw Failure(
                .badData, "\(place): has label \(most), expected fewer than \(Self.largestClassCount) classes")
        }
        let isFromLeast = least > base && Int32(exactly: least) != nil
        if let names, most - base >= names.count {
            let isShifted = isFromLeast && most - least < names.count
            throw Failure(
                .badData,
                "\(place): has label \(most), expected \(base)…\(base + names.count - 1) "
                    + "(\(names.count) class names). Name all classes with --class-names"
                    + (isShifted ? ", or say with \(Self.option(least)) that the first class is \(least)." : "."))
        }
        warnings =
            isFromLeast && names == nil
            ? [
                "\(place): \(DatasetRoles.emptyClassesNote(least, most, base: base)); if the first class is \(least), say so "
                    + "(\(Self.option(least)))"
            ] : []
        classes = names ?? (base...most).map(String.init)
        numbers = [:]
    }

    private static func option(_ base: Int) -> String { DatasetRoles.option("label-base", "\(base)") }

    subscript(_ label: String) -> Int32 {
        numbers[label] ?? Int32(Self.wholeNumber(label)! - base)
    }

    /// An integer, also one that is written as `3.0`.
    static func wholeNumber(_ text: String) -> Int? {
        if let number = Int(text) { return number }
        guard let real = Double(text), real.isFinite else { return nil }
        return Int(exactly: real)
    }
}
