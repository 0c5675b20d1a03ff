internal import Diagnostics

/// How the classes of a dataset are numbered in a network that was trained on names of its own.
struct ClassMatch: Equatable {
    /// The names in the order of the network's outputs.
    let names: [String]
    /// For each class of the dataset its number in the network; nil when both agree.
    let numbers: [Int32]?

    /// Matches by name when both have the same names, each once. `own` is nil for weights that come without names.
    ///
    /// Throws: `Failure(.configuration)` naming the first class that differs.
    init(dataset: [String], dataFile: String, own: [String]?, path: String) throws {
        names = own ?? dataset
        guard let own, own != dataset else {
            numbers = nil
            return
        }
        let places = Dictionary(own.enumerated().map { ($1, Int32($0)) }) { first, _ in first }
        let matched = dataset.compactMap { places[$0] }
        guard Set(matched).count == own.count, matched.count == own.count, dataset.count == own.count else {
            let place = zip(dataset, own).enumerated().first { $1.0 != $1.1 }?.offset ?? min(dataset.count, own.count)
            func name(_ names: [String]) -> String { place < names.count ? "\"\(names[place])\"" : "missing" }
            throw Failure(
                .configuration,
                "\(dataFile): class \(place) is \(name(dataset)), but \(name(own)) in \(path), and the names are not the "
                    + "same ones in another order; convert the data with the classes that the network was trained on")
        }
        numbers = matched
    }

    /// What to tell when the classes had to be matched.
    func note(dataFile: String, path: String) -> String? {
        numbers == nil
            ? nil
            : "the classes of \(dataFile) stand in another order than those of \(path); labels are matched by name"
    }

    /// The dataset's labels as the network numbers them.
    func labels(_ labels: [Int32]) -> [Int32] {
        numbers.map { numbers in labels.map { numbers[Int($0)] } } ?? labels
    }
}
