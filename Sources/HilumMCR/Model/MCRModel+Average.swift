import HilumNN

extension MCRModel {
    /// A model whose every weight lies between those of two models: (1 − share)·self + share·other.
    ///
    /// Two models that were trained on from the same weights for different ends keep most of what both can do
    /// (Wortsman et al. 2022, "Model soups", arXiv 2203.05482). Models of different origin average to nothing useful. Own directions are no
    /// weights between which others lie: where the models do not have the same, the average has none.
    /// - Parameter share: of `other`, in 0…1.
    /// - Throws: `MCRError.badModel` when the sizes or the vocabularies differ.
    public func averaged(with other: MCRModel, share: Float) throws -> MCRModel {
        precondition((0...1).contains(share), "a share lies in 0…1")
        guard configuration == other.configuration else {
            throw MCRError(.badModel(reason: "models of other sizes cannot be averaged"))
        }
        guard tokenizer.vocabulary.text == other.tokenizer.vocabulary.text else {
            throw MCRError(.badModel(reason: "models of other vocabularies cannot be averaged"))
        }
        let mean = ParameterBuffer(count: values.count)
        for i in 0..<values.count {
            mean.pointer[i] = (1 - share) * values.pointer[i] + share * other.values.pointer[i]
        }
        if share > 0, share < 1, let own = network.own, !hasOwnDirections(of: other) { own.clear(mean.pointer) }
        return MCRModel(network: network, values: mean, tokenizer: tokenizer)
    }

    /// Whether the own directions of two models of the same sizes are the same, or both have none.
    public func hasOwnDirections(of other: MCRModel) -> Bool {
        network.layout.parameters.filter { $0.name.hasPrefix("own.") }.allSatisfy { parameter in
            (parameter.offset..<(parameter.offset + parameter.count)).allSatisfy {
                values.pointer[$0] == other.values.pointer[$0]
            }
        }
    }
}
