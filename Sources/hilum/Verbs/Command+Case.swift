import Foundation
import HilumArchive
import HilumCore
import HilumServer

extension Command {
    static let get = Command(
        name: "get",
        summary: "show a stored case",
        usage: ["ARCHIVE ID [--json]"],
        operands: ["ARCHIVE", "ID"],
        options: [.json],
        details: """
            Shows what is stored of a case: its metadata, findings and report. Exits 4 when there is no such case. It works beside a
            daemon too; where only the daemon's socket can be reached: hilum query --socket SOCKET 'GET id=ID with=meta,report'.
            """,
        examples: [("hilum get archive phantom-a-00001 --json", "one case as a JSON object")],
        run: runGet)

    static let delete = Command(
        name: "delete",
        summary: "remove a case from an archive",
        usage: ["ARCHIVE ID [--forget]"],
        operands: ["ARCHIVE", "ID"],
        options: [
            .flag("forget", "leave nothing of it in any file of the archive, which is written anew for that"), .json,
        ],
        details: """
            Removes a case and its vectors; it is gone from every later search. Exits 4 when there is no such case.
            The files that it was read from stay where they are. While they hold the same, neither an inbox nor 'hilum index' takes them
            in again, and 'hilum import' takes no vectors of its id; --again of both does. A plain delete leaves marks for that, and old
            bytes in free pages of the store. With --forget nothing of the case is left in any file of the archive, which is written anew
            (as 'hilum compact' does) and may be open nowhere else; what keeps it out are codes by the archive's key, which name nobody.
            Snapshots stay as they are.
            Where a daemon has the archive open, ask it: hilum query --socket ARCHIVE/hilum.sock 'DELETE id=ID' (or '… forget=1').
            """,
        examples: [
            ("hilum delete archive phantom-a-00001", "removes one case"),
            ("hilum delete archive phantom-a-00001 --forget", "and every trace of it in ./archive"),
        ],
        run: runDelete)
}

private func runGet(_ arguments: Arguments) throws -> ExitStatus {
    let archive = try openArchive(arguments.operands[0], .readOnly)
    defer { archive.close() }
    let id = arguments.operands[1]
    guard let record = try archive.get(id: id) else {
        throw CommandError(.notFound, "there is no case '\(shown(id))' in \(arguments.operands[0])")
    }
    let fields = record.fields
    // The first image by the old names, further ones with their number.
    let images = record.images.enumerated().flatMap { place, image in
        let suffix = place == 0 ? "" : "_\(place + 1)"
        return [
            ("image\(suffix)", record.hidesNames ? nil : image.path), ("image\(suffix)_sha256", image.digest),
            ("image\(suffix)_view", image.view),
        ]
    }
    if arguments.has("json") {
        var json = JSONWriter()
        json.beginObject()
        json.member("id", record.id)
        fields.write(to: &json, withMetadata: true, isComplete: true)
        for (key, value) in images {
            if let value { json.member(key, value) }
        }
        if let source = record.source, !record.hidesNames { json.member("source", source) }
        json.member("generation", Int(record.generation))
        if let report = record.report { json.member("report", report) }
        json.endObject()
        standardOutputLine(String(decoding: json.bytes, as: UTF8.self))
        return .done
    }
    var table = TextTable([("field", .left), ("value", .left)])
    table.append(["id", shown(record.id)])
    for (key, value) in CaseFields.Text.allCases.map({ ($0.rawValue, fields[$0]) }) + images {
        if let value { table.append([key, shown(value)]) }
    }
    if let source = record.source, !record.hidesNames { table.append(["source", shown(source)]) }
    table.append([CaseFields.findingsKey, shown(fields.findings.joined(separator: ", "))])
    for (key, value) in fields.metadata.sorted(by: { $0.key < $1.key }) { table.append([shown(key), shown(value)]) }
    standardOutput(table.text)
    if let report = record.report { standardOutput("\n\(report)\n") }
    return .done
}

private func runDelete(_ arguments: Arguments) throws -> ExitStatus {
    let id = arguments.operands[1]
    let forgets = arguments.has("forget")
    let archive = try openToDelete(arguments.operands[0], id: id, forgets: forgets)
    defer { archive.close() }
    let source = try archive.get(id: id)?.source ?? ""
    guard try forgets ? archive.erase(id: id) : archive.delete(id: id) else {
        let hint = forgets ? "; what deleted cases left in free pages goes with 'hilum compact'" : ""
        throw CommandError(.notFound, "there is no case '\(shown(id))' in \(arguments.operands[0])\(hint)")
    }
    if forgets {
        archive.close()
        do { _ = try Archive.compact(arguments.operands[0]) } catch {
            throw CommandError(
                .failed,
                "the case is deleted, but its bytes are still in free pages: \(error); 'hilum compact' removes them")
        }
    }
    if arguments.has("json") { standardOutputLine(JSON.object([("deleted", .string(id))]).text) }
    standardError("deleted \(shown(id))\n")
    switch source {
    case "": break
    case VectorImporter.source:
        standardError("files of its vectors stay, and are not taken in again but by 'hilum import --again'\n")
    default:
        standardError(
            "its files stay, and are not taken in again while they hold the same, but by 'hilum index --again'\n")
    }
    return .done
}

/// Opens an archive for a deletion; where a daemon has it, says how to ask that.
private func openToDelete(_ path: String, id: String, forgets: Bool) throws -> Archive {
    do { return try openArchive(path, .readWrite) } catch let error as ArchiveError {
        guard case .busy(let holder) = error.code else { throw error }
        let socket = path + "/hilum.sock"
        let isThere = (try? Client(socketPath: socket)) != nil
        let line = "DELETE id=\(Argument.quoted(id))\(forgets ? " forget=1" : "")"
        let call = "hilum query --socket \(isThere ? shellWord(socket) : "SOCKET") \(shellWord(line))"
        throw CommandError(
            .failed,
            "\(path): process \(holder) has this archive open for writing; if it is its daemon, ask that: \(shown(call))"
        )
    }
}

/// A text as one word of a shell.
private func shellWord(_ text: String) -> String { "'" + text.replacing("'", with: "'\\''") + "'" }
