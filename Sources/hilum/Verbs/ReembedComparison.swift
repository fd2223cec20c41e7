import Foundation
import HilumArchive
import HilumCore
import HilumEvaluation
import HilumMCR

/// `hilum reembed ARCHIVE --switch --if-better --data DIR`: switches if the new model finds more, and says why or why not.
func switchIfBetter(_ path: String, _ arguments: Arguments) throws -> ExitStatus {
    let data = try arguments.required("data")
    try RetrievalEvaluation.checkLibraries()
    let (folder, status) = try nextModel(path)
    if status.missingCount > 0 && !arguments.has("partial") {
        throw CommandError(
            .failed, "\(status.missingCount) images could not be read; bring the files back, or add --partial")
    }
    let comparison = try compare(
        try loadModel(ofArchive: path), try loadModel(folder), on: data, isQuiet: arguments.has("quiet"))
    let isBetter = comparison.verdict == .better
    if isBetter {
        let archive = try openArchive(path, .readWrite, withModel: true)
        defer { archive.close() }
        // The one that was compared: another process may have begun a new one meanwhile.
        try archive.switchGeneration(
            allowsPartial: arguments.has("partial"), expected: (status.generation, status.nextGeneration ?? 0))
    }
    if arguments.has("json") {
        standardOutputLine(json(of: comparison, hasSwitched: isBetter).text)
    } else {
        standardOutput(text(of: comparison))
    }
    return isBetter ? .done : .failed
}

/// The folder of the new generation's model, if that is complete.
private func nextModel(_ path: String) throws -> (folder: String, status: ReembedStatus) {
    let archive = try openArchive(path, .readOnly)
    defer { archive.close() }
    let status = try archive.reembedStatus()
    guard let number = status.nextGeneration, status.state == .ready else {
        throw CommandError(
            .failed, "\(path): no new generation is complete; 'hilum reembed \(path) --status' says more")
    }
    return ("\(path)/model.\(number)", status)
}

private func compare(
    _ present: MCRModel, _ other: MCRModel, on data: String, isQuiet: Bool
) throws -> ModelComparison {
    let before = try EvaluationSet(folder: data, limit: nil, model: present, masks: MaskPlan(), isQuiet: isQuiet)
    let after = try EvaluationSet(folder: data, limit: nil, model: other, masks: MaskPlan(), isQuiet: isQuiet)
    for (path, reason) in before.refused { standardError("refused: \(shown(path)): \(shown(reason))\n") }
    return try ModelComparison(present: before.cases, other: after.cases, patients: before.patients)
}

private func json(of comparison: ModelComparison, hasSwitched: Bool) -> JSON {
    func figure(_ estimate: PilotSummary.Estimate) -> JSON {
        .object([
            ("r10", .number(estimate.value, decimals: 5)),
            ("ci95", .array([.number(estimate.low, decimals: 5), .number(estimate.high, decimals: 5)])),
        ])
    }
    return .object([
        ("n", .integer(comparison.caseCount)), ("patients", .integer(comparison.patientCount)),
        ("present", figure(comparison.present)), ("new", figure(comparison.other)),
        ("change", figure(comparison.change)),
        ("verdict", .string(comparison.verdict.rawValue)), ("switched", .bool(hasSwitched)),
    ])
}

private func text(of comparison: ModelComparison) -> String {
    func line(_ name: String, _ estimate: PilotSummary.Estimate) -> String {
        "\(name): \(percentText(estimate.value)) (95 % interval \(percentText(estimate.low)) to \(percentText(estimate.high)))\n"
    }
    var text = "right case among the first ten, \(comparison.caseCount) pairs of \(comparison.patientCount) patients\n"
    text += line("present model", comparison.present) + line("new model", comparison.other)
    text += "difference: \(PilotVerdict.points(comparison.change))\n"
    switch comparison.verdict {
    case .better: text += "the new model finds more, and is searched now\n"
    case .worse: text += "the new model finds less; nothing was switched\n"
    case .unclear: text += "these pairs do not say which model finds more; nothing was switched\n"
    }
    return text
}
