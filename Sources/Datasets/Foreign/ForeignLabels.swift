internal import Diagnostics
internal import HDF5

/// Labels that others wrote, as class numbers.
enum ForeignLabels {
    static let largestClassCount = 1 << 20

    /// Of any integer type or whole floats, with any axes of extent 1; or one-hot rows (N, K).
    ///
    /// Throws: `Failure`: 65 for what is no class number, with its place; `HDF5Error`.
    static func read(_ dataset: HDF5Dataset, count: Int, _ roles: DatasetRoles) throws -> [Int64] {
        func bad(_ text: String) -> Failure { Failure(.badData, "\(dataset.place) \(text)") }
        let shape = dataset.shape
        let isRow = !shape.isEmpty && dataset.count == count && shape.count { $0 != 1 } <= 1
        let isOneHot =
            !isRow && shape.count == 2 && shape[0] == count && (1...Self.largestClassCount).contains(shape[1])
        guard dataset.elementType.isNumber, isRow || isOneHot else {
            throw bad(
                "is \(dataset.elementType) of shape \(shape), expected \(count) numbers, one for each image, or "
                    + "one-hot rows")
        }
        return isRow
            ? try classNumbers(dataset, base: Int64(roles.labelBase), bad)
            : try positionsOfOnes(dataset, classes: shape[1], bad)
    }

    private static func classNumbers(
        _ dataset: HDF5Dataset, base: Int64, _ bad: (String) -> Failure
    ) throws -> [Int64] {
        let values = UnsafeMutableBufferPointer<Double>.allocate(capacity: dataset.count)
        defer { values.deallocate() }
        try dataset.readNumbers(rows: 0..<dataset.shape[0], into: values)
        return try values.enumerated().map { index, value in
            guard let whole = Int64(exactly: value) else {
                throw bad("holds \(value) at \(index), expected whole numbers, the classes of the images")
            }
            guard whole >= base else {
                let least = Int32(exactly: values.min() ?? value)
                let advice = least.map {
                    " (\(DatasetRoles.option("label-base", "\($0)")) of convert hdf5, or "
                        + "\(DatasetRoles.setting("label-base", "\($0)")))"
                }
                throw bad(
                    "holds \(whole) at \(index), expected \(base) or more, the number of the first class\(advice ?? "")"
                )
            }
            // Exact for any two numbers, of which the difference alone may not be an Int64.
            let number = UInt64(bitPattern: whole &- base)
            guard number < Self.largestClassCount else {
                throw bad("holds \(whole) at \(index), expected at most \(Self.largestClassCount) classes")
            }
            return Int64(number)
        }
    }

    private static func positionsOfOnes(
        _ dataset: HDF5Dataset, classes: Int, _ bad: (String) -> Failure
    ) throws -> [Int64] {
        let count = dataset.shape[0]
        let rows = min(count, dataset.rowsPerRead(atLeast: (1 << 17) / classes))
        let piece = UnsafeMutableBufferPointer<Double>.allocate(capacity: rows * classes)
        defer { piece.deallocate() }
        var labels: [Int64] = []
        labels.reserveCapacity(count)
        for start in stride(from: 0, to: count, by: rows) {
            let end = min(count, start + rows)
            let part = UnsafeMutableBufferPointer(rebasing: piece[..<((end - start) * classes)])
            try dataset.readNumbers(rows: start..<end, into: part)
            for row in start..<end {
                let values = part[(row - start) * classes..<(row - start + 1) * classes]
                let ones = values.indices.filter { values[$0] == 1 }
                guard ones.count == 1, values.indices.allSatisfy({ values[$0] == 0 || $0 == ones[0] }) else {
                    throw bad(
                        "has \(ones.count) ones in row \(row), expected one-hot rows: several labels for an image are not "
                            + "trained")
                }
                labels.append(Int64(ones[0] - values.startIndex))
            }
        }
        return labels
    }
}
