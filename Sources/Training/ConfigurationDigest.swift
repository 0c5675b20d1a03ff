internal import Digests

extension Configuration {
    /// SHA-256 over all entries, a line each.
    package func digest() -> String {
        var hash = SHA256()
        for (key, value) in entries { hash.update("\(key)=\(value)\n") }
        return hash.hexadecimal()
    }

    /// What `swift-train` does without a configuration: the Fashion classifier on the built-in synthetic data.
    package static var builtIn: Configuration {
        var configuration = Configuration()
        configuration.data.file = "data/synthetic.h5"
        configuration.length = .epochs(5)
        configuration.optimizer.learningRate = 0.02
        return configuration
    }
}
