import HilumArchive
import HilumCore

extension Command {
    static let snapshot = Command(
        name: "snapshot",
        summary: "copy an archive as it is now, also while a daemon serves it",
        usage: ["ARCHIVE OUT [--json]"],
        operands: ["ARCHIVE", "OUT"],
        options: [.quiet, .json],
        details: """
            Makes the new folder OUT, a whole archive by itself: one commit of the store without free pages, kept images, models
            and keys, and snapshot.json with the size and SHA-256 of every file. Every page is checked; a damaged archive is
            refused. Searches and writes go on. OUT gets its name when everything is on disk, so that one that is there is whole.
            It holds reports and the keys that hide names: keep it where the archive itself might lie. Images that an archive
            does not keep stay where they were indexed from, and are not copied. An archive whose log.key is missing, or is
            another one, is refused. Exits 3 where kept images are lost, or the model cannot be used.
            """,
        examples: [("hilum snapshot archive /backup/archive-monday", "a copy for the night")],
        run: runSnapshot)

    static let restore = Command(
        name: "restore",
        summary: "make an archive from a snapshot",
        usage: ["SNAPSHOT ARCHIVE [--replace] [--copy] [--json]"],
        operands: ["SNAPSHOT", "ARCHIVE"],
        options: [
            .flag("copy", "for 'hilum follow': it goes on as a copy of the archive that the snapshot is of"),
            .flag("replace", "exchange the archive that stands there; it is kept beside, as ARCHIVE.before-restore-N"),
            .quiet, .json,
        ],
        details: """
            Copies the snapshot beside ARCHIVE and checks it: sizes and hashes of all files, every page and record of the store.
            Only then it takes its place, in one step. Whatever goes wrong before, what stood there is as it was. Exits 3 where kept
            images or the key are lost, or the model cannot be used.
            """,
        examples: [
            ("hilum restore /backup/archive-monday archive", "an archive where none stands"),
            ("hilum restore /backup/archive-monday archive --replace", "goes back to Monday; the present one is kept"),
        ],
        run: runRestore)

    static let compact = Command(
        name: "compact",
        summary: "write an archive's store anew, without free pages",
        usage: ["ARCHIVE [--json]"],
        operands: ["ARCHIVE"],
        options: [.json],
        details: """
            What is deleted leaves free pages, which new cases use again, but the file never shrinks, and the bytes stay in it until
            then. This writes the store anew and checks it before it takes the old one's place, in one step. No process may have the
            archive open meanwhile, a daemon least of all; a snapshot is compact by itself.
            """,
        examples: [("hilum compact archive", "prints the size before and after")],
        run: runCompact)
}

private func runSnapshot(_ arguments: Arguments) throws -> ExitStatus {
    let (path, target) = (arguments.operands[0], arguments.operands[1])
    Interruption.watch("stopping; no snapshot will be left")
    let shown = ShownProgress("snapshot", unit: "kept images", arguments)
    let summary: SnapshotSummary
    do {
        summary = try Archive.snapshot(
            of: path, to: target, interrupted: Interruption.flag, progress: { shown.note($0, of: $1) })
    } catch {
        if Interruption.flag.isRaised { return .interrupted }
        throw error
    }
    shown.finish()
    if summary.lostImageCount > 0 {
        standardError(
            "warning: \(summary.lostImageCount) kept images are lost; 'hilum check \(path) --deep' names them\n")
    }
    let hasModel = tellModelFault(of: target)
    if arguments.has("json") {
        standardOutputLine(
            JSON(members: [
                "snapshot": target, "cases": summary.cases, "bytes": summary.byteCount, "sha256": summary.sha256,
                "images": summary.imageCount, "lost_images": summary.lostImageCount,
            ]).text)
    } else {
        standardOutputLine(
            "\(target): \(summary.cases) cases, \(summary.imageCount) kept images, \(summary.byteCount) bytes; "
                + "data.mdb has SHA-256 \(summary.sha256)")
    }
    return summary.lostImageCount == 0 && hasModel ? .done : .partlyDone
}

private func runRestore(_ arguments: Arguments) throws -> ExitStatus {
    let (snapshot, path) = (arguments.operands[0], arguments.operands[1])
    Interruption.watch("stopping; what stood there will be as it was")
    let shown = ShownProgress("restore", unit: "files", arguments)
    let restored: RestoredArchive
    do {
        restored = try Archive.restore(
            snapshot, to: path, replaces: arguments.has("replace"), asCopy: arguments.has("copy"),
            interrupted: Interruption.flag, progress: { shown.note($0, of: $1) })
    } catch {
        if Interruption.flag.isRaised { return .interrupted }
        throw error
    }
    shown.finish()
    if restored.lostImageCount > 0 {
        standardError("warning: the snapshot was made without \(restored.lostImageCount) kept images\n")
    }
    let keyFault = Archive.keyFault(of: path)
    if let keyFault {
        standardError("warning: the snapshot lacks the right key, so nobody can change the archive: \(keyFault)\n")
    }
    let hasModel = tellModelFault(of: path)
    if arguments.has("json") {
        standardOutputLine(
            JSON(members: [
                "archive": path, "cases": restored.cases, "images": restored.imageCount,
                "lost_images": restored.lostImageCount, "former": restored.former,
            ]).text)
    } else {
        let former = restored.former.map { "; the former archive is \($0)" } ?? ""
        standardOutputLine("\(path): \(restored.cases) cases, \(restored.imageCount) kept images\(former)")
    }
    return restored.lostImageCount == 0 && keyFault == nil && hasModel ? .done : .partlyDone
}

/// Says what is wrong with the model of an archive or a snapshot; false where something is.
private func tellModelFault(of path: String) -> Bool {
    guard let fault = modelFault(ofArchive: path) else { return true }
    standardError("warning: nobody can ask \(path) by text or image, as its model cannot be used: \(fault)\n")
    return false
}

private func runCompact(_ arguments: Arguments) throws -> ExitStatus {
    let path = arguments.operands[0]
    let (before, after) = try Archive.compact(path)
    if arguments.has("json") {
        standardOutputLine(JSON(members: ["archive": path, "before": before, "after": after]).text)
    } else {
        standardOutputLine("\(path): \(before) bytes before, \(after) after")
    }
    return .done
}

/// Progress of work whose size is known only when it has begun. Thread rule: one thread.
private final class ShownProgress {
    private let label: String
    private let unit: String
    private let isQuiet: Bool
    private var progress: Progress?

    init(_ label: String, unit: String, _ arguments: Arguments) {
        self.label = label
        self.unit = unit
        isQuiet = arguments.has("quiet")
    }

    func note(_ done: Int, of total: Int) {
        let shown = progress ?? Progress(label, total: total, unit: unit, done: done - 1, quiet: isQuiet)
        progress = shown
        shown.advance()
    }

    func finish() { progress?.finish() }
}
