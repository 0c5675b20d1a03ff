import Testing

@testable import Layers
@testable import Tensors

@Suite("Unfold and fold against PyTorch")
struct UnfoldGoldenTests {
    @Test("18 cases: columns of images, and sums of columns into images, each the other's gradient")
    func cases() throws {
        var agreement = Agreement("unfold and fold", forward: 5e-7, gradients: 5e-7)
        for golden in try GoldenCases("unfold").all {
            let (kernel, dilation) = (try golden.extents("kernel"), try golden.extents("dilation"))
            let (padding, stride) = (try golden.extents("padding"), try golden.extents("stride"))
            if try golden.text("operation") == "unfold" {
                try agreement.check(
                    Unfold(kernel: kernel, dilation: dilation, padding: padding, stride: stride), golden)
            } else {
                let fold = Fold(
                    output: try golden.extents("output"), kernel: kernel, dilation: dilation, padding: padding,
                    stride: stride)
                try agreement.check(fold, golden)
            }
        }
        agreement.report(expecting: 18)
    }
}
