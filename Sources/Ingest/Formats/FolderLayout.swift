internal import Datasets
internal import Diagnostics

/// Which files are which split's and class's, by the folders in their paths.
///
/// `train/CLASS/…`, with `val` (or `valid`, `validation`) and `test` beside it, or `CLASS/…` alone. Classes are the folder
/// names of train in byte order; deeper folders do not matter.
struct FolderLayout {
    private(set) var classes: [String] = []
    private(set) var splits: [SourceSplit] = []
    private(set) var leftOut: [LeftOut] = []

    private static let splitNames = [
        "train": "train", "training": "train", "val": "val", "valid": "val", "validation": "val", "test": "test",
        "testing": "test",
    ]

    /// The splits among the names of folders; where none is train they are classes of it.
    static func splits(ofFolders names: [String]) -> Set<String> {
        let named = Set(names.compactMap { splitNames[$0.lowercased()] })
        return named.contains("train") ? named : ["train"]
    }

    private struct Entry {
        let file: Int
        let className: [UInt8]
    }

    /// `place` opens the messages; `unread` are files that were left out before. Throws 64 for fractions that contradict the folders, 65 when there is no training image.
    init(
        _ files: [[UInt8]], emptyFolders: [[UInt8]] = [], unread: [LeftOut] = [], fractions: SplitFractions,
        place: String
    ) throws {
        let paths = files.map { $0.split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false) }
        func split(_ component: ArraySlice<UInt8>) -> String? {
            Self.splitNames[String(decoding: component, as: UTF8.self).lowercased()]
        }
        let hasSplits = paths.contains { $0.count > 2 && split($0[0]) == "train" }
        if !hasSplits, let odd = paths.first(where: { $0.count > 2 && split($0[0]) != nil }) {
            throw Failure(
                .badData,
                "\(place): has a folder \(PathText.display(Array(odd[0]))) but no train with a folder for each class in it"
            )
        }
        var entries: [String: [Entry]] = [:]
        for (index, path) in paths.enumerated() {
            func leave(_ reason: String) {
                let name = PathText.display(files[index])
                leftOut.append(LeftOut(file: name, reason: reason, isBad: ForeignFormat.isImageName(name)))
            }
            let depth = hasSplits ? 1 : 0
            let name = hasSplits ? split(path[0]) : "train"
            if path.count <= depth + 1 {
                leave("lies in no class folder")
            } else if let name {
                entries[name, default: []].append(Entry(file: index, className: Array(path[depth])))
            } else {
                leave("lies beside the folders train, val and test")
            }
        }
        let train = entries["train"] ?? []
        guard !train.isEmpty else {
            throw Failure(
                .badData,
                "\(place): holds no file in a class folder; expected CLASS/image.jpg or train/CLASS/image.jpg"
                    + (unread.first { $0.isBad }.map { "; \($0.file) \($0.reason)" } ?? "")
                    + (unread.count { $0.isBad } > 1 ? ", and \(unread.count { $0.isBad } - 1) more are left out" : ""))
        }
        for (name, fraction) in [("val", fractions.val), ("test", fractions.test)]
        where fraction != nil && entries[name] != nil {
            throw Failure(.usage, "--\(name) \(fraction!.text): \(place) has a folder \(name) already")
        }
        let names = Set(train.map(\.className)).sorted { $0.lexicographicallyPrecedes($1) }
        classes = names.map { PathText.display($0) }
        let numbers = Dictionary(uniqueKeysWithValues: zip(names, 0...).map { ($0, Int32($1)) })
        for folder in emptyFolders {
            let parts = folder.split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false)
            guard parts.count == (hasSplits ? 2 : 1), !hasSplits || split(parts[0]) != nil else { continue }
            leftOut.append(
                LeftOut(file: PathText.display(folder) + "/", reason: "is a class without a file", isBad: false))
        }
        var made: [String: SourceSplit] = [:]
        for (name, members) in entries {
            var taken = SourceSplit(name: name, part: 0, samples: [], labels: [], names: [])
            for member in members {
                guard let number = numbers[member.className] else {
                    leftOut.append(
                        LeftOut(
                            file: PathText.display(files[member.file]),
                            reason: "is of class \(PathText.display(member.className)), which train does not have"))
                    continue
                }
                taken.samples.append(member.file)
                taken.labels.append(number)
                taken.names.append(PathText.display(files[member.file]))
            }
            made[name] = taken
        }
        var divided: [SourceSplit] = []
        for name in ["train", "val", "test"] {
            guard let one = made[name], name == "train" || !one.samples.isEmpty else { continue }
            divided += name == "train" ? try fractions.divide(one) : [one]
        }
        splits = divided.enumerated().sorted { left, right in
            let order = ["train": 0, "val": 1, "test": 2]
            return (order[left.element.name]!, left.offset) < (order[right.element.name]!, right.offset)
        }.map(\.element)
        leftOut.sort { $0.file.utf8.lexicographicallyPrecedes($1.file.utf8) }
    }
}
