/// Labelled images of one size by their numbers: what training and evaluation read, wherever the images come from.
///
/// A source is used by several threads at once. What it hands out counts only after `confirm`: a source whose file can
/// change under it notices there.
package protocol SampleSource: ImageExtents, AnyObject, Sendable {
    /// What the samples are called in messages and results: `train`, `test`.
    var name: String { get }
    var count: Int { get }
    var pixelType: PixelType { get }
    /// The class number of each sample.
    var labels: [Int32] { get }
    /// Mean and standard deviation per channel of the training images, pixels in 0…1; both empty where the source has none.
    var mean: [Float] { get }
    var std: [Float] { get }

    /// Cuts the samples into runs of at least so many (but for the last), none of which divides a unit of storage: the first
    /// sample of each.
    func blocks(ofAtLeast samples: Int) -> [Int]

    /// From now on keeps so many samples at hand after reading them, where storage gives them in units only.
    func keep(samples: Int)

    /// Reads the storage of samples that will be asked for soon, or asks the system to. What goes wrong is told by `fill`.
    func prepare(_ samples: Range<Int>)

    /// Copies the image of a sample, [H, W, C] or [D, H, W, C], to `slot`, which takes `imageBytes`.
    ///
    /// Traps: a sample that does not exist. Throws: `Failure`.
    func fill(_ slot: UnsafeMutableRawPointer, sample: Int) throws

    /// To be called between filling slots and using them, once for a batch.
    ///
    /// Throws: `Failure(.inputOutput)` naming the file when what was handed out may not be what the source held when it was
    ///         opened; and from then on each time.
    func confirm() throws
}

extension SampleSource {
    /// Bytes of one image.
    package var imageBytes: Int { height * width * channels * pixelType.byteCount }

    // What a source of single images does; others say more.
    package var slices: Int? { nil }
    package var mean: [Float] { [] }
    package var std: [Float] { [] }
    package func blocks(ofAtLeast samples: Int) -> [Int] { Array(stride(from: 0, to: count, by: samples)) }
    package func keep(samples: Int) {}
    package func prepare(_ samples: Range<Int>) {}
}

/// Samples that are made of another source's: images of its shape and type, labelled and normalised as there. All of them, one
/// for one, unless it says otherwise.
package protocol DerivedSamples: SampleSource {
    var source: any SampleSource { get }
}

extension DerivedSamples {
    package var name: String { source.name }
    package var count: Int { source.count }
    package var height: Int { source.height }
    package var width: Int { source.width }
    package var channels: Int { source.channels }
    package var slices: Int? { source.slices }
    package var pixelType: PixelType { source.pixelType }
    package var labels: [Int32] { source.labels }
    package var mean: [Float] { source.mean }
    package var std: [Float] { source.std }
    package func confirm() throws { try source.confirm() }
}
