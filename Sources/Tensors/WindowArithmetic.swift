/// The sizes of convolution and pooling outputs, for everything that needs one.
package enum WindowArithmetic {
    /// Why a window does not fit its input.
    package struct Misfit: Error, Equatable, CustomStringConvertible {
        package let description: String
    }

    /// floor((input + 2·padding − dilation·(kernel − 1) − 1) / stride) + 1.
    ///
    /// Throws: `Misfit` when an argument is out of range or the kernel is larger than the padded input.
    package static func outputExtent(input: Int, kernel: Int, stride: Int, padding: Int, dilation: Int = 1)
        throws(Misfit)
        -> Int
    {
        guard kernel >= 1, stride >= 1, dilation >= 1, padding >= 0, input >= 1 else {
            throw Misfit(
                description: "input \(input), kernel \(kernel), stride \(stride), dilation \(dilation) and padding "
                    + "\(padding): expected at least 1, 1, 1, 1 and 0")
        }
        let reach = dilation * (kernel - 1) + 1
        guard input + 2 * padding >= reach else {
            throw Misfit(
                description: "the kernel reaches over \(reach) places, the padded input has \(input + 2 * padding)")
        }
        return (input + 2 * padding - reach) / stride + 1
    }
}
