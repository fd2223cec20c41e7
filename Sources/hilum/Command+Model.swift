import Foundation
import HilumCore
import HilumMCR

extension Command {
    static let model = Command(
        name: "model",
        summary: "look into a model folder",
        usage: ["inspect MODEL [--json]"],
        operands: ["inspect", "MODEL"],
        options: [.json],
        details: """
            Shows the configuration of a model, its id, how many parameters it has, and which tensors of its weights are mapped,
            missing or extra. MODEL is a folder with weights, config and vocabulary; 'builtin' is the model that comes with Hilum.
            Exits 1 when a tensor is missing.
            """,
        examples: [("hilum model inspect builtin", "shows the built-in model")],
        run: runModel)
}

private func runModel(_ arguments: Arguments) throws -> ExitStatus {
    .failed
}
