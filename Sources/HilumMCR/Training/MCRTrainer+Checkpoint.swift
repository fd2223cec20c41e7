import Foundation
import HilumCore
import HilumNN

/// A checkpoint is one file, `checkpoint.safetensors` (f32), replaced in one step: weights, both moments of AdamW, the running
/// average and the best weights where there are any, and in its metadata the options, the configuration, the steps done and the log so far. `MODEL/` beside it always holds a whole model.
extension MCRTrainer {
    private static let fileName = "checkpoint.safetensors"

    /// What stands in the metadata.
    fileprivate struct State {
        var options: TrainingOptions
        var configuration: MCRConfiguration
        var step: Int
        var optimiserSteps: Int
        var setFingerprint: String
        var validationFingerprint: String?
        var bestScore: Double?
        var records: [TrainingRecord]
    }

    /// Whether the folder holds a checkpoint to go on from.
    public static func hasCheckpoint(_ directory: String) -> Bool {
        FileManager.default.fileExists(atPath: directory + "/" + fileName)
    }

    /// Writes the checkpoint and, beside it, the model as it is now with its training log.
    /// - Parameter set: what is trained on; a run is resumed only on the same.
    public func saveCheckpoint(to directory: String, set: TrainingSet) throws {
        try FileIO.makeFolder(directory)
        // The vocabulary first: whoever finds a checkpoint also finds what it needs to go on.
        try tokenizer.vocabulary.write(to: directory + "/" + MCRModel.vocabularyFile)
        let state = State(
            options: options, configuration: network.configuration, step: step, optimiserSteps: optimiser.stepCount,
            setFingerprint: fingerprint(of: set), validationFingerprint: validationFingerprint,
            bestScore: best?.score, records: records)
        let tensors = buffers(best: best?.values).flatMap { $0.buffer.spans(network.layout, prefix: $0.prefix) }
        try SafeTensors.write(
            tensors, metadata: ["state": state.json.sorted.text], to: directory + "/" + Self.fileName, as: .f32)
        try MCRModel.save(network, modelValues, tokenizer, to: directory)
        let lines = records.map { $0.json.sorted.text + "\n" }.joined()
        try FileIO.writeAtomically(directory + "/training.jsonl", Array(lines.utf8))
    }

    /// What a checkpoint holds, and what stands before the names of its tensors.
    private func buffers(best: ParameterBuffer?) -> [(prefix: String, buffer: ParameterBuffer)] {
        let always = [("", values), ("moment1.", optimiser.moment1), ("moment2.", optimiser.moment2)]
        return always + (average.map { [("average.", $0)] } ?? []) + (best.map { [("best.", $0)] } ?? [])
    }

    /// Goes on from the checkpoint of a folder.
    ///
    /// - Throws: `MCRError.badModel` when it belongs to other options, another configuration or another training set.
    public func resume(from directory: String, set: TrainingSet) throws {
        let path = directory + "/" + Self.fileName
        func refuse(_ reason: String) -> MCRError { MCRError(.badModel(reason: reason), path: path) }
        var limits = SafeTensors.Limits()
        // The header holds the log of the run.
        limits.headerInBytes = 256 << 20
        let file = try WeightReader(path, limits: limits)
        guard let text = file.header.metadata["state"] else { throw refuse("this checkpoint holds no training state") }
        let state: State
        do { state = try State(parsing: text.utf8) } catch {
            throw refuse("this checkpoint holds no training state that can be read: \(error)")
        }
        guard state.configuration == network.configuration else {
            throw refuse("the checkpoint has other sizes; give the same --config, --align and --init as before")
        }
        keepSteps(of: state.options)
        var saved = state.options
        saved.checkpointInterval = options.checkpointInterval
        guard saved == options else {
            throw refuse("the checkpoint was made with other options; give the same ones, or train without --resume")
        }
        guard state.setFingerprint == fingerprint(of: set) else {
            throw refuse("the checkpoint was made on other cases; give the same --data and --hold-out as before")
        }
        let entries = file.entries
        let best = state.bestScore.map { (values: ParameterBuffer(count: network.layout.count), score: $0) }
        for (prefix, buffer) in buffers(best: best?.values) {
            for parameter in network.layout.parameters {
                guard let entry = entries[prefix + parameter.name], entry.shape == parameter.shape else {
                    throw refuse("tensor \(prefix + parameter.name) is missing or has another shape")
                }
                try file.read(entry, into: buffer.pointer + parameter.offset)
            }
        }
        restore(
            step: state.step, records: state.records, optimiserSteps: state.optimiserSteps, best: best,
            validationFingerprint: state.validationFingerprint)
    }

    /// Takes the checkpoint away when the run is complete; the model stays.
    public static func removeCheckpoint(_ directory: String) throws(FileError) {
        let path = directory + "/" + fileName
        if unlink(path) != 0 && errno != ENOENT { throw FileError(.system(errno: errno), path: path, call: "unlink") }
    }
}

extension MCRTrainer.State: JSONReadable, JSONWritable {
    init(json: JSON) throws(JSON.Mismatch) {
        self.init(
            options: try json.member("options"), configuration: try json.member("configuration"),
            step: try json.member("step"), optimiserSteps: try json.member("optimiserSteps"),
            setFingerprint: try json.member("setFingerprint"),
            validationFingerprint: try json.optionalMember("validationFingerprint"),
            bestScore: try json.optionalMember("bestScore"), records: try json.member("records"))
    }

    var json: JSON {
        JSON(members: [
            "options": options, "configuration": configuration, "step": step, "optimiserSteps": optimiserSteps,
            "setFingerprint": setFingerprint, "validationFingerprint": validationFingerprint, "bestScore": bestScore,
            "records": records,
        ])
    }
}
