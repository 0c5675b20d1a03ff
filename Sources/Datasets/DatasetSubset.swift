extension DatasetSplit {
    /// Some samples, in this order, copied into a split of their own.
    ///
    /// Memory: the samples' images. Traps: a sample that does not exist. Throws: `Failure` when there is no room.
    package func subset(_ samples: [Int]) throws -> DatasetSplit {
        let source = images
        let storage = try MappedBytes(count: samples.count * imageBytes) { memory in
            for (place, sample) in samples.enumerated() {
                precondition((0..<count).contains(sample), "sample \(sample) of \(count)")
                UnsafeMutableRawBufferPointer(rebasing: memory[place * imageBytes..<(place + 1) * imageBytes])
                    .copyMemory(
                        from: UnsafeRawBufferPointer(
                            rebasing: source[sample * imageBytes..<(sample + 1) * imageBytes]))
            }
        }
        return DatasetSplit(self, labels: samples.map { labels[$0] }, storage: storage)
    }
}
