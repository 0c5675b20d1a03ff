extension DatasetSplit {
    /// Some samples, in this order, copied into a split of their own.
    ///
    /// Memory: the samples' images. Traps: a sample that does not exist. Throws: `Failure` when there is no room, or the file changes.
    package func subset(_ samples: [Int]) throws -> DatasetSplit {
        let storage = try MappedBytes(count: samples.count * imageBytes) { memory in
            for (place, sample) in samples.enumerated() {
                try fill(memory.baseAddress! + place * imageBytes, sample: sample)
            }
            try confirm()
        }
        return DatasetSplit(self, labels: samples.map { labels[$0] }, storage: storage)
    }
}
