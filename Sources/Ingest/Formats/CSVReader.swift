internal import Diagnostics
internal import Glibc
internal import Report

/// The records of a CSV file, plain or gzip, in order: RFC 4180 with a byte order mark, CRLF or LF, quotes, and blank lines
/// left out. The separator is the comma, or the semicolon or tab where the first line has no comma.
final class CSVReader {
    let path: String
    private(set) var separator = UInt8(ascii: ",")
    /// Line on which the record begins, from 1.
    private(set) var line = 0
    /// Bytes of each field in `bytes`, quotes included; valid until the next record.
    private(set) var fields: [Range<Int>] = []
    private(set) var bytes: UnsafeMutablePointer<UInt8>

    private let source: ByteSource
    private var capacity = 1 << 20
    private var start = 0
    private var end = 0
    private var nextLine = 1
    private var isAtEnd = false
    private var hasBegun = false
    private static let longestRecord = 1 << 24
    private static let largestFieldCount = 1 << 20
    private static let quote = UInt8(ascii: "\"")

    init(_ path: String) throws {
        self.path = path
        source = try ByteSource(path: path)
        bytes = .allocate(capacity: capacity)
    }

    deinit { bytes.deallocate() }

    /// Goes to the next record; false at the end.
    func next() throws -> Bool {
        while true {
            guard let length = try findRecord() else { return false }
            line = nextLine
            let first = start
            var last = first + length
            for place in first..<last where bytes[place] == 10 { nextLine += 1 }
            start = min(last + 1, end)
            nextLine += 1
            if last > first, bytes[last - 1] == 13 { last -= 1 }
            guard last > first else { continue }
            if !hasBegun {
                hasBegun = true
                let text = UnsafeBufferPointer(start: bytes + first, count: last - first)
                if !text.contains(separator) {
                    separator = [UInt8(ascii: ";"), UInt8(ascii: "\t")].first { text.contains($0) } ?? separator
                }
            }
            try divide(first, last)
            return true
        }
    }

    /// A field without its quotes.
    func text(_ field: Int) throws -> String {
        let range = fields[field]
        var content = UnsafeBufferPointer(start: bytes + range.lowerBound, count: range.count)[...]
        if content.first == Self.quote, content.count >= 2, content.last == Self.quote {
            content = content.dropFirst().dropLast()
            guard let text = String(validating: content, as: UTF8.self) else { throw notText(field) }
            return text.split(separator: "\"\"", omittingEmptySubsequences: false).joined(separator: "\"")
        }
        guard let text = String(validating: content, as: UTF8.self) else { throw notText(field) }
        return text.trimmingSpaces
    }

    /// A field that is a number; nil when it is none.
    func number(_ field: Int) -> Double? {
        var range = fields[field]
        while let first = range.first, bytes[first] == 32 || bytes[first] == Self.quote { range.removeFirst() }
        while let last = range.last, bytes[last] == 32 || bytes[last] == Self.quote { range.removeLast() }
        guard !range.isEmpty, range.count < 64 else { return nil }
        if range.count <= 3 {
            var value = 0
            for place in range {
                let digit = Int(bytes[place]) - 48
                guard (0...9).contains(digit) else { return real(range) }
                value = value * 10 + digit
            }
            return Double(value)
        }
        return real(range)
    }

    func failure(_ text: String) -> Failure { Failure(.badData, "\(path):\(line): \(text)") }

    /// Reads the rest of the file, and gives its name, size and digest as JSON.
    func finish() throws -> JSON { try source.description() }

    private func real(_ range: Range<Int>) -> Double? {
        Double(
            String(decoding: UnsafeBufferPointer(start: bytes + range.lowerBound, count: range.count), as: UTF8.self))
    }

    private func notText(_ field: Int) -> Failure { failure("field \(field + 1) is not UTF-8") }

    /// Bytes up to the newline that ends the record, which the buffer then holds whole; nil at the end of the file.
    private func findRecord() throws -> Int? {
        var searched = 0
        var isQuoted = false
        while true {
            while searched < end - start {
                let place = bytes + start + searched
                let left = end - start - searched
                let newline = memchr(place, 10, left).map { $0.assumingMemoryBound(to: UInt8.self) - place }
                let span = newline ?? left
                if memchr(place, Int32(Self.quote), span) != nil {
                    for offset in 0..<span where place[offset] == Self.quote { isQuoted.toggle() }
                }
                searched += span
                guard newline != nil else { break }
                if !isQuoted { return searched }
                searched += 1
            }
            if isAtEnd {
                guard !isQuoted else {
                    line = nextLine
                    throw failure("a quote is not closed")
                }
                return start < end ? end - start : nil
            }
            try refill()
        }
    }

    private func refill() throws {
        if start > 0 {
            memmove(bytes, bytes + start, end - start)
            (start, end) = (0, end - start)
        }
        if end == capacity {
            guard capacity < Self.longestRecord else {
                line = nextLine
                throw failure("a record has more than \(Self.longestRecord) bytes")
            }
            let larger = UnsafeMutablePointer<UInt8>.allocate(capacity: capacity * 2)
            larger.update(from: bytes, count: end)
            bytes.deallocate()
            bytes = larger
            capacity *= 2
        }
        let room = UnsafeMutableRawBufferPointer(start: bytes + end, count: capacity - end)
        let isFirst = source.position == 0
        let count = try source.read(into: room)
        isAtEnd = count < room.count
        if isFirst, count >= 3, Array(room[..<3]) == [0xEF, 0xBB, 0xBF] { start = 3 }
        end += count
    }

    private func divide(_ first: Int, _ last: Int) throws {
        fields.removeAll(keepingCapacity: true)
        var begin = first
        var isQuoted = false
        for place in first..<last {
            let byte = bytes[place]
            if byte == separator, !isQuoted {
                guard fields.count < Self.largestFieldCount else {
                    throw failure("has more than \(Self.largestFieldCount) fields")
                }
                fields.append(begin..<place)
                begin = place + 1
            } else if byte == Self.quote {
                isQuoted.toggle()
            } else if byte == 0 {
                throw failure("holds a NUL byte, expected text")
            }
        }
        fields.append(begin..<last)
    }
}
