import Foundation
import HilumArchive
import HilumCore
import Synchronization

extension Command {
    static let check = Command(
        name: "check",
        summary: "prove that store, vectors and graph agree",
        usage: ["ARCHIVE [--deep] [--json]"],
        operands: ["ARCHIVE"],
        options: [
            .flag("deep", "read every record and every vector, and search for each of them"),
            .json,
        ],
        details: """
            Reads the store in a process of its own, so that even damage that would end a process is reported in a sentence.
            Prints what is wrong, one line a finding, and exits 1; exits 0 and says so when nothing is.
            """,
        examples: [("hilum check archive --deep", "the full proof")],
        run: runCheck)
}

/// Set for the process that reads the store.
private let innerVariable = "HILUM_CHECK_INNER"

private func runCheck(_ arguments: Arguments) throws -> ExitStatus {
    let isDeep = arguments.has("deep")
    let path = arguments.operands[0]
    if ProcessInfo.processInfo.environment[innerVariable] == "1" {
        // Only the exit by a signal matters here; what the archive has to say goes to the parent as JSON.
        let report = try Archive.check(at: path, deep: isDeep)
        standardOutput(String(decoding: try JSONEncoder().encode(report), as: UTF8.self))
        return .done
    }
    let report = try checkInChild(path, isDeep: isDeep)
    if arguments.has("json") {
        let object = JSON.object([
            ("clean", .bool(report.isClean)), ("deep", .bool(isDeep)), ("cases", .integer(report.cases)),
            ("vectors", .integer(report.vectors)), ("pages", .integer(report.pages)),
            ("findings", .strings(report.findings)), ("notes", .strings(report.notes)),
        ])
        standardOutputLine(object.text)
    } else {
        for finding in report.findings { standardOutputLine(shown(finding)) }
        for note in report.notes { standardError("note: \(shown(note))\n") }
        if report.isClean {
            standardOutputLine(
                "\(path) is sound: \(report.cases) cases, \(report.vectors) vectors, \(report.pages) pages")
        }
    }
    return report.isClean ? .done : .failed
}

/// Runs this program once more on the same archive and waits for its report.
///
/// - Throws: `CommandError` when the child could not open the archive; it has said why itself.
private func checkInChild(_ path: String, isDeep: Bool) throws -> CheckReport {
    let process = Process()
    let program = try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")
    process.executableURL = URL(fileURLWithPath: program)
    process.arguments = ["check"] + (isDeep ? ["--deep"] : []) + ["--", path]
    process.environment = ProcessInfo.processInfo.environment.merging([innerVariable: "1"]) { _, new in new }
    // The runtime's own crash report would bury the sentence below.
    process.environment?["SWIFT_BACKTRACE"] = "enable=no"
    let output = Pipe()
    let errors = Pipe()
    process.standardOutput = output
    process.standardError = errors
    process.standardInput = FileHandle.nullDevice
    try process.run()
    let said = try errorsAndOutput(of: output, errors)
    process.waitUntilExit()
    if process.terminationReason == .uncaughtSignal {
        var report = CheckReport()
        report.isDeep = isDeep
        let name = String(cString: strsignal(process.terminationStatus))
        report.findings = [
            "reading the store ended the process that read it (\(name)): its pages are damaged; "
                + "restore a copy, or make a new archive and index its sources again"
        ]
        return report
    }
    guard process.terminationStatus == 0, let report = try? JSONDecoder().decode(CheckReport.self, from: said.output)
    else {
        let prefix = "hilum check: "
        var text = String(decoding: said.errors, as: UTF8.self).trimmingCharacters(in: .whitespacesAndNewlines)
        if text.hasPrefix(prefix) { text.removeFirst(prefix.count) }
        throw CommandError(.failed, text.isEmpty ? "the archive could not be read" : text)
    }
    return report
}

/// Both outputs to their ends; errors are read on a thread of their own, so that neither pipe can fill.
private func errorsAndOutput(of output: Pipe, _ errors: Pipe) throws -> (output: Data, errors: Data) {
    let said = Mutex(Data())
    let group = DispatchGroup()
    let handle = errors.fileHandleForReading
    DispatchQueue.global().async(group: group) {
        let data = handle.readDataToEndOfFile()
        said.withLock { $0 = data }
    }
    let data = output.fileHandleForReading.readDataToEndOfFile()
    group.wait()
    return (data, said.withLock { $0 })
}
