internal import Diagnostics

extension Configuration {
    /// Reads a configuration: the file's text if there is one, then assignments of the form `optimizer.momentum=0.8`.
    ///
    /// A given file must name `model` and, unless the images are told otherwise, `data.file`. `models` are the names that
    /// exist. Throws: `Failure(.configuration)` with file, line and column.
    package init(
        yaml: String?, file: String, assignments: [String], models: [String], defaults: Configuration,
        needsData: Bool = true
    ) throws {
        var root = ConfigurationNode(place: file, content: .mapping([]))
        if let yaml {
            root = try ConfigurationNode(yaml: yaml, file: file)
        }
        for assignment in assignments { try root.apply(assignment: assignment) }
        let top = try ConfigurationSection(root, path: "")
        if yaml != nil {
            guard top.has("model") else {
                throw top.failure("model", "is missing, expected one of \(models.joined(separator: ", "))")
            }
            guard try top.section("data")?.has("file") == true || !needsData else {
                throw top.failure("data", "names no file, expected data: {file: FILE.h5}")
            }
        }
        self = defaults
        try read(ConfigurationInput(top: top, models: models, mustBeComplete: yaml != nil))
    }

    /// Reads the rows in their order, each held against those in front of it.
    private mutating func read(_ input: ConfigurationInput) throws {
        for key in ConfigurationKeys.all {
            guard let section = try input.section(key.section) else { continue }
            if let variants = key.variants {
                let current = variants.current(self)
                guard variants.names.contains(current) else {
                    guard !section.has(key.name) else {
                        throw section.failure(
                            key.name,
                            "belongs to \(key.section) \(variants.names.joined(separator: ", ")), not to \(current)")
                    }
                    continue
                }
            }
            try key.read(&self, section, input)
        }
    }
}
