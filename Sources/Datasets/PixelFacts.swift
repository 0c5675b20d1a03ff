internal import Digests

/// What reading all pixels of a split tells.
struct PixelFacts: FactsLine, Equatable, Sendable {
    /// SHA-256 of the raw bytes, in hexadecimal.
    var digest: String
    /// Of float pixels: the smallest and largest that are finite, the number of the others, and the image that has the first.
    var minimum: Float = 0
    var maximum: Float = 0
    var notFinite = 0
    var firstNotFinite = 0

    /// `progress` is told the bytes done from time to time. Throws: `Failure(.inputOutput)` when the file changes meanwhile.
    init(_ pixels: any PixelStorage, type: PixelType, imageBytes: Int, progress: (Int) -> Void = { _ in }) throws {
        var hash = SHA256()
        var scan = FloatScan()
        var done = 0
        try pixels.forEachPiece { piece in
            hash.update(piece)
            if type == .float32 { scan.add(piece.bindMemory(to: Float.self)) }
            done += piece.count
            progress(done)
        }
        digest = hash.hexadecimal()
        (minimum, maximum) = scan.minimum <= scan.maximum ? (scan.minimum, scan.maximum) : (0, 0)
        (notFinite, firstNotFinite) = (scan.notFinite, scan.firstNotFinite * type.byteCount / imageBytes)
    }

    init?(line: some StringProtocol) {
        let words = line.split(separator: " ")
        guard words.count == 5, words[0].utf8.count == 64, words[0].allSatisfy(\.isHexDigit),
            let low = UInt32(words[1], radix: 16), let high = UInt32(words[2], radix: 16), let count = Int(words[3]),
            let first = Int(words[4]), count >= 0, first >= 0
        else { return nil }
        digest = String(words[0])
        (minimum, maximum) = (Float(bitPattern: low), Float(bitPattern: high))
        (notFinite, firstNotFinite) = (count, first)
    }

    var line: String {
        let range = [minimum, maximum].map { String($0.bitPattern, radix: 16) }.joined(separator: " ")
        return "\(digest) \(range) \(notFinite) \(firstNotFinite)"
    }

    /// What a user should hear about these pixels, though they can be trained on.
    func warnings(path: String, type: PixelType) -> [String] {
        guard type == .float32 else { return [] }
        var texts: [String] = []
        if notFinite > 0 {
            texts.append("\(path)[\(firstNotFinite)] holds a pixel that is not finite (\(notFinite) in all)")
        }
        if minimum < 0 || maximum > 1 {
            texts.append(
                "\(path) holds pixels from \(minimum) to \(maximum), expected 0…1"
                    + (minimum >= 0 && maximum > 1.5 && maximum <= 255 ? "; divide them by 255" : ""))
        }
        return texts
    }
}

private struct FloatScan {
    var minimum = Float.infinity
    var maximum = -Float.infinity
    var notFinite = 0
    /// Place of the first one among all elements.
    var firstNotFinite = 0
    private var elements = 0

    mutating func add(_ piece: UnsafeBufferPointer<Float>) {
        for (place, value) in piece.enumerated() {
            if value.isFinite {
                minimum = min(minimum, value)
                maximum = max(maximum, value)
            } else {
                if notFinite == 0 { firstNotFinite = elements + place }
                notFinite += 1
            }
        }
        elements += piece.count
    }
}
