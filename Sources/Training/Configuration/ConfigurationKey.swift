/// One key of the configuration: the only place that knows it.
///
/// Reading, `--print-config`, the known keys and the nearest name, the agreement between ranks, what may change when a run
/// goes on, and `swift-train keys` all go over the rows of `ConfigurationKeys.all`.
package struct ConfigurationKey: Sendable {
    /// Whether the key may change when a run goes on.
    package enum Resuming: Sendable {
        /// It decides the weights: it must be what it was.
        case same
        /// It decides no weight and may change.
        case free
        /// It may change unless the learning rate follows the length of the run.
        case length
        /// It says where something lies that is compared by what it is: it may change but not come or go.
        case elsewhere
    }

    /// Of keys that only some of a section's names have, as `momentum` of `optimizer: {name: …}`.
    struct Variants: Sendable {
        /// The names that have the key, and those of them that must be given it.
        let names: [String]
        var required: [String] = []
        let current: @Sendable (Configuration) -> String
        /// The defaults under a name.
        let defaults: @Sendable (String) -> Configuration
    }

    typealias Reader = @Sendable (inout Configuration, ConfigurationSection, ConfigurationInput) throws -> Void
    typealias Check = @Sendable (Configuration, ConfigurationSection) throws -> Void

    /// "optimizer.learning_rate".
    package let path: String
    /// What it is, in a line.
    package let meaning: String
    /// What its value may be, as errors say it.
    package let expected: String
    package let resuming: Resuming
    let isList: Bool
    /// Whether it is a mapping whose keys are no keys of the configuration.
    let isMapping: Bool
    let variants: Variants?
    /// Reads the key from its section, if it is there, and holds it against the keys in front of it.
    let read: Reader
    /// The value as `--print-config` shows it; nil where it is not shown.
    let text: @Sendable (Configuration) -> String?

    /// The part of the path behind the last dot, and that in front of it.
    package var name: String { path.split(separator: ".").last.map(String.init) ?? path }
    package var section: String { path.split(separator: ".").dropLast().joined(separator: ".") }

    /// A key with a reader of its own.
    init(
        _ path: String, _ meaning: String, expected: String, resuming: Resuming = .same, isList: Bool = false,
        isMapping: Bool = false, variants: Variants? = nil, read: @escaping Reader = { _, _, _ in },
        text: @escaping @Sendable (Configuration) -> String?
    ) {
        self.path = path
        self.meaning = meaning
        self.expected = expected
        self.resuming = resuming
        self.isList = isList
        self.isMapping = isMapping
        self.variants = variants
        self.read = read
        self.text = text
    }

    /// A value of a form at a place of the configuration.
    init<Value>(
        _ path: String, _ meaning: String, _ form: ValueForm<Value>,
        _ place: any WritableKeyPath<Configuration, Value> & Sendable, resuming: Resuming = .same,
        variants: Variants? = nil, check: @escaping Check = { _, _ in }
    ) {
        let name = Self.name(of: path)
        self.init(
            path, meaning, expected: form.expected, resuming: resuming, isList: form.isList, variants: variants,
            read: { configuration, section, _ in
                if let value = try form.read(section, name) { configuration[keyPath: place] = value }
                try check(configuration, section)
            },
            text: { form.text($0[keyPath: place]) })
    }

    /// A value that need not be there, and is shown where it is.
    init<Value>(
        _ path: String, _ meaning: String, _ form: ValueForm<Value>,
        optional place: any WritableKeyPath<Configuration, Value?> & Sendable, resuming: Resuming = .same,
        variants: Variants? = nil, check: @escaping Check = { _, _ in }
    ) {
        let name = Self.name(of: path)
        self.init(
            path, meaning, expected: form.expected, resuming: resuming, isList: form.isList, variants: variants,
            read: { configuration, section, _ in
                if let value = try form.read(section, name) { configuration[keyPath: place] = value }
                try check(configuration, section)
            },
            text: { $0[keyPath: place].map(form.text) })
    }

    /// A value of something that need not be there, which the row in front of it has made.
    init<Part, Value>(
        _ path: String, _ meaning: String, _ form: ValueForm<Value>,
        in part: any WritableKeyPath<Configuration, Part?> & Sendable,
        _ place: any WritableKeyPath<Part, Value> & Sendable, resuming: Resuming = .same
    ) {
        let name = Self.name(of: path)
        self.init(
            path, meaning, expected: form.expected, resuming: resuming, isList: form.isList,
            read: { configuration, section, _ in
                if let value = try form.read(section, name) { configuration[keyPath: part]?[keyPath: place] = value }
            },
            text: { configuration in configuration[keyPath: part].map { form.text($0[keyPath: place]) } })
    }

    private static func name(of path: String) -> String {
        path.split(separator: ".").last.map(String.init) ?? path
    }

    /// The value of a configuration that says nothing of the key; of keys that only some names have, each name's.
    package var defaults: [(name: String?, text: String)] {
        guard let variants else { return [(nil, text(Configuration()) ?? "not set")] }
        return variants.names.map { name in
            (name, variants.required.contains(name) ? "to be given" : text(variants.defaults(name)) ?? "not set")
        }
    }

    /// The value of a configuration that says nothing of the key, under the name that this one gives its section; nil where the
    /// key must be given or is not set.
    func usual(beside configuration: Configuration) -> String? {
        guard let variants else { return text(Configuration()) }
        let name = variants.current(configuration)
        return variants.required.contains(name) ? nil : text(variants.defaults(name))
    }
}

/// What values of a kind may be: their words, how they are read and how they are written.
struct ValueForm<Value: Sendable>: Sendable {
    /// "a whole number from 0".
    let expected: String
    var isList = false
    /// nil when the key is absent. Throws: `Failure(.configuration)` for another value.
    let read: @Sendable (ConfigurationSection, _ key: String) throws -> Value?
    let text: @Sendable (Value) -> String
}

extension ValueForm<Int> {
    static func integer(in range: ClosedRange<Int>) -> ValueForm {
        ValueForm(expected: ConfigurationSection.expectation(of: range)) {
            try $0.integer($1, in: range)
        } text: {
            "\($0)"
        }
    }

    static var seconds: ValueForm {
        ValueForm(expected: ConfigurationSection.expectation(of: [Interval.Unit.second])) {
            try $0.interval($1, units: [.second])?.count
        } text: {
            "\(Interval($0, .second))"
        }
    }
}

extension ValueForm<Double> {
    /// A number of float64.
    static func number(_ expected: String, where accept: @escaping @Sendable (Double) -> Bool) -> ValueForm {
        ValueForm(expected: expected) {
            try $0.number($1, expected: expected, where: accept)
        } text: {
            "\($0)"
        }
    }

    /// A number that float32 can hold.
    static func single(_ expected: String, where accept: @escaping @Sendable (Double) -> Bool) -> ValueForm {
        ValueForm(expected: expected) {
            try $0.single($1, expected: expected, where: accept)
        } text: {
            "\($0)"
        }
    }

    static var positive: ValueForm { single("a number above 0") { $0 > 0 } }
    static var notNegative: ValueForm { single("a number from 0") { $0 >= 0 } }
    static var share: ValueForm { number("a number from 0 to 1") { (0...1).contains($0) } }
    /// A share that float32 still tells from 1.
    static var fraction: ValueForm {
        ValueForm(expected: ConfigurationSection.fraction) {
            try $0.singleFraction($1)
        } text: {
            "\($0)"
        }
    }
}

extension ValueForm<Bool> {
    static var boolean: ValueForm {
        ValueForm(expected: "true or false") {
            try $0.boolean($1)
        } text: {
            "\($0)"
        }
    }
}

extension ValueForm<Interval> {
    static func interval(_ units: [Interval.Unit]) -> ValueForm {
        ValueForm(expected: ConfigurationSection.expectation(of: units)) {
            try $0.interval($1, units: units)
        } text: {
            "\($0)"
        }
    }

    static var steps: ValueForm { interval([.step, .epoch]) }
    static var time: ValueForm { interval([.step, .epoch, .second]) }
}

extension ValueForm<String> {
    static var text: ValueForm {
        ValueForm(expected: "text") {
            try $0.text($1)
        } text: {
            $0
        }
    }

    /// A path, with `~` for the home folder.
    static var path: ValueForm {
        ValueForm(expected: "a path") {
            try $0.path($1)
        } text: {
            $0
        }
    }
}

extension ValueForm<String> {
    /// A part of an HDF5 file, with `~` for the home folder.
    static var place: ValueForm {
        ValueForm(expected: Configuration.Data.placeExpectation) {
            try $0.path($1)
        } text: {
            $0
        }
    }
}

extension ValueForm where Value: CaseIterable & RawRepresentable<String> {
    /// One of the words of an enumeration.
    static var choice: ValueForm {
        ValueForm(expected: ConfigurationSection.expectation(of: Value.allCases.map(\.rawValue))) {
            try $0.choice($1, Value.self)
        } text: {
            $0.rawValue
        }
    }
}

/// A configuration on its way in: the whole mapping, and what is known of the networks that it may name.
struct ConfigurationInput {
    let top: ConfigurationSection
    /// The networks that exist.
    let models: [String]
    /// Whether it is a file, which must say what it trains.
    let mustBeComplete: Bool

    /// The section at a path; nil when it is absent, or a word in its place that the row of that path has read.
    func section(_ path: String) throws -> ConfigurationSection? {
        var (section, place) = (top, "")
        for key in path.split(separator: ".").map(String.init) {
            place += place.isEmpty ? key : ".\(key)"
            guard let node = section.node(key) else { return nil }
            if case .scalar = node.content, ConfigurationKeys.row(at: place) != nil { return nil }
            guard let next = try section.section(key) else { return nil }
            section = next
        }
        return section
    }
}
