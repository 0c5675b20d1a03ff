import Datasets
import Diagnostics
import Digests
import Foundation
import Tensors
import TestSupport
import Testing

@testable import Ingest

@Suite("Synthetic data")
struct SyntheticDatasetTests {
    @Test("equal arguments give equal bytes, another seed gives others")
    func determinism() throws {
        let scratch = try Scratch()
        for (name, seed) in [("a.h5", UInt64(1)), ("b.h5", 1), ("c.h5", 2)] {
            try SyntheticDataset.write(to: scratch.file(name), train: 40, test: 20, seed: seed)
        }
        #expect(try scratch.bytes("a.h5") == scratch.bytes("b.h5"))
        let first = try DatasetFile(path: scratch.file("a.h5")).computeImageDigest("train")
        #expect(try DatasetFile(path: scratch.file("c.h5")).computeImageDigest("train") != first)
    }

    @Test("the first pictures are the same on every machine and in every size of the data")
    func knownPictures() throws {
        var painter = GlyphPainter(seed: 1)
        var pictures = [UInt8](repeating: 0, count: 100 * GlyphPainter.pixelCount)
        pictures.withUnsafeMutableBufferPointer { pictures in
            for id in 0..<100 {
                let picture = pictures[id * GlyphPainter.pixelCount..<(id + 1) * GlyphPainter.pixelCount]
                painter.draw(id: UInt64(id), label: id % 10, into: UnsafeMutableBufferPointer(rebasing: picture))
            }
        }
        let digest = pictures.withUnsafeBytes { SHA256.hexadecimal(of: $0) }
        #expect(digest == "1fd4fce94ea4488a6088d6d850fdf5aa088bcad1b7b5b2565554d6b21c9d4113")
        let scratch = try Scratch()
        try SyntheticDataset.write(to: scratch.file("a.h5"), train: 17, test: 3)
        let train = try DatasetFile(path: scratch.file("a.h5")).split("train")
        #expect(pixels(of: train) == Array(pictures[..<(17 * GlyphPainter.pixelCount)]))
        #expect(train.labels == (0..<17).map { Int32($0 % 10) })
    }

    @Test("sine and cosine agree with the mathematical library to 1e-12")
    func sineAndCosine() {
        for step in -400...400 {
            let turns = Double(step) / 97
            let (sine, cosine) = ExactMath.sineAndCosine(turns: turns)
            #expect(abs(sine - sin(turns * 2 * .pi)) < 1e-12 && abs(cosine - cos(turns * 2 * .pi)) < 1e-12)
        }
    }

    @Test("every glyph leaves ink and stays a glyph: no picture is empty or full")
    func ink() {
        var painter = GlyphPainter(seed: 3)
        var pixels = [UInt8](repeating: 0, count: GlyphPainter.pixelCount)
        for id in 0..<500 {
            pixels.withUnsafeMutableBufferPointer { painter.draw(id: UInt64(id), label: id % 10, into: $0) }
            let sorted = pixels.sorted()
            // The brightest tenth is ink, the darkest half is background.
            #expect(Int(sorted[GlyphPainter.pixelCount - 40]) > Int(sorted[GlyphPainter.pixelCount / 2]) + 40, "\(id)")
        }
    }

    @Test("counts out of range are usage errors")
    func counts() throws {
        let scratch = try Scratch()
        for (train, test) in [(0, 1), (1, 0), (-1, 1), (1_000_001, 1)] {
            let failure = #expect(throws: Failure.self) {
                try SyntheticDataset.write(to: scratch.file("a.h5"), train: train, test: test)
            }
            #expect(failure?.code == .usage)
        }
        #expect(scratch.names() == [])
    }
}
