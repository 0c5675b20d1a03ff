package import Tensors

/// Images without labels, wherever they come from, that are brought to pixels of one shape: what predictions are made for.
///
/// Every rank has a list of its own of the same images and loads other batches of it, in ascending order.
package protocol ImageList: AnyObject {
    var count: Int { get }
    /// Of what `load` hands out.
    var pixelType: PixelType { get }

    /// What an image is called in results.
    func name(of image: Int) -> String

    /// Fills one slot after the other, each an image [H, W, C], on all threads of the pool. Returns for every image why it could
    /// not be had; nil where it could. Slots of images that could not be had hold anything.
    ///
    /// Traps: a range that begins before the end of the last one. Throws: `Failure` for what makes all later images unreadable.
    func load(_ images: Range<Int>, into pixels: UnsafeMutableRawPointer, pool: ThreadPool) throws -> [UnreadableImage?]
}

/// Why an image cannot be had, in words that follow its name.
package struct UnreadableImage: Error, Equatable, Sendable {
    package let reason: String
    /// Something that claims to be an image; false for what only lies beside images.
    package let isBad: Bool

    package init(_ reason: String, isBad: Bool = true) {
        (self.reason, self.isBad) = (reason, isBad)
    }
}
