internal import Datasets
internal import Report

/// How a source gives its images.
enum ImageForm: Equatable {
    /// Pixels of one size, [H, W, C], as they go into the dataset.
    case pixels(ImageShape)
    /// JPEG and PNG files of any size.
    case encoded
}

/// The samples of a source that become one split, in their order.
struct SourceSplit {
    /// `train`, `val` or `test`.
    var name: String
    /// The run of images of the source that holds them.
    var part: Int
    /// Numbers of the images in their part, ascending where the source is read in order.
    var samples: [Int]
    var labels: [Int32]
    /// What the images are called in the source; empty when they have no names.
    var names: [String]

    /// What to call a sample in a report.
    func name(of index: Int) -> String { names.isEmpty ? "\(name)[\(samples[index])]" : names[index] }
}

/// Images of one origin and their labels. A converter is one such class and a command.
protocol ImageSource: AnyObject {
    var form: ImageForm { get }
    var classes: [String] { get }
    var splits: [SourceSplit] { get }
    /// The files that are read.
    var paths: [String] { get }
    /// What the listing did not take, in its order.
    var leftOut: [LeftOut] { get }
    /// Whether `fetch` may be called by several threads at once and in any order; otherwise it is called in ascending order of
    /// samples, by one thread at a time, after `rewind`.
    var isConcurrent: Bool { get }

    /// Begins a part anew.
    func rewind(to part: Int) throws

    /// Adds each sample's bytes, or the reason why it has none. Encoded images may stop after `head` bytes.
    ///
    /// Throws what makes all later samples unreadable.
    func fetch(_ samples: ArraySlice<Int>, of part: Int, head: Int?, into images: FetchedImages) throws

    /// What was read, as JSON with the files' names, sizes and digests; called at the end. Encoded images have been counted and
    /// their digests hashed in order.
    func sources(_ files: EncodedFiles) throws -> JSON
    /// What the user should look at, though the source can be used.
    var warnings: [String] { get }
    /// What was done to the pixels before they were handed over, as members of a JSON object.
    var preprocessing: [JSON.Member] { get }
}

extension ImageSource {
    var leftOut: [LeftOut] { [] }
    var isConcurrent: Bool { false }
    var warnings: [String] { [] }
    var preprocessing: [JSON.Member] { [] }
}

/// Number, bytes and digest of the encoded files that went into a dataset.
struct EncodedFiles {
    var count = 0
    var bytes = 0
    /// SHA-256 over the SHA-256 of each file, in the order of the dataset.
    var sha256 = ""
}

/// The bytes of some images one after the other, or reasons. Memory is kept for the next use.
final class FetchedImages {
    private enum End {
        case at(Int)
        case failed(String)
    }
    private var memory: UnsafeMutableRawPointer?
    private var capacity = 0
    private var used = 0
    private var ends: [End] = []

    deinit { memory?.deallocate() }

    var count: Int { ends.count }

    func removeAll() {
        ends.removeAll(keepingCapacity: true)
        used = 0
    }

    /// Room for more bytes of the image that is being added; say with `fill` how many came.
    func room(_ bytes: Int) -> UnsafeMutableRawBufferPointer {
        if used + bytes > capacity {
            capacity = max(used + bytes, capacity * 2)
            let larger = UnsafeMutableRawPointer.allocate(byteCount: capacity, alignment: 64)
            if let memory {
                larger.copyMemory(from: memory, byteCount: used)
                memory.deallocate()
            }
            memory = larger
        }
        return UnsafeMutableRawBufferPointer(start: memory.map { $0 + used }, count: bytes)
    }

    func fill(_ bytes: Int) { used += bytes }

    /// The image that is being added is complete.
    func endImage() { ends.append(.at(used)) }

    /// The image that is being added cannot be read; what came of it is dropped.
    func fail(_ reason: String) {
        used = start(of: ends.count)
        ends.append(.failed(reason))
    }

    func add(_ bytes: UnsafeRawBufferPointer) {
        room(bytes.count).copyMemory(from: bytes)
        fill(bytes.count)
        endImage()
    }

    /// The bytes of an image, valid until the next change; or why there are none.
    subscript(_ index: Int) -> Result<UnsafeRawBufferPointer, Unreadable> {
        switch ends[index] {
        case .failed(let reason): return .failure(Unreadable(reason: reason))
        case .at(let end):
            let start = start(of: index)
            return .success(
                UnsafeRawBufferPointer(start: memory.map { UnsafeRawPointer($0 + start) }, count: end - start))
        }
    }

    private func start(of index: Int) -> Int {
        for previous in ends[..<index].reversed() {
            if case .at(let end) = previous { return end }
        }
        return 0
    }
}
