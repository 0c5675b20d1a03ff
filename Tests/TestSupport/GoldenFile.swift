package import HDF5

/// A file of whole tensors computed by PyTorch; a README beside it says what is in it.
package struct GoldenFile {
    package let file: HDF5File

    package init(path: String) throws { file = try HDF5File.open(path) }

    /// The names of the file's groups, one for each case.
    package func cases() throws -> [String] { try file.children(of: "/") }

    package func has(_ path: String) -> Bool { file.exists(path) }
    package func shape(_ path: String) throws -> [Int] { try file.dataset(path).shape }
    package func floats(_ path: String) throws -> [Float] { try file.dataset(path).readAll(as: Float.self) }
    package func doubles(_ path: String) throws -> [Double] { try file.dataset(path).readAll(as: Double.self) }
    package func integers(_ path: String) throws -> [Int64] { try file.dataset(path).readAll(as: Int64.self) }

    package func has(_ attribute: String, of group: String) throws -> Bool {
        try file.attribute(attribute, on: group) != nil
    }

    package func number(_ attribute: String, of group: String) throws -> Int {
        guard case .integer(let value)? = try file.attribute(attribute, on: group) else {
            throw Missing("a whole number", attribute, group)
        }
        return Int(value)
    }

    /// One number or a row of them.
    package func numbers(_ attribute: String, of group: String) throws -> [Int] {
        switch try file.attribute(attribute, on: group) {
        case .integer(let value): return [Int(value)]
        case .integers(let values): return values.map { Int($0) }
        default: throw Missing("whole numbers", attribute, group)
        }
    }

    package func real(_ attribute: String, of group: String) throws -> Double {
        guard case .real(let value)? = try file.attribute(attribute, on: group) else {
            throw Missing("a number", attribute, group)
        }
        return value
    }

    package func text(_ attribute: String, of group: String) throws -> String {
        guard case .string(let value)? = try file.attribute(attribute, on: group) else {
            throw Missing("a text", attribute, group)
        }
        return value
    }

    /// Something that a golden file or its reader does not have.
    package struct Missing: Error, CustomStringConvertible {
        package let description: String

        package init(_ description: String) { self.description = description }

        init(_ kind: String, _ attribute: String, _ group: String) {
            self.init("\(group) has no \(attribute) that is \(kind)")
        }
    }
}

/// Equal bits, which tells −0 from +0 and finds NaN equal to itself.
package func sameBits(_ left: [Float], _ right: [Float]) -> Bool { left.map(\.bitPattern) == right.map(\.bitPattern) }
