import CKernels
import Testing

@testable import Tensors

@Suite("Unfolding")
struct UnfoldingTests {
    /// One to three axes with any stride, dilation, padding and direction.
    static func randomWindow(_ randoms: inout Randoms, channels: Int? = nil) throws -> Window {
        var axes: [Window.Axis] = []
        for _ in 0..<randoms.int(1...3) {
            let (kernel, dilation, before, after) = (
                randoms.int(1...4), randoms.int(1...3), randoms.int(0...3), randoms.int(0...3)
            )
            let reach = WindowArithmetic.reach(kernel: kernel, dilation: dilation)
            let input = max(1, reach - before - after) + randoms.int(0...4)
            let stride = randoms.int(1...3)
            axes.append(
                Window.Axis(
                    input: input, kernel: kernel, stride: stride, dilation: dilation, before: before,
                    output: try WindowArithmetic.outputExtent(
                        input: input, kernel: kernel, stride: stride, dilation: dilation, before: before, after: after))
            )
        }
        return Window(channels: channels ?? randoms.int(1...3), axes: axes, isFlipped: randoms.int(0...3) == 0)
    }

    /// The input place under index `r` of the kernel for one output of an axis; nil outside.
    private func place(_ axis: Window.Axis, _ output: Int, _ r: Int, _ isFlipped: Bool) -> Int? {
        let index = isFlipped ? axis.kernel - 1 - r : r
        let place = output * axis.stride + index * axis.dilation - axis.before
        return place >= 0 && place < axis.input ? place : nil
    }

    /// Every column entry by its definition.
    private func columns(of image: [Float], _ window: Window) -> [Float] {
        let single = Window.Axis(input: 1, kernel: 1, stride: 1, dilation: 1, before: 0, output: 1)
        let axes = [Window.Axis](repeating: single, count: 3 - window.axes.count) + window.axes
        func all(_ field: KeyPath<Window.Axis, Int>) -> [(Int, Int, Int)] {
            (0..<axes[0][keyPath: field]).flatMap { a in
                (0..<axes[1][keyPath: field]).flatMap { b in (0..<axes[2][keyPath: field]).map { (a, b, $0) } }
            }
        }
        var columns: [Float] = []
        for c in 0..<window.channels {
            for r in all(\.kernel) {
                for o in all(\.output) {
                    guard let d = place(axes[0], o.0, r.0, window.isFlipped),
                        let h = place(axes[1], o.1, r.1, window.isFlipped),
                        let w = place(axes[2], o.2, r.2, window.isFlipped)
                    else {
                        columns.append(0)
                        continue
                    }
                    columns.append(image[((c * axes[0].input + d) * axes[1].input + h) * axes[2].input + w])
                }
            }
        }
        return columns
    }

    @Test("unfolding copies every element to where the definition puts it, and zeros into the padding")
    func definition() throws {
        var randoms = Randoms(10)
        for _ in 0..<300 {
            let window = try Self.randomWindow(&randoms)
            let image = randoms.floats(window.channels * window.inputVolume)
            var unfolded = [Float](repeating: .nan, count: window.patchCount * window.outputVolume)
            window.unfold(image, into: &unfolded)
            #expect(unfolded == columns(of: image, window), "\(window.axes)")
        }
    }

    @Test("folding is the adjoint of unfolding: ⟨unfold x, c⟩ = ⟨x, fold c⟩")
    func adjoint() throws {
        var randoms = Randoms(11)
        for _ in 0..<300 {
            let window = try Self.randomWindow(&randoms)
            let image = randoms.floats(window.channels * window.inputVolume)
            let columns = randoms.floats(window.patchCount * window.outputVolume)
            var unfolded = [Float](repeating: .nan, count: columns.count)
            var folded = [Float](repeating: .nan, count: image.count)
            window.unfold(image, into: &unfolded)
            window.fold(columns, into: &folded)
            let left = zip(unfolded, columns).reduce(0.0) { $0 + Double($1.0) * Double($1.1) }
            let right = zip(image, folded).reduce(0.0) { $0 + Double($1.0) * Double($1.1) }
            // At most 64 float additions a place, each off by half a unit of a sum below 64.
            #expect(abs(left - right) <= 4e-5 * Double(image.count), "\(window.axes)")
        }
    }

    @Test("stride 2 on an odd height leaves the last row out, and folding gives it no gradient")
    func oddHeight() throws {
        let window = Window(
            channels: 1,
            axes: [
                Window.Axis(input: 5, kernel: 2, stride: 2, dilation: 1, before: 0, output: 2),
                Window.Axis(input: 4, kernel: 2, stride: 2, dilation: 1, before: 0, output: 2),
            ])
        let columns = [Float](repeating: 1, count: window.patchCount * window.outputVolume)
        var folded = [Float](repeating: .nan, count: 20)
        window.fold(columns, into: &folded)
        #expect(folded == [Float](repeating: 1, count: 16) + [0, 0, 0, 0])
    }

    @Test("row and column sums equal sums in double, and add to what is there")
    func biasSums() {
        var randoms = Randoms(12)
        for area in [1, 3, 7, 8, 9, 16, 63, 576] {
            let dy = randoms.floats(3 * area)
            var sums: [Float] = [1, 2, 3]
            CKernels_addRowSums_f32__reference(dy, 3, Int64(area), &sums)
            for row in 0..<3 {
                let expected = Double(row + 1) + dy[row * area..<(row + 1) * area].reduce(0.0) { $0 + Double($1) }
                #expect(abs(Double(sums[row]) - expected) < 1e-4)
            }
            var columnSums: [Float] = [0, 0]
            CKernels_addColumnSums_f32__reference(dy, Int64(area), 2, 3, &columnSums)
            for column in 0..<2 {
                let expected = stride(from: column, to: 3 * area, by: 3).reduce(0.0) { $0 + Double(dy[$1]) }
                #expect(abs(Double(columnSums[column]) - expected) < 1e-4)
            }
        }
    }
}
