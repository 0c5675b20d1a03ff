internal import Foundation

extension ImagePreparation {
    /// How pictures are prepared as those were that a dataset was made of. `recorded` is the dataset file's `preprocessing`.
    ///
    /// nil where it does not say how pictures of other sizes came to that one: they had it already, or were no pictures.
    package init?(recorded: String) {
        guard let members = try? JSONSerialization.jsonObject(with: Data(recorded.utf8)) as? [String: Any],
            let fit = (members["fit"] as? String).flatMap(Fit.init)
        else { return nil }
        self.init(fit: fit, filter: (members["filter"] as? String).flatMap(Filter.init) ?? .bilinear)
        orients = (members["orientation"] as? String) != Self.asStored
    }

    /// `crop, bilinear, turned as EXIF asks`
    package var text: String { "\(fit.rawValue), \(filter.rawValue)\(orients ? ", turned as EXIF asks" : "")" }
}
