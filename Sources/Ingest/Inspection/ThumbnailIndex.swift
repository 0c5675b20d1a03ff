internal import Glibc

/// Thumbnails as points of one sphere, and the pairs of them that lie close together.
///
/// A thumbnail of 8×8 cells loses its mean and is scaled to length 1, so that brightness and contrast do not count. Its
/// coordinates are those of the discrete cosine transform, which leaves distances as they are and puts most of the differences
/// between pictures into the first few. Close pairs are found by halving the set along the widest of these: the halves overlap by
/// the radius, so no pair is lost. Memory: 128 bytes an image.
struct ThumbnailIndex {
    static let side = 8
    static let dimensions = side * side
    /// The length of the unit: squares of differences of two points add up to less than 2³¹.
    private static let unit: Float = 8191

    /// Of all images, those without a thumbnail zero.
    private(set) var coordinates: [Int16] = []

    mutating func append(_ values: UnsafeBufferPointer<Int16>) { coordinates.append(contentsOf: values) }

    func hasThumbnail(_ image: Int) -> Bool {
        coordinates[image * Self.dimensions..<(image + 1) * Self.dimensions].contains { $0 != 0 }
    }

    /// Cosine transform of a thumbnail's cells without its mean, scaled to length 1; zeros where nothing is left.
    static func coordinates(of cells: UnsafePointer<Float>, into target: UnsafeMutablePointer<Int16>) {
        withUnsafeTemporaryAllocation(of: Float.self, capacity: 2 * dimensions) { memory in
            let rows = memory.baseAddress!
            let all = rows + dimensions
            transform(cells, into: rows)
            transform(rows, into: all)
            all[0] = 0
            var square: Float = 0
            for index in 0..<dimensions { square += all[index] * all[index] }
            guard square > 0 else { return target.update(repeating: 0, count: dimensions) }
            let scale = unit / square.squareRoot()
            for index in 0..<dimensions { target[index] = Int16((all[index] * scale).rounded()) }
        }
    }

    /// The transform along the rows; the result is transposed, so that a second one completes it.
    private static func transform(_ source: UnsafePointer<Float>, into target: UnsafeMutablePointer<Float>) {
        for row in 0..<side {
            for frequency in 0..<side {
                var sum: Float = 0
                for place in 0..<side { sum += source[row * side + place] * cosines[frequency * side + place] }
                target[frequency * side + row] = sum
            }
        }
    }

    private static let cosines: [Float] = (0..<dimensions).map { index in
        let (frequency, place) = (index / side, index % side)
        let angle = Double.pi * (Double(place) + 0.5) * Double(frequency) / Double(side)
        return Float(cos(angle) * ((frequency == 0 ? 1 : 2) / Double(side)).squareRoot())
    }

    /// Calls `body` with every pair of `images` whose thumbnails are at most `radius` apart (a part of the sphere's radius), some
    /// of them twice.
    func forEachClosePair(of images: [Int32], radius: Float, _ body: (Int, Int) throws -> Void) throws {
        let reach = Int32(radius * Self.unit)
        try coordinates.withUnsafeBufferPointer { coordinates in
            guard let base = coordinates.baseAddress else { return }
            var open = [images]
            while let set = open.popLast() {
                guard set.count > Self.smallestSplit, let halves = Self.split(set, base, reach) else {
                    try Self.compare(set, base, reach, body)
                    continue
                }
                open += halves
            }
        }
    }

    private static let smallestSplit = 96
    private static let sampled = 512
    /// The coordinates along which sets are split: four frequencies each way.
    private static let splitCoordinates = (1..<32).filter { $0 % side < 4 }

    /// Two overlapping parts of a set, nil when no coordinate makes them much smaller.
    private static func split(_ set: [Int32], _ base: UnsafePointer<Int16>, _ reach: Int32) -> [[Int32]]? {
        let step = max(1, set.count / sampled)
        var best: (share: Int, coordinate: Int, middle: Int32)?
        for coordinate in splitCoordinates {
            let values = stride(from: 0, to: set.count, by: step)
                .map { Int32(base[Int(set[$0]) * dimensions + coordinate]) }.sorted()
            let middle = values[values.count / 2]
            let low = values.count { $0 <= middle }
            let high = values.count { $0 > middle - reach }
            let share = max(low, high)
            if share * 8 < values.count * 7, best.map({ share < $0.share }) ?? true {
                best = (share, coordinate, middle)
            }
        }
        guard let best else { return nil }
        func value(_ image: Int32) -> Int32 { Int32(base[Int(image) * dimensions + best.coordinate]) }
        let parts = [set.filter { value($0) <= best.middle }, set.filter { value($0) > best.middle - reach }]
        return parts.allSatisfy { $0.count < set.count } ? parts : nil
    }

    private static func compare(
        _ set: [Int32], _ base: UnsafePointer<Int16>, _ reach: Int32, _ body: (Int, Int) throws -> Void
    ) rethrows {
        for (place, first) in set.enumerated() {
            let left = base + Int(first) * dimensions
            for second in set[(place + 1)...] {
                let right = base + Int(second) * dimensions
                if squaredDistance(left, right) <= reach &* reach { try body(Int(first), Int(second)) }
            }
        }
    }

    @inline(__always)
    private static func squaredDistance(_ left: UnsafePointer<Int16>, _ right: UnsafePointer<Int16>) -> Int32 {
        var sum: Int32 = 0
        for index in 0..<dimensions {
            let difference = Int32(left[index] &- right[index])
            sum &+= difference &* difference
        }
        return sum
    }
}

/// Sets that grow together.
struct DisjointSets {
    private var parents: [Int32]

    init(count: Int) { parents = (0..<count).map { Int32($0) } }

    mutating func find(_ element: Int) -> Int {
        var element = element
        while parents[element] != element {
            parents[element] = parents[Int(parents[element])]
            element = Int(parents[element])
        }
        return element
    }

    /// The smaller element stands for both.
    mutating func join(_ first: Int, _ second: Int) {
        let (first, second) = (find(first), find(second))
        parents[max(first, second)] = Int32(min(first, second))
    }
}
