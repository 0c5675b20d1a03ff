internal import Diagnostics
package import Layers
package import Tensors

extension Configuration.Model {
    /// The network for images of this shape, named or written down in the configuration.
    ///
    /// Throws: `Failure(.configuration)` for a name that does not exist.
    package func description(input: Shape, classes: Int, _ makeModel: ModelMaker) throws -> ModelDescription {
        if let layers {
            var description = ModelDescription(name: name, input: input, classes: classes)
            description.append(try layers.items(classes: classes))
            return description
        }
        let request = ModelRequest(name: name, input: input, classes: classes, dropout: dropout)
        guard let description = makeModel(request) else {
            throw Failure(.configuration, "model = \(name): no network of this name")
        }
        return description
    }
}
