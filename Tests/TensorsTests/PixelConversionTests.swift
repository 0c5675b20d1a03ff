import Testing

@testable import Tensors

@Suite("Pixel conversion")
struct PixelConversionTests {
    private let mean: [Float] = [0.4914, 0.4822, 0.4465]
    private let std: [Float] = [0.247, 0.2435, 0.2616]

    @Test("every byte value becomes (v / 255 − mean) / std, rounded to float32 after each operation")
    func bytes() {
        let conversion = PixelConversion(pixelType: .uint8, image: [3, 16, 16], mean: mean, std: std)
        let pixels = (0..<256).flatMap { value in [UInt8(value), UInt8(255 - value), UInt8(value ^ 85)] }
        var planes = [Float](repeating: .nan, count: 768)
        conversion.convert(pixels, to: &planes)
        #expect(conversion.imageByteCount == 768)
        for place in 0..<256 {
            for channel in 0..<3 {
                // A float divided in double and rounded once is the float quotient: 53 ≥ 2 · 24 + 2 bits.
                let unit = Float(Double(pixels[place * 3 + channel]) / 255)
                let centred = Float(Double(unit) - Double(mean[channel]))
                let expected = Float(Double(centred) / Double(std[channel]))
                #expect(planes[channel * 256 + place].bitPattern == expected.bitPattern)
            }
        }
    }

    @Test("mean 0 and deviation 1 leave v / 255 as it is")
    func identity() {
        let conversion = PixelConversion(pixelType: .uint8, image: [1, 1, 256], mean: [0], std: [1])
        var planes = [Float](repeating: .nan, count: 256)
        conversion.convert((0...255).map { UInt8($0) }, to: &planes)
        #expect(planes == (0...255).map { Float($0) / 255 })
        #expect(planes[0] == 0 && planes[255] == 1)
    }

    @Test("float pixels are taken as they are, channel by channel")
    func floats() {
        var randoms = Randoms(70)
        let conversion = PixelConversion(pixelType: .float32, image: [3, 5, 7], mean: mean, std: std)
        let pixels = randoms.floats(105, 0...1)
        var planes = [Float](repeating: .nan, count: 105)
        conversion.convert(pixels, to: &planes)
        #expect(conversion.imageByteCount == 420)
        for place in 0..<35 {
            for channel in 0..<3 {
                let centred = Float(Double(pixels[place * 3 + channel]) - Double(mean[channel]))
                #expect(planes[channel * 35 + place] == Float(Double(centred) / Double(std[channel])))
            }
        }
    }
}
