internal import Foundation

/// A small matrix that is moved over an image: one that has a name, or one that is written down.
package struct FilterKernel: Equatable, Sendable {
    package let name: String
    package let rows, columns: Int
    /// [rows, columns]
    package let values: [Float]

    /// Whether a photo stays one: what comes of it is shown on the photo's own scale.
    package var keepsPictures: Bool { Self.kept.contains(name) }

    private static let kept: Set = ["identity", "sharpen", "emboss"]

    /// What is wrong with a text, in words that follow it.
    package struct Mistake: Error, Equatable {
        package let reason: String
    }

    /// Longest side; the largest kernels of the field are far smaller.
    package static let largestSide = 101

    init(_ name: String, _ matrix: [[Float]]) {
        self.name = name
        (rows, columns) = (matrix.count, matrix[0].count)
        values = matrix.flatMap { $0 }
    }

    /// A name, a family with its size (`gaussian:7:1.5`, `box:5`), or rows of numbers (`1,0,-1;2,0,-2;1,0,-1`).
    ///
    /// Throws: `Mistake`.
    package init(_ text: String) throws(Mistake) {
        if let fixed = Self.fixed.first(where: { $0.name == text }) {
            self = fixed
            return
        }
        let words = text.split(separator: ":", omittingEmptySubsequences: false).map(String.init)
        switch words[0] {
        case "gaussian" where words.count <= 3:
            let size = try Self.side(words.count > 1 ? words[1] : "3", of: text)
            let usual = 0.3 * (Double(size - 1) * 0.5 - 1) + 0.8
            guard let deviation = words.count > 2 ? Double(words[2]) : usual, deviation > 0, deviation < 1e6 else {
                throw Mistake(reason: "expected gaussian:SIZE:DEVIATION, the deviation in places and above 0")
            }
            self = try Self.gaussian(text, size: size, deviation: deviation)
        case "box" where words.count <= 2:
            let size = try Self.side(words.count > 1 ? words[1] : "3", of: text)
            let row = [Float](repeating: 1 / Float(size * size), count: size)
            self.init(text, [[Float]](repeating: row, count: size))
        default:
            self.init(text, try Self.matrix(text))
        }
    }

    /// Names and families, for helps and for the nearest word.
    package static let names = fixed.map(\.name) + ["gaussian", "box"]

    /// Rows of numbers, with `;` between them. Throws: `Mistake`.
    package static func matrix(_ text: String, largestSide: Int = largestSide) throws(Mistake) -> [[Float]] {
        var rows: [[Float]] = []
        for line in text.split(separator: ";", omittingEmptySubsequences: false) {
            var row: [Float] = []
            for word in line.split(separator: ",", omittingEmptySubsequences: false) {
                let word = word.trimmingCharacters(in: .whitespaces)
                guard let value = Float(word), value.isFinite else {
                    throw Mistake(
                        reason: rows.isEmpty && row.isEmpty ? "is no name and no matrix" : "\(word) is no number")
                }
                row.append(value)
            }
            rows.append(row)
        }
        guard Set(rows.map(\.count)).count == 1 else {
            throw Mistake(
                reason: "rows of \(rows.map { "\($0.count)" }.joined(separator: ", ")) numbers, expected equally many")
        }
        guard max(rows.count, rows[0].count) <= largestSide else {
            throw Mistake(reason: "\(rows.count)×\(rows[0].count) numbers, expected at most \(largestSide) a side")
        }
        return rows
    }

    private static func side(_ word: String, of text: String) throws(Mistake) -> Int {
        guard let side = Int(word), (1...largestSide).contains(side) else {
            throw Mistake(reason: "a size of \(word), expected 1…\(largestSide)")
        }
        return side
    }

    /// exp(−(x² + y²) / 2σ²) around the middle, divided by its sum. Throws: `Mistake` where nothing is left of it.
    private static func gaussian(_ name: String, size: Int, deviation: Double) throws(Mistake) -> FilterKernel {
        let middle = Double(size - 1) / 2
        let line = (0..<size).map { exp(-pow((Double($0) - middle) / deviation, 2) / 2) }
        let sum = line.reduce(0, +)
        let square = sum * sum
        guard square.isNormal else {
            throw Mistake(
                reason:
                    "a deviation of \(deviation) leaves nothing at any of \(size)×\(size) places, expected a larger one"
            )
        }
        return FilterKernel(name, line.map { y in line.map { x in Float(y * x / square) } })
    }

    /// Sources: Prewitt 1970; Sobel 1968; the edges of the tutorials under the names that they have there.
    private static let fixed = [
        FilterKernel("identity", [[0, 0, 0], [0, 1, 0], [0, 0, 0]]),
        FilterKernel("vertical", [[1, 0, -1], [1, 0, -1], [1, 0, -1]]),
        FilterKernel("horizontal", [[1, 1, 1], [0, 0, 0], [-1, -1, -1]]),
        FilterKernel("left-edge", [[-1, 0, 1], [-1, 0, 1], [-1, 0, 1]]),
        FilterKernel("top-edge", [[-1, -1, -1], [0, 0, 0], [1, 1, 1]]),
        FilterKernel("diagonal-1", [[0, -1, 1], [-1, 1, 0], [1, 0, 0]]),
        FilterKernel("diagonal-2", [[1, -1, 0], [0, 1, -1], [0, 0, 1]]),
        FilterKernel("prewitt-x", [[-1, 0, 1], [-1, 0, 1], [-1, 0, 1]]),
        FilterKernel("prewitt-y", [[-1, -1, -1], [0, 0, 0], [1, 1, 1]]),
        FilterKernel("sobel-x", [[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]]),
        FilterKernel("sobel-y", [[-1, -2, -1], [0, 0, 0], [1, 2, 1]]),
        FilterKernel("laplacian", [[0, 1, 0], [1, -4, 1], [0, 1, 0]]),
        FilterKernel("laplacian-8", [[1, 1, 1], [1, -8, 1], [1, 1, 1]]),
        FilterKernel("sharpen", [[0, -1, 0], [-1, 5, -1], [0, -1, 0]]),
        FilterKernel("emboss", [[-2, -1, 0], [-1, 1, 1], [0, 1, 2]]),
    ]
}
