internal import Diagnostics
internal import HDF5

/// Everything in some HDF5 files that could be a part of a dataset, and which part it is.
///
/// Layouts that are told by themselves: `x` and `y` in files of their own for each split (PatchCamelyon), `images` and `ans`
/// (Galaxy10), `train_set_x`, `train_set_y`, `list_classes` (deeplearning.ai), `data` and `label` (Caffe), `x_train`, `y_train`, or
/// groups of splits (Keras), `train_images`, `train_labels` (MedMNIST); and all whose shapes leave no choice.
struct RoleDetection {
    struct Entry {
        let file: Int
        let path: String
        let shape: [Int]
        let type: HDF5ElementType
        /// `train`, `val` or `test`, by the names on the way to it.
        let split: String
        let words: Set<String>

        /// Extents other than 1.
        var extents: [Int] { shape.filter { $0 != 1 } }
    }
    struct Found {
        let name: String
        let images: Entry
        let labels: Entry
    }

    let files: [HDF5File]
    private var entries: [Entry] = []
    /// What was not looked at, and why.
    private var refused: [String] = []

    private static let splitWords = [
        "train": "train", "training": "train", "val": "val", "valid": "val", "validation": "val", "dev": "val",
        "test": "test", "testing": "test",
    ]
    private static let imageWords: Set<String> = ["x", "image", "images", "img", "imgs", "data", "features"]
    private static let labelWords: Set<String> = [
        "y", "label", "labels", "ans", "target", "targets", "class", "classes", "cls",
    ]
    private static let classWords: Set<String> = ["class", "classes", "names", "labels"]
    private static let splitNames = ["train", "val", "test"]
    private static let largestDepth = 4
    private static let largestEntryCount = 10_000
    private static let largestClassCount = 1 << 20

    init(_ files: [HDF5File]) throws {
        self.files = files
        for index in files.indices { try visit("/", of: index, depth: 0) }
    }

    private mutating func visit(_ group: String, of index: Int, depth: Int) throws {
        let file = files[index]
        for link in try file.links(of: group) {
            let path = group == "/" ? "/\(link.name)" : "\(group)/\(link.name)"
            guard entries.count + refused.count < Self.largestEntryCount else { return }
            do {
                guard link.address != nil else {
                    refused.append("\(file.path):\(path.printable) is a link that leads elsewhere")
                    continue
                }
                if try file.isGroup(path) {
                    if depth < Self.largestDepth { try visit(path, of: index, depth: depth + 1) }
                    continue
                }
                let dataset = try file.dataset(path)
                let inPath = Self.words(path)
                let name = file.path.split(separator: "/").last.map(String.init) ?? ""
                let split = (inPath + Self.words(name)).lazy.compactMap { Self.splitWords[$0] }.first
                entries.append(
                    Entry(
                        file: index, path: path, shape: dataset.shape, type: dataset.elementType,
                        split: split ?? "train", words: Set(inPath)))
            } catch let error as HDF5Error {
                refused.append(error.description.printable)
            }
        }
    }

    private static func words(_ text: String) -> [String] {
        text.lowercased().split(whereSeparator: { !$0.isLetter }).map(String.init)
    }

    /// `f.h5#/x`
    func place(_ entry: Entry) -> String { "\(files[entry.file].path)#\(entry.path)".printable }

    // MARK: Roles

    /// The splits, train first. Throws: `Failure`: 65 where more than one reading is possible or none, with the lines to choose by.
    func splits(_ roles: DatasetRoles) throws -> [Found] {
        guard roles.images.isEmpty, roles.labels.isEmpty else { return try given(roles) }
        var found: [Found] = []
        for name in Self.splitNames {
            let own = entries.filter { $0.split == name }
            let images = Self.choose(own.filter(Self.canBeImages), by: Self.imageWords)
            guard !images.isEmpty else { continue }
            guard images.count == 1 else { throw ambiguous(name, images, roles) }
            let labels = Self.choose(
                own.filter { Self.canBeLabels($0, of: images[0].shape[0]) }, by: Self.labelWords)
            guard labels.count == 1 else { throw ambiguous(name, images, roles) }
            found.append(Found(name: name, images: images[0], labels: labels[0]))
        }
        guard !found.isEmpty else { throw nothing() }
        return found
    }

    /// What alone fits by its shape, else what alone fits by its name too.
    private static func choose(_ candidates: [Entry], by words: Set<String>) -> [Entry] {
        guard candidates.count > 1 else { return candidates }
        let named = candidates.filter { !$0.words.isDisjoint(with: words) }
        return named.isEmpty ? candidates : named
    }

    private static func canBeImages(_ entry: Entry) -> Bool {
        guard entry.type.isNumber, entry.shape.count == 3 || entry.shape.count == 4 else { return false }
        return entry.shape.allSatisfy { $0 > 0 } && entry.shape.dropFirst().count { $0 > 1 } >= 2
    }

    /// One number for each image whatever the axes of extent 1, or a row of ones and zeros.
    private static func canBeLabels(_ entry: Entry, of count: Int) -> Bool {
        guard entry.type.isNumber else { return false }
        let elements = entry.shape.reduce(1, *)
        return elements == count && entry.extents.count <= 1 || entry.shape.count == 2 && entry.shape[0] == count
    }

    private func given(_ roles: DatasetRoles) throws -> [Found] {
        try Self.splitNames.compactMap { name in
            let pair = (roles.images[name], roles.labels[name])
            guard let images = pair.0, let labels = pair.1 else {
                guard pair.0 == nil, pair.1 == nil else {
                    let missing = DatasetRoles.name(pair.0 == nil ? "images" : "labels", of: name)
                    throw Failure(
                        .configuration,
                        "\(roles.style.words(missing, "FILE#/PATH")) is missing: images and labels belong together")
                }
                return nil
            }
            return Found(
                name: name, images: try entry(images, DatasetRoles.name("images", of: name), roles),
                labels: try entry(labels, DatasetRoles.name("labels", of: name), roles))
        }
    }

    private func entry(_ place: String, _ role: String, _ roles: DatasetRoles) throws -> Entry {
        let parts = place.split(separator: "#", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
        let file = parts.count == 2 ? files.firstIndex { $0.path == parts[0] } : 0
        let name = parts[parts.count - 1]
        let path = name.hasPrefix("/") ? name : "/\(name)"
        if let file, let entry = entries.first(where: { $0.file == file && $0.path == path }) { return entry }
        if let file {
            // Opening says what is wrong with it.
            do {
                _ = try files[file].dataset(path)
            } catch let error {
                throw Failure(
                    .badData, "\(roles.style.words(role, place)): \(error.reason). \(list(entries.map(description)))")
            }
        }
        throw Failure(
            .badData, "\(roles.style.words(role, place)): there is no such dataset. \(list(entries.map(description)))")
    }

    /// Class names where the files have them: a row of texts.
    func classes(_ roles: DatasetRoles) throws -> [String]? {
        if let place = roles.classes {
            let entry = try entry(place, "classes", roles)
            guard entry.type == .string, entry.shape.count == 1, entry.shape[0] <= Self.largestClassCount else {
                throw Failure(
                    .badData,
                    "\(roles.style.words("classes", place)): is \(description(entry)), expected a row of names")
            }
            return try files[entry.file].dataset(entry.path).readStrings()
        }
        let rows = entries.filter {
            $0.type == .string && $0.shape.count == 1 && (1...Self.largestClassCount).contains($0.shape[0])
                && !$0.words.isDisjoint(with: Self.classWords)
        }
        // The same list may stand in every file.
        let lists = try rows.map { try files[$0.file].dataset($0.path).readStrings() }
        return Set(lists).count == 1 ? lists[0] : nil
    }

    /// Opens the file's dataset of a role.
    func dataset(_ entry: Entry) throws -> HDF5Dataset { try files[entry.file].dataset(entry.path) }

    // MARK: Words

    private func description(_ entry: Entry) -> String {
        "\(place(entry)) \(entry.type) (\(entry.shape.map(String.init).joined(separator: ", ")))"
    }

    private func list(_ items: [String]) -> String {
        let shown = items.prefix(20).joined(separator: "; ")
        let rest = items.count > 20 ? " and \(items.count - 20) more" : ""
        return items.isEmpty ? "There is no dataset" : "There is: \(shown)\(rest)"
    }

    private func ambiguous(_ split: String, _ images: [Entry], _ roles: DatasetRoles) -> Failure {
        var lines: [String] = []
        for image in images {
            let labels = entries.filter { Self.canBeLabels($0, of: image.shape[0]) && $0.path != image.path }
            lines += labels.map {
                "  \(roles.style.words(DatasetRoles.name("images", of: split), place(image))) "
                    + roles.style.words(DatasetRoles.name("labels", of: split), place($0))
            }
        }
        let names = files.map(\.path).joined(separator: ", ")
        guard !lines.isEmpty else {
            return Failure(
                .badData,
                "\(names): \(images.map(description).joined(separator: "; ")) could be images, but nothing holds a label for "
                    + "each of them. \(list(entries.map(description)))")
        }
        return Failure(
            .badData,
            "\(names): which datasets are the images and labels of \(split) is not clear. Choose one:\n"
                + lines.prefix(20).joined(separator: "\n"))
    }

    private func nothing() -> Failure {
        let names = files.map(\.path).joined(separator: ", ")
        let isWeights = entries.contains { $0.path.hasPrefix("/layers/") || $0.path.hasPrefix("/model_weights/") }
        return Failure(
            .badData,
            "\(names): holds no images, expected numbers of the shape (N, H, W, C), (N, C, H, W) or (N, H, W)"
                + (isWeights ? "; it looks like weights of Keras" : "")
                + ". \(list(entries.map(description)))"
                + (refused.isEmpty ? "" : "; not read: \(refused.prefix(5).joined(separator: "; "))"))
    }
}
