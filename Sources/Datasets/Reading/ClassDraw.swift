internal import Tensors

/// How often each class is drawn in an epoch, and of what.
///
/// An epoch has as many draws as there are samples. They are divided among the classes in proportion to the shares, in whole
/// numbers (largest remainders first); of a class, every sample comes equally often, but for one. PyTorch's
/// WeightedRandomSampler leaves both to chance.
struct ClassDraw: Sendable {
    /// The samples of each class that is drawn at all, and how often it is.
    let members: [[Int]]
    let quotas: [Int]

    /// Traps: no class that has both samples and a share.
    init(labels: [Int32], samples: [Int], shares: [Double]) {
        var byClass = [[Int]](repeating: [], count: shares.count)
        for sample in samples { byClass[Int(labels[sample])].append(sample) }
        let present = shares.indices.filter { shares[$0] > 0 && !byClass[$0].isEmpty }
        precondition(!present.isEmpty, "no class to draw from")
        let total = present.reduce(0) { $0 + shares[$1] }
        let exact = present.map { shares[$0] / total * Double(samples.count) }
        var quotas = exact.map { Int($0) }
        let byRemainder = exact.indices.sorted { left, right in
            let (first, second) = (exact[left] - Double(quotas[left]), exact[right] - Double(quotas[right]))
            return first == second ? left < right : first > second
        }
        // Rounding leaves less than one draw a class.
        for place in byRemainder.prefix(max(0, samples.count - quotas.reduce(0, +))) { quotas[place] += 1 }
        let drawn = quotas.indices.filter { quotas[$0] > 0 }
        members = drawn.map { byClass[present[$0]] }
        self.quotas = drawn.map { quotas[$0] }
    }
}

/// The draws of one epoch.
struct ClassDrawOrder: Sendable {
    private let draw: ClassDraw
    private let order: SampleOrder
    /// Where the draws of each class begin.
    private let starts: [Int]
    private let memberOrders: [SampleOrder]

    init(_ draw: ClassDraw, seed: UInt64, epoch: Int) {
        self.draw = draw
        var starts: [Int] = []
        var count = 0
        for quota in draw.quotas {
            starts.append(count)
            count += quota
        }
        self.starts = starts
        order = SampleOrder(count: count, seed: seed, epoch: epoch)
        memberOrders = draw.members.enumerated().map { place, members in
            SampleOrder(count: members.count, seed: seed, epoch: epoch, id: 2 << 32 | UInt64(place))
        }
    }

    subscript(position: Int) -> SampleDraw {
        let number = order[position]
        let place = starts.run(holding: number)
        let members = draw.members[place]
        let (repetition, member) = (number - starts[place]).quotientAndRemainder(dividingBy: members.count)
        return SampleDraw(sample: members[memberOrders[place][member]], repetition: repetition)
    }
}
