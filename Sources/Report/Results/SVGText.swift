internal import Foundation

/// Numbers as SVG takes them, and the room that words need.
enum SVGText {
    /// At most two decimals; what no picture has room for is 0.
    static func number(_ value: Double) -> String {
        guard abs(value) < 1e9 else { return "0" }
        let rounded = (value * 100).rounded() / 100
        return rounded == rounded.rounded() ? String(Int(rounded)) : String(format: "%g", rounded)
    }

    /// About how wide a viewer without our fonts draws it: wide scripts take a whole em.
    static func width(_ text: String, fontSize: Double) -> Double {
        text.unicodeScalars.reduce(0) { $0 + ($1.value < 0x2e80 ? 0.58 : 1.02) } * fontSize
    }

    /// Names of classes beside squares of this side.
    static func labelSize(cell: Double) -> Double { min(12, max(6, cell * 0.8)) }
}
