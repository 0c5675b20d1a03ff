internal import Diagnostics
package import Interchange
package import Layers
package import Report
internal import Tensors

/// How the tensors of a file and the parameters of a network go together.
///
/// Keys match as they are, or without what wrappers put in front of them. Counters of batch normalisation and averaging are
/// not needed.
package struct WeightsMatch {
    /// What becomes of the head: the last layer that has parameters.
    package enum Head: String, CaseIterable, Sendable {
        /// Taken, unless the file's has another number of classes, or there is none.
        case auto
        /// Never taken.
        case new
        /// Taken; it must fit like all others.
        case keep
    }

    /// Each parameter and the tensor that it takes its values from.
    package private(set) var taken: [(parameter: Parameter, entry: TensorEntry)] = []
    /// Parameters of the head that keep their first values, and what the file has for them.
    package private(set) var new: [(parameter: Parameter, entry: TensorEntry?)] = []
    package private(set) var missing: [Parameter] = []
    package private(set) var leftOver: [TensorEntry] = []
    package private(set) var wrongShape: [(parameter: Parameter, entry: TensorEntry)] = []
    private var notNeeded: [TensorEntry] = []
    private var wrongType: [TensorEntry] = []
    private let prefix: String
    private let source: String

    /// What data parallelism, a wrapping class and the compiler put in front.
    private static let prefixes = ["module.", "model.", "_orig_mod."]
    private static let counters = ["num_batches_tracked", "n_averaged"]

    /// `source` is for messages.
    init(_ list: ParameterList, _ entries: [TensorEntry], head: Head, source: String) {
        self.source = source
        let headPrefix = list.head.map { $0 + "." } ?? ""
        let known = Set(list.parameters.map(\.key))
        let isNeeded = { (entry: TensorEntry) in !Self.counters.contains(Self.name(of: entry.key)) }
        notNeeded = entries.filter { !isNeeded($0) }
        let entries = entries.filter(isNeeded)
        prefix = Self.prefix(entries, known)
        var byKey: [String: TensorEntry] = [:]
        var strangers: [(key: String, entry: TensorEntry)] = []
        for entry in entries {
            let key = entry.key.hasPrefix(prefix) ? String(entry.key.dropFirst(prefix.count)) : entry.key
            if known.contains(key), byKey[key] == nil {
                byKey[key] = entry
            } else {
                strangers.append((key, entry))
            }
        }
        let isNewHead = Self.isNew(head, list.parameters.filter { $0.key.hasPrefix(headPrefix) }, byKey)
        leftOver = strangers.filter { !isNewHead || !$0.key.hasPrefix(headPrefix) }.map(\.entry)
        for parameter in list.parameters {
            let entry = byKey[parameter.key]
            if isNewHead, parameter.key.hasPrefix(headPrefix) {
                new.append((parameter, entry))
            } else if let entry {
                if entry.shape != parameter.shape.dimensions {
                    wrongShape.append((parameter, entry))
                } else if !entry.type.isReal {
                    wrongType.append(entry)
                } else {
                    taken.append((parameter, entry))
                }
            } else {
                missing.append(parameter)
            }
        }
    }

    private static func isNew(_ head: Head, _ parameters: [Parameter], _ byKey: [String: TensorEntry]) -> Bool {
        switch head {
        case .new: true
        case .keep: false
        case .auto:
            parameters.allSatisfy { byKey[$0.key] == nil }
                || parameters.contains { parameter in
                    guard let shape = byKey[parameter.key]?.shape, let classes = shape.first else { return false }
                    // A head of other inputs belongs to another network.
                    return classes != parameter.shape.dimensions.first
                        && shape.dropFirst() == parameter.shape.dimensions.dropFirst()
                }
        }
    }

    /// The prefix without which most keys are known; none is best.
    private static func prefix(_ entries: [TensorEntry], _ known: Set<String>) -> String {
        let candidates =
            [""] + prefixes + prefixes.flatMap { outer in prefixes.filter { $0 != outer }.map { outer + $0 } }
        let matches = candidates.map { prefix in
            entries.count { $0.key.hasPrefix(prefix) && known.contains(String($0.key.dropFirst(prefix.count))) }
        }
        let most = matches.max() ?? 0
        return candidates[matches.firstIndex(of: most) ?? 0]
    }

    private static func name(of key: String) -> String {
        key.split(separator: ".", omittingEmptySubsequences: false).last.map(String.init) ?? key
    }

    /// Throws: `Failure(.badData)` naming the first few of everything that does not fit.
    func check(path: String, model: String) throws {
        let problems = problems.filter { !$0.1.isEmpty }.map { "\($0.1.count) \($0.0) (\(Self.few($0.1)))" }
        guard !problems.isEmpty else { return }
        let count = taken.count + new.count + missing.count + wrongShape.count + wrongType.count
        throw Failure(
            .badData,
            "\(path): its keys do not fit \(model) with \(count) tensors: " + problems.joined(separator: ", ")
                + "; expected the state dictionary of this network")
    }

    private var problems: [(String, [String])] {
        [
            ("missing", missing.map { "\($0.key) \($0.shape)" }),
            ("left over", leftOver.map(\.key.printable).sorted()),
            ("of a wrong shape", wrongShape.map { "\($0.key) \(Shape($1.shape)) instead of \($0.shape)" }),
            ("of a wrong type", wrongType.map { "\($0.key.printable) of \($0.type)" }),
        ]
    }

    /// Whether every parameter has been taken and every tensor that matters is used.
    package var isWhole: Bool { new.isEmpty && problems.allSatisfy(\.1.isEmpty) }

    /// The file and how much of it is taken, in a line.
    package var summary: String {
        "\(source)\(without): "
            + (isWhole ? "all \(taken.count) tensors taken" : "\(taken.count) tensors taken, \(new.count) new")
    }

    /// What is taken, new, missing, left over and of a wrong shape.
    package var table: String { (["weights  \(source)\(without)"] + rows).joined(separator: "\n") }

    private var without: String { prefix.isEmpty ? "" : ", keys without \(prefix)" }

    /// The table without its first line.
    package var rows: [String] {
        let rows: [(String, [String])] =
            [
                ("taken", taken.map(\.entry.key.printable)),
                ("new", new.map { "\($0.key) \($0.shape)" + ($1.map { ", in the file \(Shape($0.shape))" } ?? "") }),
            ] + problems.map { ($0.0.replacing("of a ", with: ""), $0.1) }
            + [("not needed", notNeeded.map(\.key.printable))]
        return TextTable(
            rows.filter { $0.0 != "wrong type" || !$0.1.isEmpty }.map { [$0, "\($1.count)", Self.few($1)] },
            [.left, .right, .left], indent: 2
        ).lines
    }

    /// The table's numbers.
    package var json: JSON {
        [
            "taken": .integer(taken.count), "new": .integer(new.count), "missing": .integer(missing.count),
            "left_over": .integer(leftOver.count), "wrong_shape": .integer(wrongShape.count),
            "wrong_type": .integer(wrongType.count), "not_needed": .integer(notNeeded.count),
            "prefix": .string(prefix),
        ]
    }

    /// The first few of a list.
    private static func few(_ items: [String]) -> String {
        items.prefix(3).joined(separator: ", ") + (items.count > 3 ? ", …" : "")
    }
}
