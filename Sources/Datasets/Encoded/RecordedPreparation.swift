internal import Report

extension ImagePreparation {
    /// How pictures are prepared as those were that a dataset was made of. `recorded` is the dataset file's `preprocessing`.
    ///
    /// nil where it does not say how pictures of other sizes came to that one: they had it already, or were no pictures.
    package init?(recorded: String) {
        guard let members = JSON(parsing: recorded), case .string(let fit)? = members[key: "fit"],
            let fit = Fit(rawValue: fit)
        else { return nil }
        self.init(fit: fit, filter: members[key: "filter"].flatMap { Filter(rawValue: $0.plain) } ?? .bilinear)
        orients = members[key: "orientation"] != .string(Self.asStored)
    }

    /// `crop, bilinear, turned as EXIF asks`
    package var text: String { "\(fit.rawValue), \(filter.rawValue)\(orients ? ", turned as EXIF asks" : "")" }
}
