import Foundation
import Testing

@Suite("swift-train inspect")
struct InspectCommandTests {
    private func workshop() throws -> Workshop {
        let workshop = try Workshop()
        let outcome = try workshop.run("convert", "synthetic", "--train", "40", "--test", "10", "--output", "d.h5")
        #expect(outcome.code == 0, "\(outcome.errors)")
        return workshop
    }

    @Test("--check ends with what was found, a damaged file with 65 after it")
    func check() throws {
        let workshop = try workshop()
        let outcome = try workshop.run("inspect", "d.h5", "--check", "--threads", "2")
        #expect(outcome.code == 0 && outcome.output.contains("check     "), "\(outcome.errors)")
        #expect(try workshop.run("inspect", "d.h5", "--check", "--json").output.contains("\"findings\":["))
        #expect(try workshop.run("inspect", "d.h5", "--threads", "2").code == 64)
        #expect(try workshop.run("inspect", "d.h5", "--check", "--threads", "0").code == 64)
        var bytes = try Data(contentsOf: URL(fileURLWithPath: "\(workshop.path)/d.h5"))
        bytes[bytes.count / 2] ^= 0x55
        try bytes.write(to: URL(fileURLWithPath: "\(workshop.path)/d.h5"))
        let damaged = try workshop.run("inspect", "d.h5", "--check")
        #expect(
            damaged.code == 65 && damaged.output.contains("damaged\n    found   the images of "), "\(damaged.output)")
    }

    @Test("--grid draws the same PNG each time; --augmented draws what the configuration does to images")
    func grid() throws {
        let workshop = try workshop()
        try workshop.write(
            "model: fashion-classifier\ndata: {file: d.h5, augment: [RandomHorizontalFlip: {p: 0.5}]}\n", "c.yaml")
        func bytes(_ name: String) throws -> Data {
            try Data(contentsOf: URL(fileURLWithPath: "\(workshop.path)/\(name)"))
        }
        #expect(try workshop.run("inspect", "d.h5", "--grid", "a.png", "--split", "test").code == 0)
        #expect(try workshop.run("inspect", "d.h5", "--grid", "b.png", "--split", "test").code == 0)
        let (a, b) = (try bytes("a.png"), try bytes("b.png"))
        #expect(a.starts(with: [0x89, 0x50, 0x4E, 0x47]) && a == b)
        let outcome = try workshop.run(
            "inspect", "d.h5", "--grid", "c.png", "--grid-size", "2x9", "--augmented", "4", "--config", "c.yaml")
        #expect(outcome.code == 0, "\(outcome.errors)")
        // Width and height stand behind the header's name: a stored image and four epochs, two rows.
        #expect(Array(try bytes("c.png")[16..<24]) == [0, 0, 2, 0x78, 0, 0, 1, 0x26])
        let wrong: [([String], Int32)] = [
            (["--grid-size", "0x3"], 64), (["--augmented", "2"], 64), (["--config", "c.yaml"], 64),
            (["--split", "no"], 64),
            (["--augmented", "0", "--config", "c.yaml"], 64),
        ]
        for (words, code) in wrong {
            let outcome = try workshop.run(["inspect", "d.h5", "--grid", "x.png"] + words)
            #expect(outcome.code == code, "\(words) \(outcome.errors)")
        }
        #expect(try workshop.run("inspect", "d.h5", "--grid", "none/x.png").code == 73)
        #expect(try workshop.run("inspect", "d.h5", "--grid", "d.h5").code == 73)
        #expect(try workshop.run("inspect", "c.png", "--grid", "x.png").code == 65)
        #expect(!workshop.names.contains("x.png"))
    }
}
