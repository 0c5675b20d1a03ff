internal import Diagnostics

/// One kind of fault in a dataset: what was found, where, and what to do.
package struct Finding: Sendable {
    package enum Kind: String, CaseIterable, Sendable {
        case damaged
        case notFinite = "not finite"
        case outsideRange = "outside 0…1"
        case labelsDisagree = "labels of identical images disagree"
        case nearLabelsDisagree = "labels of nearly identical images disagree"
        case acrossSplits = "identical images in several splits"
        case nearAcrossSplits = "nearly identical images in several splits"
        case identical = "identical images"
        case nearlyIdentical = "nearly identical images"
        case singleColour = "single colour"
        case dark = "very dark"
        case bright = "very bright"
        case blurred
        case oddlySized = "oddly sized"
        case missingClasses = "missing classes"
        case unbalanced = "unbalanced classes"
        case gray = "gray stored as colour"
        case storage
    }

    package let kind: Kind
    /// What was found and what it means, in one sentence.
    package let words: String
    package let advice: String
    /// Numbers of images among all of the check; those that belong together stand together.
    package let groups: [[Int]]
    /// Images concerned.
    package var count: Int { groups.reduce(0) { $0 + $1.count } }
}

/// One image of a dataset file, as findings name it.
package struct SampleName: Sendable {
    package let split: String
    package let index: Int
    package let className: String
    /// In the source, when the file knows it.
    package let name: String?

    /// `train[17] (cat, cat/0017.png)`
    package var text: String {
        "\(split)[\(index)] (\(className)\(name.map { ", \($0)" } ?? ""))".printable
    }
}
