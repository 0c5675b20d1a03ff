internal import Diagnostics

/// Settings are read as float64 and used as float32: what would not survive that is refused where it is read.
enum SinglePrecision {
    /// What is wrong with a number as float32; nil for 0 and for what stays a normal number.
    static func misfit(_ value: Double) -> String? {
        let single = Float(value)
        if value == 0 || single.isNormal { return nil }
        if single.isInfinite { return "is infinite in float32, expected at most 3.4e38" }
        return single == 0
            ? "is 0 in float32, expected at least 1.2e-38"
            : "is below the normal numbers of float32, expected at least 1.2e-38"
    }
}

extension ConfigurationSection {
    /// A number that float32 can hold.
    func single(_ key: String, expected: String, where accept: (Double) -> Bool) throws -> Double? {
        guard let value = try number(key, expected: expected, where: accept) else { return nil }
        if let misfit = SinglePrecision.misfit(value) { throw failure(key, "= \(value) \(misfit)") }
        return value
    }

    /// A share that float32 still tells from 1.
    func singleFraction(_ key: String) throws -> Double? {
        let fraction = try single(key, expected: Self.fraction) { $0 >= 0 && $0 < 1 }
        if let fraction, Float(fraction) == 1 {
            throw failure(key, "= \(fraction) is 1 in float32, expected at most \(Float(1).nextDown)")
        }
        return fraction
    }

    static let fraction = "a number from 0, below 1"
}
