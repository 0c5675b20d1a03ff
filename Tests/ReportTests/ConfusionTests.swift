import Foundation
import FoundationXML
import Testing

@testable import Report

/// Four classes: one always right, two mixed up, and one that is never predicted.
private let truths: [Int32] = [0, 0, 1, 1, 1, 2, 2, 3]
private let predictions: [Int32] = [0, 0, 1, 2, 2, 2, -1, 1]
private let names = ["a", "b, \"c\"", "<d> & é", "日本\u{1b}[31m"]

private func matrix() -> ConfusionMatrix {
    ConfusionMatrix(classNames: names, truths: truths, predictions: predictions)
}

/// Every sample wrong, in many classes.
private func manyClasses(_ count: Int) -> ConfusionMatrix {
    let truths = (0..<count * 3).map { Int32($0 % count) }
    return ConfusionMatrix(
        classNames: (0..<count).map { "class \($0)" }, truths: truths,
        predictions: truths.map { ($0 + ($0 == 7 ? 2 : 1)) % Int32(count) })
}

/// Counts the elements of a document; nil when it is not well-formed.
private final class ElementCounter: NSObject, XMLParserDelegate {
    private var counts: [String: Int] = [:]
    private(set) var texts: [String] = []
    private var current = ""

    static func count(_ text: String) -> (elements: [String: Int], texts: [String])? {
        let counter = ElementCounter()
        let parser = XMLParser(data: Data(text.utf8))
        parser.delegate = counter
        return parser.parse() ? (counter.counts, counter.texts) : nil
    }

    func parser(
        _ parser: XMLParser, didStartElement name: String, namespaceURI: String?, qualifiedName: String?,
        attributes: [String: String]
    ) {
        counts[name, default: 0] += 1
        current = ""
    }

    func parser(_ parser: XMLParser, foundCharacters string: String) { current += string }

    func parser(_ parser: XMLParser, didEndElement name: String, namespaceURI: String?, qualifiedName: String?) {
        if name == "text" { texts.append(current) }
        current = ""
    }
}

@Suite("Confusion matrix")
struct ConfusionTests {
    @Test("precision, recall and F1 follow from the counts, 0/0 is 0, and a sample without prediction is a miss")
    func scores() {
        let matrix = matrix()
        #expect(matrix.rows == [[2, 0, 0, 0], [0, 1, 2, 0], [0, 0, 1, 0], [0, 1, 0, 0]])
        #expect(matrix.unpredicted == [0, 0, 1, 0] && matrix.samples == 8 && matrix.unpredictedSamples == 1)
        let scores = matrix.classScores
        #expect(scores.map(\.precision) == [1, 0.5, 1.0 / 3, 0])
        #expect(scores.map(\.recall) == [1, 1.0 / 3, 0.5, 0])
        #expect(scores.map(\.f1) == [1, 0.4, 0.4, 0])
        #expect(scores.map(\.support) == [2, 3, 2, 1] && scores.map(\.name) == names)
        #expect(matrix.hasUndefinedScores)
        #expect(matrix.macroAverage.f1 == (1 + 0.4 + 0.4 + 0) / 4)
        #expect(matrix.mostConfused(1) == [.init(truth: 1, predicted: 2, count: 2)])
    }

    @Test("a class without samples and predictions scores 0 everywhere")
    func emptyClass() {
        let matrix = ConfusionMatrix(classNames: ["a", "b"], truths: [0], predictions: [0])
        #expect(matrix.classScores[1] == .init(name: "b", precision: 0, recall: 0, f1: 0, support: 0))
        #expect(matrix.macroAverage.precision == 0.5)
    }

    @Test("the table of comma-separated values quotes names and counts what was not predicted in a last column")
    func csv() {
        let lines = ConfusionText.csv(matrix()).components(separatedBy: "\r\n")
        #expect(lines.count == 6 && lines[5].isEmpty)
        #expect(
            lines[0].hasPrefix("true \\ predicted,a,\"b, \"\"c\"\"\",<d> & é,") && lines[0].hasSuffix("(not predicted)")
        )
        #expect(lines[3] == "<d> & é,0,0,1,0,1")
        let finite = ConfusionMatrix(classNames: ["a", "b"], truths: [0, 1], predictions: [1, 1])
        #expect(ConfusionText.csv(finite) == "true \\ predicted,a,b\r\na,0,1\r\nb,0,1\r\n")
    }

    @Test("the terminal shows all of a few classes, and of many the worst and the most confused pairs")
    func terminal() {
        let few = ConfusionText.terminal(matrix())
        #expect(few.contains("macro average") && few.contains("never predicted") && !few.contains("\u{1b}"))
        #expect(few.contains("samples with logits that are not finite: 1;"))
        let lines = few.split(separator: "\n").map(String.init)
        #expect(lines.contains { $0.hasPrefix("1 b, \"c\"") && $0.hasSuffix(".  1  2  .") }, "\(few)")
        #expect(few.contains("most confused\nb, \"c\" taken for <d> & é: 2 of 3, 66.7 %\n"), "\(few)")
        let many = ConfusionText.terminal(manyClasses(100))
        #expect(many.split(separator: "\n").count < 40 && many.contains("the 10 of 100 classes with the lowest f1"))
        #expect(
            many.contains("most confused") && many.contains("class 7 taken for class 9: 3 of 3, 100.0 %"), "\(many)")
        let right = ConfusionMatrix(
            classNames: (0..<30).map(String.init), truths: (0..<30).map(Int32.init),
            predictions: (0..<30).map(Int32.init))
        #expect(ConfusionText.terminal(right).contains("no class was taken for another"))
    }

    @Test("the picture is well-formed, names classes and counts, and draws every pair that occurs")
    func picture() throws {
        let (elements, texts) = try #require(ElementCounter.count(ConfusionPicture(matrix(), title: "a < b").svg))
        // Five pairs; background, frame and six steps of the legend.
        #expect(elements["svg"] == 1 && elements["rect"] == 5 + 8 && elements["title"] == 5 + 1)
        for name in ["a", "b, \"c\"", "<d> & é", "日本\u{fffd}[31m"] {
            #expect(texts.filter { $0 == name }.count == 2, "\(name) on both axes: \(texts)")
        }
        #expect(texts.contains("a < b") && texts.filter { $0 == "2" }.count == 2)
    }

    @Test("pictures of one, of a hundred and of a thousand classes are well-formed and of a size that can be looked at")
    func sizes() throws {
        for classes in [1, 2, 33, 100, 1000] {
            let svg = ConfusionPicture(manyClasses(classes), title: "many").svg
            #expect(ElementCounter.count(svg) != nil, "\(classes)")
            let width = try #require(svg.firstMatch(of: /width="([0-9.]+)"/).flatMap { Double($0.output.1) })
            #expect((100...2000).contains(width), "\(classes) classes: \(width)")
        }
    }
}
