import Foundation
import Testing

@Suite("Training on JPEG and PNG files stored as they are")
struct EncodedDataCommandTests {
    private static let pictures = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
        .deletingLastPathComponent().appendingPathComponent("IngestTests/Fixtures").path

    /// A folder of two classes with the fixtures' pictures, of many sizes, each under two names.
    private func workshop() throws -> Workshop {
        let workshop = try Workshop()
        let outcome = try workshop.bash(
            """
            mkdir -p photos/a photos/b
            for file in '\(Self.pictures)'/*.png; do cp "$file" "photos/a/1-${file##*/}"; cp "$file" "photos/b/2-${file##*/}"; done
            for file in '\(Self.pictures)'/*.jpg; do cp "$file" "photos/b/1-${file##*/}"; cp "$file" "photos/a/2-${file##*/}"; done
            """)
        #expect(outcome.code == 0, "\(outcome.errors)")
        try workshop.write(
            """
            model: {layers: [{Conv2d: {out_channels: 4, kernel_size: 3}}, ReLU, Flatten, {Linear: {out_features: classes}}]}
            batch_size: 8
            shards: 4
            epochs: 2
            """, "c.yaml")
        return workshop
    }

    @Test(
        "encoded and pixel storage of the same files give the same weights, on any number of ranks, readers and in blocks"
    )
    func equal() throws {
        let workshop = try workshop()
        let convert = ["convert", "folder", "photos", "--size", "16", "--channels", "3", "--test", "25%", "--output"]
        for (name, store) in [("pixels", "pixels"), ("encoded", "encoded")] {
            let outcome = try workshop.run(convert + ["\(name).h5", "--store", store])
            #expect(outcome.code == 0, "\(outcome.errors)")
        }
        func weights(_ name: String, ranks: Int = 1, _ more: String...) throws -> String {
            let run = "run-\(name)-\(ranks)-\(more.count)"
            let words = ["train", "--config", "c.yaml", "--set", "data.file=\(name).h5", "--run-dir", run] + more
            let outcome = ranks == 1 ? try workshop.run(words) : try workshop.run(each: [words, words])
            #expect(outcome.code == 0, "\(outcome.errors)")
            return try workshop.events(run).last?["weights_sha256"]?.text ?? run
        }
        let expected = try weights("pixels")
        #expect(try weights("encoded") == expected)
        #expect(try weights("encoded", ranks: 2, "--set", "data.readers=3") == expected)
        let blocks = ["--set", "data.shuffle=blocks", "--set", "data.augment=[RandomHorizontalFlip]"]
        #expect(
            try weights("encoded", blocks[0], blocks[1], blocks[2], blocks[3])
                == (try weights("pixels", blocks[0], blocks[1], blocks[2], blocks[3])))

        // Whatever looks at a dataset sees the same.
        let run = "run-encoded-1-0"
        var results: [[String]] = []
        for name in ["pixels.h5", "encoded.h5"] {
            let commands = [
                ["evaluate", run, "--data", name, "--predictions", "p.csv"],
                ["predict", run, name, "--split", "test", "--output", "q.csv"],
                ["inspect", name, "--verify"], ["inspect", name, "--check"], ["inspect", name, "--grid", "g.png"],
            ]
            for command in commands {
                let outcome = try workshop.run(command)
                #expect(outcome.code == 0, "\(command): \(outcome.errors)")
            }
            let tables = try ["p.csv", "q.csv"].map { try workshop.text($0).replacing(name, with: "FILE") }
            let grid = try Data(contentsOf: URL(fileURLWithPath: "\(workshop.path)/g.png")).base64EncodedString()
            results.append(tables + [grid])
            for file in ["p.csv", "q.csv", "g.png"] {
                try FileManager.default.removeItem(atPath: "\(workshop.path)/\(file)")
            }
        }
        #expect(results[0] == results[1])
        let inspected = try workshop.run("inspect", "encoded.h5")
        #expect(inspected.output.contains("JPEG and PNG files of"), "\(inspected.output)")
    }
}
