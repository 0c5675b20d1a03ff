import Foundation
import Testing

@Suite("Augmentation from the command line", .serialized)
struct AugmentCommandTests {
    private static let transforms =
        "data.augment=[{RandomCrop: {size: 28, padding: 3}}, RandomHorizontalFlip, {RandomRotation: {degrees: 10}}]"
    private static let options = [
        "--data", "d.h5", "--threads", "1", "--set", "batch_size=32", "--set", "evaluate.every=100 steps",
    ]

    private func digest(_ workshop: Workshop, _ run: String) throws -> String? {
        try workshop.events(run).last?["weights_sha256"]?.text
    }

    @Test("the same images on one rank, on two, and after a stop in the middle of an epoch")
    func equalWeights() throws {
        let workshop = try Workshop.withData()
        let augmented = Self.options + ["--set", Self.transforms]
        let plain = try workshop.run(Self.options + ["--set", "steps=12", "--run-dir", "plain"])
        let whole = try workshop.run(augmented + ["--set", "steps=12", "--run-dir", "whole"])
        #expect(plain.code == 0 && whole.code == 0, "\(plain.errors) \(whole.errors)")
        #expect(whole.output.contains("augment "))
        let expected = try digest(workshop, "whole")
        #expect(try expected != digest(workshop, "plain"))
        let ranks = try workshop.run(
            each: (0..<2).map { _ in augmented + ["--set", "steps=12", "--run-dir", "ranks"] })
        #expect(ranks.code == 0, "\(ranks.errors)")
        #expect(try digest(workshop, "ranks") == expected)
        // 200 samples are seven steps an epoch.
        for steps in ["5", "12"] {
            let part = try workshop.run(augmented + ["--set", "steps=\(steps)", "--run-dir", "part"])
            #expect(part.code == 0, "\(part.errors)")
        }
        #expect(try digest(workshop, "part") == expected)
        let other = try workshop.run(
            Self.options + ["--set", "steps=20", "--set", "data.augment=[]", "--run-dir", "part"])
        #expect(other.code == 78 && other.errors.contains("data.augment was"), "\(other.errors)")
    }

    @Test("transforms that do not give the size that evaluations read are refused")
    func sizes() throws {
        let workshop = try Workshop.withData()
        for (transform, words) in [
            ("{RandomCrop: {size: 24}}", "makes images of 24×24, expected the 28×28"),
            ("{RandomCrop: {size: 40, padding: 2}}", "RandomCrop to 40×40 of images 28×28 with padding 2"),
        ] {
            let outcome = try workshop.run(Self.options + ["--set", "data.augment=[\(transform)]", "--dry-run"])
            #expect(outcome.code == 78 && outcome.errors.contains(words), "\(outcome.errors)")
        }
    }
}
