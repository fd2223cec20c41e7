import Foundation
import HilumCore
import HilumMCR

extension Command {
    static let train = Command(
        name: "train",
        summary: "train the encoders, or go on training a model on one's own cases",
        usage: ["--data DIR --out MODEL [--init MODEL] [--config NAME] [--epochs N] [--seed S] [--resume]"],
        operands: [],
        options: [
            .value("data", "DIR", "folder with a cases.jsonl; may be given more than once"),
            .value("out", "MODEL", "folder for weights, config, vocabulary, log and curves"),
            .value(
                "init", "MODEL", "start from the weights and vocabulary of this model ('builtin' for the built-in one)"),
            .value("config", "NAME", "mcr-tiny, mcr-small or mcr-base (default mcr-small)"),
            .value("epochs", "N", "how often each pair is seen (default 20)"),
            .value("seed", "S", "the same seed and thread count give the same bits (default 1)"),
            .value("objective", "NAME", "mcr, dual or clip (default mcr)"),
            .value("align", "NAME", "mba (map, then aggregate) or abm (the other way round; default mba)"),
            .flag("resume", "go on from the last checkpoint in MODEL"),
            .quiet, .json,
        ],
        details: """
            Trains the image and the report encoder with masked contrastive reconstruction on pairs of image and report.
            Checkpoints are written as it runs; an interrupted run is continued with --resume. To fine-tune the built-in model on
            one's own archive, give --init builtin and a folder with a cases.jsonl that names images and reports.
            """,
        examples: [
            (
                "hilum train --data my-cases --init builtin --epochs 5 --out my-model",
                "fine-tunes the built-in model; 'hilum init ARCHIVE --model my-model' uses it"
            )
        ],
        run: runTrain)
}

private func runTrain(_ arguments: Arguments) throws -> ExitStatus {
    .failed
}
