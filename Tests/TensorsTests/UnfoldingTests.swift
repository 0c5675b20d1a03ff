import CKernels
import Testing

@testable import Tensors

@Suite("Unfolding")
struct UnfoldingTests {
    private static func randomWindow(_ randoms: inout Randoms) throws -> Window2d {
        let kernel = (height: randoms.int(1...5), width: randoms.int(1...5))
        let padding = (height: randoms.int(0...3), width: randoms.int(0...3))
        let image: Shape = [
            randoms.int(1...3), max(1, kernel.height - 2 * padding.height) + randoms.int(0...8),
            max(1, kernel.width - 2 * padding.width) + randoms.int(0...9),
        ]
        return try Window2d(
            image: image, kernel: kernel, stride: (randoms.int(1...4), randoms.int(1...4)), padding: padding)
    }

    /// Every column entry by its definition.
    private func columns(of image: [Float], _ w: CKernels_Window) -> [Float] {
        var columns: [Float] = []
        for c in 0..<w.channels {
            for r in 0..<w.kernelHeight {
                for s in 0..<w.kernelWidth {
                    for p in 0..<w.outputHeight {
                        for q in 0..<w.outputWidth {
                            let h = p * w.strideHeight + r - w.paddingTop
                            let v = q * w.strideWidth + s - w.paddingLeft
                            let inside = h >= 0 && h < w.height && v >= 0 && v < w.width
                            columns.append(inside ? image[Int((c * w.height + h) * w.width + v)] : 0)
                        }
                    }
                }
            }
        }
        return columns
    }

    @Test("im2col copies every element to where the definition puts it, and zeros into the padding")
    func definition() throws {
        var randoms = Randoms(10)
        for _ in 0..<300 {
            let window = try Self.randomWindow(&randoms)
            var extents = window.c
            let image = randoms.floats(window.inputCount)
            var unfolded = [Float](repeating: .nan, count: window.patchCount * window.outputArea)
            CKernels_im2col_f32__portable(&extents, image, &unfolded)
            #expect(unfolded == columns(of: image, extents), "\(extents)")
        }
    }

    @Test("col2im is the adjoint of im2col: ⟨im2col x, c⟩ = ⟨x, col2im c⟩")
    func adjoint() throws {
        var randoms = Randoms(11)
        for _ in 0..<300 {
            let window = try Self.randomWindow(&randoms)
            var extents = window.c
            let image = randoms.floats(window.inputCount)
            let columns = randoms.floats(window.patchCount * window.outputArea)
            var unfolded = [Float](repeating: .nan, count: columns.count)
            var folded = [Float](repeating: .nan, count: image.count)
            CKernels_im2col_f32__portable(&extents, image, &unfolded)
            CKernels_col2im_f32__portable(&extents, columns, &folded)
            let left = zip(unfolded, columns).reduce(0.0) { $0 + Double($1.0) * Double($1.1) }
            let right = zip(image, folded).reduce(0.0) { $0 + Double($1.0) * Double($1.1) }
            // At most 25 float additions a place, each off by half a unit of a sum below 25.
            #expect(abs(left - right) <= 1e-5 * Double(image.count), "\(extents)")
        }
    }

    @Test("stride 2 on an odd height leaves the last row out, and folding gives it no gradient")
    func oddHeight() throws {
        let window = try Window2d(image: [1, 5, 4], kernel: (2, 2), stride: (2, 2), padding: (0, 0))
        #expect(window.outputHeight == 2 && window.outputWidth == 2)
        var extents = window.c
        let columns = [Float](repeating: 1, count: window.patchCount * window.outputArea)
        var folded = [Float](repeating: .nan, count: 20)
        CKernels_col2im_f32__portable(&extents, columns, &folded)
        #expect(folded == [Float](repeating: 1, count: 16) + [0, 0, 0, 0])
    }

    @Test("row and column sums equal sums in double, and add to what is there")
    func biasSums() {
        var randoms = Randoms(12)
        for area in [1, 3, 7, 8, 9, 16, 63, 576] {
            let dy = randoms.floats(3 * area)
            var sums: [Float] = [1, 2, 3]
            CKernels_addRowSums_f32__portable(dy, 3, Int64(area), &sums)
            for row in 0..<3 {
                let expected = Double(row + 1) + dy[row * area..<(row + 1) * area].reduce(0.0) { $0 + Double($1) }
                #expect(abs(Double(sums[row]) - expected) < 1e-4)
            }
            var columnSums: [Float] = [0, 0]
            CKernels_addColumnSums_f32__portable(dy, Int64(area), 2, 3, &columnSums)
            for column in 0..<2 {
                let expected = stride(from: column, to: 3 * area, by: 3).reduce(0.0) { $0 + Double(dy[$1]) }
                #expect(abs(Double(columnSums[column]) - expected) < 1e-4)
            }
        }
    }
}
