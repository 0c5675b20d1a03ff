import TestSupport
import Testing

@testable import Report

@Suite("The status line")
struct StatusLineTests {
    private static let notes: [StatusLine.Note] = [
        .init("loss 0.214", importance: 9), .init("acc 0.933", importance: 7), .init("59.8k img/s", importance: 6),
        .init("1:10:11 left", importance: 8), .init("lr 0.000179", importance: 5),
        .init("data wait 1 %", importance: 4),
    ]
    private static func content(_ fraction: Double = 0.456) -> StatusLine.Content {
        .init(head: "epoch 12/100", fraction: fraction, notes: notes)
    }

    @Test("it is narrower than any terminal, keeps what matters most, and uses the room it has")
    func widths() {
        var last = 0
        for columns in 20...250 {
            let line = Self.content().line(columns: columns, isUnicode: true)
            // The cursor and a ^C stand behind it.
            #expect(line.terminalColumns <= columns - 3 && line.hasPrefix("epoch 12/100"), "\(columns): \(line)")
            let shown = Self.notes.filter { line.contains($0.text) }
            #expect(shown.count >= last, "a wider terminal shows no less: \(columns)")
            last = shown.count
            let least = shown.map(\.importance).min() ?? 10
            #expect(Self.notes.allSatisfy { shown.contains($0) || $0.importance < least }, "\(columns): \(line)")
        }
        #expect(last == Self.notes.count)
        for columns in [-1, 0, 1, 2, 3, 9] {
            #expect(Self.content().line(columns: columns, isUnicode: true).count <= max(0, columns - 3))
        }
    }

    @Test("at the widths that terminals have")
    func usual() {
        func line(_ columns: Int, isUnicode: Bool = true) -> String {
            Self.content().line(columns: columns, isUnicode: isUnicode)
        }
        #expect(line(60) == "epoch 12/100 █████░░░░░░░░ 45 %  loss 0.214  1:10:11 left")
        #expect(line(60, isUnicode: false) == "epoch 12/100 #####........ 45 %  loss 0.214  1:10:11 left")
        #expect(line(80) == "epoch 12/100 ████░░░░░ 45 %  loss 0.214  acc 0.933  59.8k img/s  1:10:11 left")
        #expect(
            line(120)
                == "epoch 12/100 █████████░░░░░░░░░░░░ 45 %  loss 0.214  acc 0.933  59.8k img/s  1:10:11 left  "
                + "lr 0.000179  data wait 1 %")
        #expect(line(25) == "epoch 12/100 45 %")
    }

    @Test("the share is rounded down, and what is no share is none")
    func fractions() {
        func line(_ fraction: Double) -> String { Self.content(fraction).plainLine }
        #expect(line(0.999).hasPrefix("epoch 12/100  99 %  loss") && line(1).contains(" 100 % "))
        #expect(line(.nan).contains("  0 %  ") && line(-1).contains("  0 %  ") && line(7).contains("  100 %  "))
        #expect(Self.content(0.05).line(columns: 60, isUnicode: true).contains("░  5 %  "))
    }

    @Test("nothing of it stays behind, also when the terminal becomes narrower or wider under it")
    func resizing() {
        var screen = TerminalScreen(columns: 200)
        var line = StatusLine(isUnicode: true)
        screen.write("before\n")
        for columns in [200, 60, 120, 20, 80, 79, 61, 30, 200, 10, 60] {
            screen.resize(columns: columns)
            screen.write(line.drawing(Self.content(), columns: columns))
            #expect(screen.lines.count == 2 && screen.lines.first == "before", "\(columns): \(screen.lines)")
            #expect(screen.lines.last == Self.content().line(columns: columns, isUnicode: true))
        }
        screen.resize(columns: 25)
        screen.write(line.clearing(columns: 25) + "after\n")
        #expect(screen.lines == ["before", "after"] && screen.wraps == 0)
    }
}
