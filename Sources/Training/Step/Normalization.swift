package import Datasets
internal import Diagnostics
package import Tensors

/// What is subtracted from the pixels of each channel and what they are divided by, in units of 0…1.
package struct Normalization: Sendable {
    package let mean: [Float]
    package let std: [Float]

    package init(mean: [Float], std: [Float]) {
        self.mean = mean
        self.std = std
    }

    /// Throws: `Failure(.configuration)` when the values do not fit the images.
    package init(_ choice: Configuration.Normalize, split: any SampleSource, file: String) throws {
        switch choice {
        case .none:
            self.init(
                mean: [Float](repeating: 0, count: split.channels), std: [Float](repeating: 1, count: split.channels))
        case .dataset:
            guard !split.mean.isEmpty else {
                throw Failure(
                    .configuration,
                    "data.normalize = dataset, but \(file) holds no mean and std; give {mean: […], std: […]} or none, or store "
                        + "them as attributes of the images")
            }
            guard split.std.allSatisfy({ $0 > 0 }) else {
                throw Failure(
                    .configuration,
                    "data.normalize = dataset, but a channel of \(file) is constant (std \(split.std)); "
                        + "give {mean: […], std: […]} or none")
            }
            self.init(mean: split.mean, std: split.std)
        case .values(let mean, let std):
            guard mean.count == split.channels else {
                throw Failure(
                    .configuration,
                    "data.normalize has \(mean.count) values, expected one for each of the "
                        + "\(split.channels) channels of \(file)")
            }
            self.init(mean: mean, std: std)
        }
        for (mean, std) in zip(mean, std) {
            // Pixels from 0 to 1.
            guard std.isNormal, ((0 - mean) / std).isFinite, ((1 - mean) / std).isFinite else {
                throw Failure(
                    .configuration,
                    "data.normalize takes off \(mean) and divides by \(std), which leaves the range of float32; "
                        + "expected numbers in units of 0…1")
            }
        }
    }

    package func conversion(for split: any SampleSource) -> PixelConversion {
        PixelConversion(
            pixelType: split.pixelType == .uint8 ? .uint8 : .float32,
            image: split.networkShape, mean: mean, std: std)
    }
}
