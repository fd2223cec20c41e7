import Foundation
import HilumArchive
import HilumCore
import HilumMCR

extension Command {
    static let reembed = Command(
        name: "reembed",
        summary: "encode an archive again with another model, beside the present one",
        usage: [
            "ARCHIVE --model MODEL [--precision F] [--rate R] [--between HH:MM-HH:MM] [--jobs N] [--json]",
            "ARCHIVE (--status | --switch [--partial] | --rollback [--partial] | --abort | --drop) [--json]",
            "ARCHIVE --switch --if-better --data DIR [--json]",
        ],
        operands: ["ARCHIVE"],
        options: [
            .value("model", "MODEL", "the new model's folder, or 'builtin'", environment: "HILUM_MODEL"),
            .value("precision", "F", "f32 or bf16: what it multiplies in; without, as the model's folder says (f32)"),
            .value("rate", "R", "encode at most R cases a second"),
            .value("between", "TIMES", "encode only in this part of the day, such as 01:00-05:00; wait otherwise"),
            .value("jobs", "N", "threads that read and encode (default: the cores)", letter: "j"),
            .flag("status", "show where the archive stands"),
            .flag("switch", "search the new generation from now on, and keep the former one"),
            .flag("partial", "with --switch and --rollback: although images could not be read"),
            .flag("if-better", "with --switch: only if the new model finds more of the pairs of --data"),
            .value("data", "DIR", "with --if-better: a folder with pairs of image and report"),
            .flag("rollback", "search the former generation again"),
            .flag("abort", "give up the new generation"),
            .flag("drop", "give up the former generation, which frees its space"),
            .quiet, .json,
        ],
        details: """
            Makes a new generation of vectors while the present one stays as it is. A run that was stopped, by Ctrl-C or by a kill,
            goes on where it was when it is called again; at most \(Archive.reembedBatchCount) cases are encoded twice. Images come from the
            archive or from where they were indexed; one that is gone or was changed is counted and named, and tried again by the
            next call. --switch and --rollback refuse then, unless --partial is given; such a case is not found by its image until
            'hilum index' has read the file again. After a switch both generations are kept up to date until --drop, by a daemon and
            by 'hilum index' alike. A daemon does the same on REEMBED, in the background; while it runs, only
            --status works here. --if-better compares both models on pairs with an image and a report: it switches when the 95 %
            interval of the difference lies above zero, and exits 1 otherwise.
            """,
        examples: [
            ("hilum reembed archive --model new-model", "encodes all cases of ./archive with ./new-model"),
            ("hilum reembed archive --switch", "searches the new generation"),
        ],
        run: runReembed)
}

private func runReembed(_ arguments: Arguments) throws -> ExitStatus {
    do { return try carryOut(arguments) } catch let error as ArchiveError {
        guard case .busy = error.code else { throw error }
        throw CommandError(.failed, "\(error); if that is a daemon, send it REEMBED by 'hilum query'")
    }
}

private func carryOut(_ arguments: Arguments) throws -> ExitStatus {
    let path = arguments.operands[0]
    let actions = ["status", "switch", "rollback", "abort", "drop"].filter { arguments.has($0) }
    if actions.count > 1 { throw CommandError.usage("--\(actions[0]) and --\(actions[1]) are two calls") }
    // The model in the environment is for the call that makes a generation.
    let makes = actions.isEmpty
    for name in ["precision", "rate", "between", "jobs"] where !makes && arguments.text(name) != nil {
        throw CommandError.usage("--\(name) goes with --model, not with --\(actions[0])")
    }
    if arguments.given.contains(where: { $0.name == "model" }) && !makes {
        throw CommandError.usage("--model and --\(actions[0]) are two calls")
    }
    if arguments.has("if-better") && actions != ["switch"] { throw CommandError.usage("--if-better needs --switch") }
    if arguments.has("partial") && actions != ["switch"] && actions != ["rollback"] {
        throw CommandError.usage("--partial needs --switch or --rollback")
    }
    if arguments.has("if-better") != (arguments.text("data") != nil) {
        throw CommandError.usage("--if-better and --data go together")
    }
    switch actions.first {
    case "status":
        let archive = try openArchive(path, .readOnly)
        defer { archive.close() }
        return show(try archive.reembedStatus(), arguments)
    case "switch" where arguments.has("if-better"):
        return try switchIfBetter(path, arguments)
    case let action?:
        let archive = try openForAction(path, encodes: action == "switch" || action == "rollback")
        defer { archive.close() }
        switch action {
        case "switch": try archive.switchGeneration(allowsPartial: arguments.has("partial"))
        case "rollback": try archive.rollBackGeneration(allowsPartial: arguments.has("partial"))
        case "abort": try archive.abortReembedding()
        default: try archive.dropKeptGeneration()
        }
        try archive.removeLeavingGenerations()
        return show(try archive.reembedStatus(), arguments)
    case nil:
        return try make(path, arguments)
    }
}

/// The archive with its model, if that can be used: that it cannot, because it is damaged or of another release, may be why people switch.
private func openForAction(_ path: String, encodes: Bool) throws -> Archive {
    do { return try openArchive(path, .readWrite, withModel: encodes) } catch {
        guard encodes, modelFault(ofArchive: path) != nil else { throw error }
        return try openArchive(path, .readWrite)
    }
}

// MARK: Making a generation

private func make(_ path: String, _ arguments: Arguments) throws -> ExitStatus {
    guard let model = arguments.text("model") else {
        throw CommandError.usage("--model is missing, or one of --status, --switch, --rollback, --abort and --drop")
    }
    let precision = try wantedPrecision(arguments)
    let jobs = try arguments.integer("jobs", in: 1...1024) ?? defaultThreadCount
    var pace = ReembedPace(casesPerSecond: try arguments.number("rate", in: 0.001...1_000_000))
    if let text = arguments.text("between") {
        guard let hours = DailyHours(text) else {
            throw CommandError.usage("--between needs a part of the day such as 01:00-05:00, not '\(text)'")
        }
        pace.hours = hours
    }
    Interruption.watch("stopping; the same call goes on from there")
    var archive = try openArchive(path, .readWrite)
    defer { archive.close() }
    try archive.removeLeavingGenerations { Interruption.flag.isRaised }
    let loaded = try loadForArchive(model, precision?.rawValue)
    if loaded.embedder.modelID == archive.modelID {
        // No fault, so that a timer may call it every night.
        standardError("\(path) is searched with this model already; there is nothing to do\n")
        return show(try archive.reembedStatus(), arguments)
    }
    try archive.startReembedding(
        modelDirectory: loaded.folder, modelFiles: loaded.files, embedder: loaded.embedder, pace: pace)
    let start = try archive.reembedStatus()
    let progress = HilumCore.Progress(
        "reembed", total: start.total, unit: "cases", done: start.done, quiet: arguments.has("quiet"))
    while try encode(archive, pace, jobs, progress) == .outsideOfItsHours, let hours = pace.hours {
        // Others may use the archive meanwhile.
        archive.close()
        standardError("waiting for \(hours); Ctrl-C ends the call, and nothing is lost\n")
        while !Interruption.flag.isRaised, !hours.isNow { usleep(200_000) }
        archive = try reopen(path)
        guard !Interruption.flag.isRaised, try archive.reembedStatus().nextGeneration == start.nextGeneration else {
            break
        }
    }
    progress.finish()
    let status = try archive.reembedStatus()
    let shown = show(status, arguments)
    if status.state != .ready || status.nextGeneration != start.nextGeneration { return .interrupted }
    return status.missingCount > 0 ? .partlyDone : shown
}

private enum Ending {
    case interrupted, outsideOfItsHours, done
}

/// Encodes until all cases are done or something else ends it.
private func encode(
    _ archive: Archive, _ pace: ReembedPace, _ jobs: Int, _ progress: HilumCore.Progress
) throws -> Ending {
    let limit = pace.casesPerSecond.map { max(1, min(Archive.reembedBatchCount, Int($0))) }
    while !Interruption.flag.isRaised {
        if let hours = pace.hours, !hours.isNow { return .outsideOfItsHours }
        let began = monotonicSeconds()
        let step = try archive.encodeNextBatch(limit ?? Archive.reembedBatchCount, threads: jobs) {
            Interruption.flag.isRaised
        }
        guard case .encoded(let count) = step else { return step == .interrupted ? .interrupted : .done }
        progress.advance(by: count)
        if let rate = pace.casesPerSecond { pause(until: began + Double(count) / rate) }
    }
    return .interrupted
}

/// Opens the archive once nobody else writes; only looks at it when it is interrupted.
private func reopen(_ path: String) throws -> Archive {
    while !Interruption.flag.isRaised {
        do { return try openArchive(path, .readWrite) } catch let error as ArchiveError {
            guard case .busy = error.code else { throw error }
            sleep(1)
        }
    }
    return try openArchive(path, .readOnly)
}

private func pause(until end: Double) {
    while !Interruption.flag.isRaised, monotonicSeconds() < end {
        usleep(UInt32(min(0.1, max(0.001, end - monotonicSeconds())) * 1e6))
    }
}

// MARK: What is shown

private func show(_ status: ReembedStatus, _ arguments: Arguments) -> ExitStatus {
    if arguments.has("json") {
        standardOutputLine(status.json.text)
    } else {
        standardOutput(text(of: status))
    }
    return .done
}

/// The beginning of a model's id, or the whole name of a space.
private func name(ofModel id: String) -> String {
    ImportedSpace.name(ofModel: id) == nil ? String(id.prefix(16)) : id
}

private func text(of status: ReembedStatus) -> String {
    var text = "generation \(status.generation) is searched, model \(name(ofModel: status.model))\n"
    if status.searchedMissingCount > 0 {
        let isSpace = ImportedSpace.name(ofModel: status.model) != nil
        text += "\(status.searchedMissingCount) "
        text += isSpace ? "images and reports have no vector in it" : "images could not be read for it"
        text += ", so their cases are not found by them: "
        text += status.searchedMissingIDs.map(shown).joined(separator: ", ")
        text += status.searchedMissingIDs.count < status.searchedMissingCount ? " …\n" : "\n"
    }
    if let next = status.nextGeneration {
        let what =
            switch status.state {
            case .none, .building: "is being made"
            case .paused: "is paused"
            case .waiting: "waits for its time of day"
            case .ready where status.missingCount > 0:
                "has no vector of what is named below; --switch --partial searches it"
            case .ready: "is complete; --switch searches it"
            case .kept: "is kept; --rollback returns to it, --drop frees its space"
            case .unusable: "cannot be read; --abort or --drop removes it"
            }
        text += "generation \(next) \(what): \(status.done) of \(status.total) cases, model "
        text += "\(name(ofModel: status.nextModel ?? "")), \(status.nextDimension ?? 0) dimensions\n"
        if let rate = status.casesPerSecond { text += String(format: "%.1f cases/s", rate) }
        if let left = status.secondsLeft { text += ", \(durationText(left)) left" }
        if status.casesPerSecond != nil { text += "\n" }
    } else {
        text += "there is no other generation\n"
    }
    if status.missingCount > 0 {
        let more = status.missingIDs.count < status.missingCount ? " …" : ""
        let isSpace = ImportedSpace.name(ofModel: status.nextModel) != nil
        text +=
            "\(status.missingCount) \(isSpace ? "images and reports have no vector there" : "images could not be read"): "
        text += "\(status.missingIDs.map(shown).joined(separator: ", "))\(more)\n"
    }
    for number in status.leaving { text += "generation \(number) is being removed\n" }
    return text
}
