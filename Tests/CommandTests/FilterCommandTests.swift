import Foundation
import Testing

/// Kernels, margins and pooling from the command line: numbers that can be checked by hand, pictures, and refusals.
@Suite("filter")
struct FilterCommandTests {
    private let workshop: Workshop

    init() throws { workshop = try Workshop() }

    private func lines(_ arguments: String...) throws -> [String] {
        let outcome = try workshop.run(["filter"] + arguments)
        #expect(outcome.code == 0, "\(outcome.errors)")
        // Columns are as wide as their widest number.
        return outcome.output.split(separator: "\n").map {
            $0.trimmingCharacters(in: .whitespaces).replacing(#/ {2,}/#, with: "  ")
        }
    }

    private static let five = "0,0,1,0,0;0,1,1,1,0;1,1,1,1,1;0,1,1,1,0;0,0,1,0,0"

    @Test("padded, convolved and pooled matrices are printed with the formula of their size")
    func numbers() throws {
        let lines = try lines(
            "--matrix", "1,2,3;4,5,6;7,8,9", "--padding", "1", "--padding-value", "-1", "--kernel", "1,0;0,-1",
            "--pool",
            "max:2")
        #expect(lines[0] == "input  3×3, matrix; values 1 … 9")
        let padded = try #require(lines.firstIndex { $0.hasPrefix("padded") })
        #expect(lines[padded] == "padded  5×5 (-1): height 3 + 1 + 1 = 5, width 3 + 1 + 1 = 5; values -1 … 9")
        #expect(lines[padded + 1] == "-1  -1  -1  -1  -1" && lines[padded + 2] == "-1  1  2  3  -1")
        let convolved = try #require(lines.firstIndex { $0.hasPrefix("convolved") })
        #expect(
            lines[convolved]
                == "convolved  4×4: height ⌊(3 + 1 + 1 − 2) / 1⌋ + 1 = 4, width ⌊(3 + 1 + 1 − 2) / 1⌋ + 1 = 4; values -8 … 10"
        )
        #expect(lines[convolved + 1] == "-2  -3  -4  0" && lines[convolved + 2] == "-5  -4  -4  4")
        let pooled = try #require(lines.firstIndex { $0.hasPrefix("pooled") })
        #expect(lines[pooled].hasPrefix("pooled  2×2 (max): height ⌊(4 − 2) / 2⌋ + 1 = 2"))
        #expect(lines[pooled + 1] == "-2  4" && lines[pooled + 2] == "8  10")
    }

    @Test("a stride that leaves places over says so, and ceil_mode takes them")
    func strides() throws {
        let dropped = try lines("--matrix", Self.five, "--kernel", "box:3", "--stride", "3")
        #expect(dropped.contains { $0.hasPrefix("convolved  1×1: height ⌊(5 − 3) / 3⌋ + 1 = 1") })
        #expect(dropped.contains("in no window: 2 rows and 2 columns at the end"))
        let floor = try lines("--matrix", Self.five, "--pool", "mean:2")
        #expect(floor.contains("in no window: 1 row and 1 column at the end"))
        let ceil = try lines("--matrix", Self.five, "--pool", "mean:2", "--ceil-mode")
        #expect(ceil.contains { $0.hasPrefix("pooled  3×3 (mean): height ⌈(5 − 2) / 2⌉ + 1 = 3") })
        #expect(ceil.last == "0  0.5  0")
        let outside = try lines("--matrix", "1,2,3", "--pool", "max:1:3", "--ceil-mode")
        #expect(outside.contains { $0.contains("+ 1 − 1, since the last window would begin outside, = 1") })
    }

    @Test("true convolution turns the kernel, and the transposed one enlarges")
    func kinds() throws {
        let impulse = "0,0,0;0,1,0;0,0,0"
        let correlation = try lines("--matrix", impulse, "--padding", "same", "--kernel", "1,2,3;4,5,6;7,8,9")
        #expect(correlation.suffix(3) == ["9  8  7", "6  5  4", "3  2  1"])
        let convolution = try lines("--matrix", impulse, "--padding", "same", "--kernel", "1,2,3;4,5,6;7,8,9", "--flip")
        #expect(convolution.suffix(3) == ["1  2  3", "4  5  6", "7  8  9"])
        let enlarged = try lines("--matrix", "1,2;3,4", "--kernel", "1,1;1,1", "--transposed", "--stride", "2")
        #expect(enlarged.contains { $0.hasPrefix("enlarged  4×4: height (2 − 1)·2 − 2·0 + 2 = 4") })
        #expect(enlarged.suffix(2) == ["3  3  4  4", "3  3  4  4"])
        let full = try lines("--matrix", "1,2,3", "--kernel", "1,1", "--flip", "--padding", "full")
        #expect(full.last == "1  3  5  3")
    }

    @Test("margins per side and in every mode")
    func margins() throws {
        let sides = try lines("--matrix", "1,2;3,4", "--padding", "2,1,0,1", "--padding-mode", "replicate")
        #expect(sides.suffix(3) == ["1  1  1  2  2", "3  3  3  4  4", "3  3  3  4  4"])
        let reflect = try lines("--matrix", "1,2,3", "--padding", "2,2,0,0", "--padding-mode", "reflect")
        #expect(reflect.last == "3  2  1  2  3  2  1")
        let circular = try lines("--matrix", "1,2,3", "--padding", "1,1,0,0", "--padding-mode", "circular")
        #expect(circular.last == "3  1  2  3  1")
    }

    @Test("windows as columns give what the convolution gives, and sums are written out")
    func columns() throws {
        let lines = try lines(
            "--matrix", "1,2,3;4,5,6;7,8,9", "--kernel", "1,0;0,-1", "--im2col", "--steps")
        let start = try #require(lines.firstIndex { $0.hasPrefix("im2col") })
        #expect(lines[start] == "im2col  4×4: each of 4 windows is a column")
        #expect(lines[start + 1] == "1  2  4  5" && lines[start + 4] == "5  6  8  9")
        #expect(lines[start + 5].hasSuffix("largest difference 0"))
        #expect(lines.last == "y[1, 1] = 1·5 + -1·9 = -4")
    }

    @Test("equal seeds give equal random images, and the JSON has all numbers")
    func random() throws {
        let arguments = ["filter", "--random", "20x20", "--kernel", "gaussian:7:1.87", "--json"]
        let first = try workshop.run(arguments + ["--seed", "1"])
        #expect(try workshop.run(arguments).output == first.output)
        #expect(try workshop.run(arguments + ["--seed", "2"]).output != first.output)
        #expect(first.output.contains("\"shape\":[1,14,14]"))
    }

    @Test("a picture, a dataset's image and several kernels become one PNG")
    func pictures() throws {
        let data = try Workshop.withData()
        let digit = try data.run(
            "filter", "d.h5:test:3", "--kernel", "top-edge", "--kernel", "diagonal-1", "--kernel", "sobel-x", "--pool",
            "max:2", "--output", "digit.png")
        #expect(digit.code == 0, "\(digit.errors)")
        #expect(digit.output.contains("d.h5/test/3") && digit.output.contains("wrote digit.png"))
        let photo = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .appendingPathComponent("TrainingTests/PredictionGolden/pictures/a-wide.png").path
        for arguments in [["--kernel", "vertical"], ["--kernel", "sharpen", "--color"]] {
            let outcome = try data.run(["filter", photo, "--output", "p.png", "--range", "0,0.5"] + arguments)
            #expect(outcome.code == 0 && outcome.output.contains("38×65"), "\(outcome.errors)\(outcome.output)")
        }
        let small = try data.run(["filter", photo, "--size", "20x10"])
        #expect(small.code == 0 && small.output.hasPrefix("input      10×20, a-wide.png, gray"), "\(small)")
        let steps = try data.run(
            "filter", "--matrix", "1,2,3;4,5,6;7,8,9", "--kernel", "box:2", "--steps", "--output", "steps.png")
        #expect(steps.code == 0, "\(steps.errors)")
        for name in ["digit.png", "p.png", "steps.png"] {
            let bytes = try Data(contentsOf: URL(fileURLWithPath: "\(data.path)/\(name)"))
            #expect(bytes.starts(with: [0x89, 0x50, 0x4E, 0x47]))
        }
    }

    @Test("the dataset and the picture that are read are not written over")
    func inputs() throws {
        let data = try Workshop.withData()
        try FileManager.default.moveItem(atPath: "\(data.path)/d.h5", toPath: "\(data.path)/d.png")
        let before = try Data(contentsOf: URL(fileURLWithPath: "\(data.path)/d.png"))
        for image in ["d.png:test:0", "d.png:test", "d.png"] {
            let outcome = try data.run("filter", image, "--kernel", "box", "--output", "d.png")
            #expect(outcome.code == 73 && outcome.errors.contains("is what is read from"), "\(outcome)")
        }
        #expect(try Data(contentsOf: URL(fileURLWithPath: "\(data.path)/d.png")) == before)
    }

    @Test(
        "what does not fit is refused in one line",
        arguments: [
            (["--matrix", "1,2;3"], 64, "rows of 2, 1 numbers"), (["--matrix", "a"], 64, "expected such as"),
            (["--matrix", "1,2", "--kernel", "sobel"], 64, "did you mean sobel-x"),
            (["--matrix", "1,2", "--kernel", "sobel-x"], 64, "the kernel reaches over 3 places"),
            (["--matrix", "1,2", "--kernel", "gaussian:0"], 64, "a size of 0"),
            (["--matrix", "1,2", "--kernel", "gaussian:2:1e-5"], 64, "a deviation of 1e-05 leaves nothing"),
            (["--matrix", "1,2", "--padding", "3", "--padding-mode", "mirror"], 64, "expected constant"),
            (["--matrix", "1,2", "--padding", "1,2"], 64, "LEFT,RIGHT,TOP,BOTTOM"),
            (["--matrix", "1,2", "--pool", "median:2"], 64, "max, min, mean"),
            (["--random", "20"], 64, "ROWSxCOLUMNS"), (["--random", "9x9", "--size", "4"], 64, "belongs to a picture"),
            (["--random", "4096x4096", "--kernel", "box:101", "--padding", "same"], 64, "take a smaller image"),
            (["no.png", "--kernel", "box"], 66, "no.png"), (["d.h5:test:50", "--kernel", "box"], 64, "expected 0…49"),
            (["d.h5:no:0", "--kernel", "box"], 65, "expected one of"),
            (["--matrix", "1,2", "--kernel", "1", "--output", "no/p.png"], 73, "there is no folder"),
        ])
    func refusals(_ arguments: [String], _ code: Int32, _ words: String) throws {
        let data = try Workshop.withData()
        let outcome = try data.run(["filter"] + arguments)
        #expect(outcome.code == code && outcome.errors.contains(words), "\(outcome.code) \(outcome.errors)")
    }
}
