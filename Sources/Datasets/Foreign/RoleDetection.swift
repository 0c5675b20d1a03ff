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
        /// `train`, `val` or `test`, by the names on the way to it; nil where they say nothing.
        let split: String?
        let words: Set<String>

        /// Extents other than 1.
        var extents: [Int] { shape.filter { $0 != 1 } }
    }
    struct Found {
        let name: String
        let images: Entry
        let labels: Entry
        /// Said by the user, not found.
        let isNamed: Bool
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
    private static let levels = 6
    private static let largestObjectCount = 10_000

    init(_ files: [HDF5File]) throws {
        self.files = files
        for index in files.indices {
            // What lies beyond the limits can still be named.
            _ = try files[index].walk(levels: Self.levels, objects: Self.largestObjectCount) { path, object in
                switch object {
                case .group, .same: break
                case .dataset(let dataset): entries.append(entry(dataset, path, of: index))
                case .unreadable(let error): refused.append(error.description.printable)
                }
            }
        }
    }

    private func entry(_ dataset: HDF5Dataset, _ path: String, of index: Int) -> Entry {
        let inPath = Self.words(path)
        let name = files[index].path.split(separator: "/").last.map(String.init) ?? ""
        let split = (inPath + Self.words(name)).lazy.compactMap { Self.splitWords[$0] }.first
        return Entry(
            file: index, path: path, shape: dataset.shape, type: dataset.elementType, split: split,
            words: Set(inPath))
    }

    private static func words(_ text: String) -> [String] {
        text.lowercased().split(whereSeparator: { !$0.isLetter }).map(String.init)
    }

    /// `f.h5#/x`
    func place(_ entry: Entry) -> String { "\(files[entry.file].path)#\(entry.path)".printable }

    // MARK: Roles

    /// The splits, those that are named first, then what is found for the others in the rest. Where something is named, what is not
    /// clear about another split is left out, and so is always a split without images; `notes` say so.
    ///
    /// Throws: `Failure`: 65 where nothing is named and more than one reading is possible or none, with the lines to choose by.
    func splits(_ roles: DatasetRoles) throws -> (found: [Found], notes: [String]) {
        let named = try given(roles)
        let taken = named.flatMap { [$0.images, $0.labels] }
        let free = entries.filter { entry in !taken.contains { $0.file == entry.file && $0.path == entry.path } }
        var (found, notes): ([Found], [String]) = (named, [])
        for name in Self.splitNames where !named.contains(where: { $0.name == name }) {
            do {
                if let split = try detect(name, among: free) {
                    found.append(split)
                } else if let empty = free.first(where: { ($0.split ?? "train") == name && Self.isEmptyOfImages($0) }) {
                    notes.append("nothing is taken for \(name): \(description(empty)) holds no images")
                }
            } catch let failure as Failure where !named.isEmpty {
                notes.append(Self.note(name, failure))
            }
        }
        guard !found.isEmpty else { throw nothing() }
        return (found, notes)
    }

    /// What is said of a split that nobody named and that is left out.
    static func note(_ name: String, _ failure: Failure) -> String {
        "nothing is taken for \(name), which is not named: \(failure.message)"
    }

    /// nil: nothing can be the images of the split.
    private func detect(_ name: String, among free: [Entry]) throws -> Found? {
        let own = free.filter { ($0.split ?? "train") == name }
        let images = Self.choose(own.filter(Self.canBeImages), by: Self.imageWords)
        guard !images.isEmpty else { return nil }
        guard images.count == 1 else { throw ambiguous(name, images) }
        let labels = Self.choose(own.filter { Self.canBeLabels($0, of: images[0].shape[0]) }, by: Self.labelWords)
        guard labels.count == 1 else { throw ambiguous(name, images) }
        return Found(name: name, images: images[0], labels: labels[0], isNamed: false)
    }

    /// All that can be images, labelled or not, each with a name: its split, the group that it stands in, or its path where
    /// several would have one name; in byte order of the names.
    func allImages() throws -> [(name: String, images: Entry)] {
        func name(_ entry: Entry) -> String {
            let group = entry.path.split(separator: "/").dropLast().joined(separator: "/")
            return entry.split ?? (group.isEmpty ? "train" : group)
        }
        let groups = Dictionary(grouping: entries.filter(Self.canBeImages), by: name)
        guard !groups.isEmpty else { throw nothing() }
        return groups.flatMap { name, members -> [(name: String, images: Entry)] in
            let chosen = Self.choose(members, by: Self.imageWords)
            return chosen.map { (chosen.count == 1 ? name : String($0.path.dropFirst()), $0) }
        }.sorted { $0.name.utf8.lexicographicallyPrecedes($1.name.utf8) }
    }

    /// What alone fits by its shape, else what alone fits by its name too.
    private static func choose(_ candidates: [Entry], by words: Set<String>) -> [Entry] {
        guard candidates.count > 1 else { return candidates }
        let named = candidates.filter { !$0.words.isDisjoint(with: words) }
        return named.isEmpty ? candidates : named
    }

    private static func canBeImages(_ entry: Entry) -> Bool { hasShapeOfImages(entry) && entry.shape[0] > 0 }

    /// Images, were there any.
    private static func isEmptyOfImages(_ entry: Entry) -> Bool { hasShapeOfImages(entry) && entry.shape[0] == 0 }

    private static func hasShapeOfImages(_ entry: Entry) -> Bool {
        guard entry.type.isNumber, (3...5).contains(entry.shape.count) else { return false }
        let image = entry.shape.dropFirst()
        return image.allSatisfy { $0 > 0 } && image.count { $0 > 1 } >= 2
    }

    /// One number for each image whatever the axes of extent 1, or a row of ones and zeros.
    private static func canBeLabels(_ entry: Entry, of count: Int) -> Bool {
        guard entry.type.isNumber, !entry.shape.isEmpty else { return false }
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
                        "\(DatasetRoles.option(missing, "FILE#/PATH")) (\(DatasetRoles.setting(missing, "FILE#/PATH"))) is "
                            + "missing: images and labels belong together")
                }
                return nil
            }
            return Found(
                name: name, images: try entry(images, DatasetRoles.name("images", of: name)),
                labels: try entry(labels, DatasetRoles.name("labels", of: name)), isNamed: true)
        }
    }

    private func entry(_ place: String, _ role: String) throws -> Entry {
        let isInFirst = entries.contains { $0.file == 0 && $0.path == place }
        let parts = isInFirst ? nil : DatasetRoles.parts(of: place, in: files.map(\.path))
        let file = parts.map { part in files.firstIndex { $0.path == part.file } } ?? 0
        let name = parts?.name ?? place
        let path = name.hasPrefix("/") ? name : "/\(name)"
        let reason: String
        if let file {
            do {
                return entry(try files[file].dataset(path), path, of: file)
            } catch let error {
                reason = error.reason
            }
        } else {
            reason = "\(parts?.file ?? "") is none of the files"
        }
        throw Failure(.badData, "\(role) '\(place)': \(reason). \(list(entries.map(description)))")
    }

    /// Class names where the files have them: a row of texts. One that has a text for each image of a split is taken for the names
    /// of the images, unless it is called classes.
    func classes(_ roles: DatasetRoles, of found: [Found]) throws -> [String]? {
        if let place = roles.classes {
            let entry = try entry(place, "classes")
            guard Self.canBeClassNames(entry) else {
                throw Failure(.badData, "classes '\(place)': is \(description(entry)), expected a row of names")
            }
            return try dataset(entry).readStrings()
        }
        let imageCounts = Set(found.map { $0.images.shape[0] })
        let rows = entries.filter { entry in
            Self.canBeClassNames(entry) && !entry.words.isDisjoint(with: Self.classWords)
                && (!imageCounts.contains(entry.shape[0]) || !entry.words.isDisjoint(with: ["class", "classes"]))
        }
        // The same list may stand in every file.
        let lists = try rows.map { try dataset($0).readStrings() }
        return Set(lists).count == 1 ? lists[0] : nil
    }

    private static func canBeClassNames(_ entry: Entry) -> Bool {
        entry.type == .string && entry.shape.count == 1
            && (1...ForeignLabels.largestClassCount).contains(entry.shape[0])
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

    private func ambiguous(_ split: String, _ images: [Entry]) -> Failure {
        var lines: [String] = []
        for image in images {
            let labels = entries.filter { Self.canBeLabels($0, of: image.shape[0]) && $0.path != image.path }
            lines += labels.flatMap {
                DatasetRoles.choice([
                    (DatasetRoles.name("images", of: split), place(image)),
                    (DatasetRoles.name("labels", of: split), place($0)),
                ])
            }
        }
        let names = files.map(\.path).joined(separator: ", ")
        guard !lines.isEmpty else {
            return Failure(
                .badData,
                "\(names): \(images.map(description).joined(separator: "; ")) could be images, but nothing holds a label for "
                    + "each of them. \(list(entries.map(description))). Give the file of their labels too, and name both:\n"
                    + DatasetRoles.choice([
                        (DatasetRoles.name("images", of: split), place(images[0])),
                        (DatasetRoles.name("labels", of: split), "FILE#/PATH"),
                    ]).joined(separator: "\n"))
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
            "\(names): holds no images, expected numbers of the shape (N, H, W, C), (N, C, H, W) or (N, H, W), or (N, D, H, W, C) of volumes"
                + (isWeights ? "; it looks like weights of Keras" : "")
                + ". \(list(entries.map(description)))"
                + (refused.isEmpty ? "" : "; not read: \(refused.prefix(5).joined(separator: "; "))"))
    }
}
