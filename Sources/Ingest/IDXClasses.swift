internal import Datasets
internal import Diagnostics
internal import Files
internal import Glibc

/// Which classes the labels of IDX files stand for: their names, and the label of the first.
struct IDXClasses {
    let names: [String]
    let first: UInt8
    /// What was decided, for the user.
    private(set) var notes: [String] = []
    private static let usualCount = 10
    /// Without names a label counts as a class if this part of the average class has it: one wrong byte makes no class.
    private static let rarest = 100

    /// Label and characters, from EMNIST's `…-mapping.txt`: lines of a label and one or two character codes.
    struct Mapping {
        let path: String
        let names: [String]
        let first: UInt8

        init(path: String) throws {
            func bad(_ line: Int, _ text: String) -> Failure {
                Failure(.badData, "\(path):\(line): \(text), expected a label and one or two character codes")
            }
            let descriptor = try InputDescriptor.open(path, expected: "EMNIST's table of labels")
            defer { close(descriptor) }
            var bytes = [UInt8](repeating: 0, count: 1 << 16)
            let count = max(0, read(descriptor, &bytes, bytes.count))
            let text = String(decoding: bytes[..<count], as: UTF8.self)
            var rows: [(label: UInt8, name: String)] = []
            for (index, line) in text.split(whereSeparator: \.isNewline).enumerated() {
                let numbers = line.split(whereSeparator: \.isWhitespace).map { UInt32($0) }
                guard (2...3).contains(numbers.count), let label = numbers[0].flatMap({ UInt8(exactly: $0) }) else {
                    throw bad(index + 1, "\"\(String(line).printable)\"")
                }
                let characters = numbers.dropFirst().compactMap { $0.flatMap(Unicode.Scalar.init) }.map { String($0) }
                guard characters.count == numbers.count - 1 else {
                    throw bad(index + 1, "\"\(String(line).printable)\"")
                }
                rows.append((label, characters.joined(separator: "/")))
            }
            rows.sort { $0.label < $1.label }
            guard let lowest = rows.first?.label, rows.map(\.label) == rows.indices.map({ lowest + UInt8($0) }) else {
                throw bad(1, "labels that do not follow each other")
            }
            (self.path, names, first) = (path, rows.map(\.name), lowest)
        }
    }

    /// Names that are given count most, then the table, then the labels themselves.
    init(given: [String]?, mapping: Mapping?, train: [UInt8], test: [UInt8]) throws {
        var counts = [Int](repeating: 0, count: 256)
        for label in train { counts[Int(label)] += 1 }
        let (lowest, highest) = (train.min() ?? 0, train.max() ?? 0)
        if let given {
            names = given
            // EMNIST's letters: 1 … 26.
            first = lowest == 1 && Int(highest) == given.count && !test.contains(0) ? 1 : 0
        } else if let mapping {
            (names, first) = (mapping.names, mapping.first)
            notes.append("\(names.count) classes, named by \(mapping.path)")
        } else {
            let span = Int(highest) - Int(lowest) + 1
            let isFull = (lowest...highest).allSatisfy { counts[Int($0)] * span * Self.rarest >= train.count }
            guard highest >= Self.usualCount, lowest <= 1, isFull else {
                names = (0..<Self.usualCount).map(String.init)
                first = 0
                return
            }
            first = lowest
            names = (lowest...highest).map(String.init)
            notes.append("\(names.count) classes, labels \(lowest)…\(highest)")
        }
        if first > 0 { notes.append("labels count from \(first): class 0 is label \(first)") }
    }

    /// Throws: `Failure(.badData)` naming the first label that is no class.
    func check(_ labels: [UInt8], path: String) throws {
        let range = Int(first)..<Int(first) + names.count
        guard let index = labels.firstIndex(where: { !range.contains(Int($0)) }) else { return }
        throw Failure(
            .badData,
            "\(path): byte \(8 + index): label[\(index)] = \(labels[index]), expected \(first)…\(range.upperBound - 1) "
                + "(\(names.count) classes). Name all classes with --class-names, or fix the source.")
    }
}
