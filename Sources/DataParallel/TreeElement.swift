/// A number the tree adds: one rounding per addition, so any vector width gives the same bits.
package protocol TreeElement: BitwiseCopyable, Sendable {
    static var zero: Self { get }
    /// lower[i] = lower[i] + upper[i].
    static func add(upper: UnsafePointer<Self>, toLower lower: UnsafeMutablePointer<Self>, count: Int)
    /// upper[i] = lower[i] + upper[i].
    static func add(lower: UnsafePointer<Self>, toUpper upper: UnsafeMutablePointer<Self>, count: Int)
}

// Written out per type, because a generic loop called from another module is neither specialised nor vectorised; and per
// direction, because a third pointer that equals one of the others sends the compiled loop down its scalar path.

extension Float: TreeElement {
    package static func add(upper: UnsafePointer<Float>, toLower lower: UnsafeMutablePointer<Float>, count: Int) {
        for i in 0..<count { lower[i] = lower[i] + upper[i] }
    }

    package static func add(lower: UnsafePointer<Float>, toUpper upper: UnsafeMutablePointer<Float>, count: Int) {
        for i in 0..<count { upper[i] = lower[i] + upper[i] }
    }
}

extension Double: TreeElement {
    package static func add(upper: UnsafePointer<Double>, toLower lower: UnsafeMutablePointer<Double>, count: Int) {
        for i in 0..<count { lower[i] = lower[i] + upper[i] }
    }

    package static func add(lower: UnsafePointer<Double>, toUpper upper: UnsafeMutablePointer<Double>, count: Int) {
        for i in 0..<count { upper[i] = lower[i] + upper[i] }
    }
}
