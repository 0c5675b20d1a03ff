internal import Diagnostics

/// A JSON value; members keep their order, so that equal content gives equal bytes.
package indirect enum JSON: Equatable, Sendable {
    case null
    case boolean(Bool)
    case integer(Int)
    case unsigned(UInt64)
    /// Written with as many digits as bring it back exactly; what is not finite as null.
    case number(Double)
    case string(String)
    case array([JSON])
    case object([Member])

    package struct Member: Equatable, Sendable {
        package var key: String
        package var value: JSON

        package init(_ key: String, _ value: JSON) {
            self.key = key
            self.value = value
        }
    }

    /// Where spaces and line feeds stand.
    package enum Style: Sendable {
        /// Nowhere: one line that programs read.
        case compact
        /// Behind commas and colons.
        case spaced
        /// Each member and element on a line of its own.
        case indented
    }

    /// With the digits that bring the float32 back, not those of its double.
    package static func number(_ value: Float) -> JSON { .number(Double("\(value)") ?? .nan) }

    /// Null stands for nothing.
    package static func optional<T>(_ value: T?, _ make: (T) -> JSON) -> JSON { value.map(make) ?? .null }

    package static func integers(_ values: some Sequence<Int>) -> JSON { .array(values.map(JSON.integer)) }
    package static func strings(_ values: some Sequence<String>) -> JSON { .array(values.map(JSON.string)) }

    package func text(_ style: Style = .compact) -> String {
        var text = ""
        write(to: &text, style, depth: 0)
        return text
    }

    private func write(to text: inout String, _ style: Style, depth: Int) {
        switch self {
        case .null: text += "null"
        case .boolean(let value): text += value ? "true" : "false"
        case .integer(let value): text += "\(value)"
        case .unsigned(let value): text += "\(value)"
        case .number(let value): text += value.isFinite ? "\(value)" : "null"
        case .string(let value): Self.quote(value, to: &text)
        case .array(let elements):
            Self.list("[", elements, "]", to: &text, style, depth) { element, text in
                element.write(to: &text, style, depth: depth + 1)
            }
        case .object(let members):
            Self.list("{", members, "}", to: &text, style, depth) { member, text in
                Self.quote(member.key, to: &text)
                text += style == .compact ? ":" : ": "
                member.value.write(to: &text, style, depth: depth + 1)
            }
        }
    }

    private static func list<Element>(
        _ opening: String, _ elements: [Element], _ closing: String, to text: inout String, _ style: Style,
        _ depth: Int, _ write: (Element, inout String) -> Void
    ) {
        func lineFeed(_ depth: Int) -> String { "\n" + String(repeating: "  ", count: depth) }
        text += opening
        for (index, element) in elements.enumerated() {
            if index > 0 { text += style == .spaced ? ", " : "," }
            if style == .indented { text += lineFeed(depth + 1) }
            write(element, &text)
        }
        if style == .indented, !elements.isEmpty { text += lineFeed(depth) }
        text += closing
    }

    private static func quote(_ value: String, to text: inout String) {
        text += "\""
        for scalar in value.unicodeScalars {
            switch scalar {
            case "\"": text += "\\\""
            case "\\": text += "\\\\"
            // Beside what JSON asks for, what a terminal could take for a command; all of them have four digits at most.
            case _ where String(scalar).printable != String(scalar):
                let digits = String(scalar.value, radix: 16)
                text += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
            default: text.unicodeScalars.append(scalar)
            }
        }
        text += "\""
    }
}

extension JSON: ExpressibleByDictionaryLiteral, ExpressibleByArrayLiteral, ExpressibleByStringLiteral {
    package init(dictionaryLiteral elements: (String, JSON)...) { self = .object(elements.map(Member.init)) }
    package init(arrayLiteral elements: JSON...) { self = .array(elements) }
    package init(stringLiteral value: String) { self = .string(value) }
}

extension JSON {
    /// What a text holds, nil where that is no JSON. Members of objects stand in the order of their keys.
    package init?(parsing text: String) { self.init(parsing: Array(text.utf8)) }

    /// The same of UTF-8 bytes.
    package init?(parsing bytes: some Sequence<UInt8>) {
        guard let value = ContiguousArray(bytes).withUnsafeBufferPointer(JSONParser.value) else { return nil }
        self = value
    }

    /// The value of a member, of objects alone.
    package subscript(key key: String) -> JSON? {
        guard case .object(let members) = self else { return nil }
        return members.first { $0.key == key }?.value
    }

    /// A string without its quotes, everything else as it is written.
    package var plain: String {
        if case .string(let text) = self { return text }
        return text(.spaced)
    }
}
