import Files
import Foundation

@testable import Datasets

extension MappedBytes {
    /// Maps a range of the file of this name.
    convenience init(path: String, offset: Int, count: Int) throws {
        let descriptor = try InputDescriptor.open(path, expected: "a file to map")
        defer { close(descriptor) }
        try self.init(FileWatch(path: path, descriptor: descriptor), offset: offset, count: count)
    }
}
