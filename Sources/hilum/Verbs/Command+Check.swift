import Foundation
import HilumArchive
import HilumCore
import Synchronization

extension Command {
    static let check = Command(
        name: "check",
        summary: "prove that store, vectors and graph agree",
        usage: ["ARCHIVE [--deep] [--recall N [-k 10] [--ef 128] [--seed S]] [--json]"],
        operands: ["ARCHIVE"],
        options: [
            .flag("deep", "read every record and every vector, and search for each of them"),
            .value(
                "recall", "N",
                "also search with N stored vectors of each kind, and say how much of the exact answer is found"),
            .value("k", "K", "hits a search for --recall (default 10)", letter: "k"),
            .value(
                "ef", "N", "width of the searches for --recall (default what a search takes: 128, or twice K if more)"),
            .value("seed", "S", "which vectors --recall takes (default 1)"),
            .quiet, .json,
        ],
        details: """
            Reads the store in a process of its own, so that even damage that would end a process is reported in a sentence.
            Prints what is wrong, one line a finding, and exits 1; exits 0 and says so when nothing is.
            The model must be there, and be the one that the vectors are of, and so must the key; an archive that hides names is
            not read without it. A key that is its owner's alone keeps nobody else from checking.
            Cases whose image is no longer where it was indexed from are listed; that is no damage, as their vectors are stored.
            --deep also prints how many vectors of each graph are found by their own search, and the recall@10 of a sample; a vector
            that is there but not found is no finding.
            --recall asks each graph with its own vectors, a case itself left out, and the image graph also with reports. It prints
            recall@K with an interval of 95 % and the time of a search and of an exact scan, which it makes for each of the
            queries; recall is a measurement, so a low one is no finding.
            """,
        examples: [
            ("hilum check archive --deep", "the full proof"),
            ("hilum check archive --recall 200 --ef 128", "how exact searches with ef=128 are"),
        ],
        run: runCheck)
}

/// Set in the environment of the child process, which reads the store.
private let innerVariable = "HILUM_CHECK_INNER"

private func runCheck(_ arguments: Arguments) throws -> ExitStatus {
    let isDeep = arguments.has("deep")
    let path = arguments.operands[0]
    let recall = try RecallOptions(arguments)
    if ProcessInfo.processInfo.environment[innerVariable] == "1" {
        // This is the child. It reports its findings as JSON; if damage ends it by a signal, the parent says so.
        let report = try Archive.check(at: path, deep: isDeep)
        standardOutput(report.json.text)
        return .done
    }
    var report = try checkInChild(path, isDeep: isDeep)
    if report.isClean, let fault = modelFault(ofArchive: path) {
        report.findings.append("the model cannot be used, so nobody can ask by text or image: \(fault)")
    }
    if Archive.modelDirectory(of: path) == nil, report.vectors > 0 {
        report.notes.append("no model is in the archive, so it is asked by ids and vectors alone")
    }
    var checks: [Archive.RecallCheck]?
    if let recall, report.isClean {
        guard let measured = try recall.measure(path, isQuiet: arguments.has("quiet")) else { return .interrupted }
        checks = measured
    }
    if arguments.has("json") {
        var members: [(key: String, value: JSON)] = [
            ("clean", .bool(report.isClean)), ("deep", .bool(isDeep)), ("cases", .integer(report.cases)),
            ("vectors", .integer(report.vectors)), ("pages", .integer(report.pages)),
            ("findings", .strings(report.findings)), ("notes", .strings(report.notes)),
            ("missing_images", .array(report.missing.map(\.json))), ("missing_count", .integer(report.missingCount)),
        ]
        if isDeep { members.append(("graphs", .object(report.graphs.map { ($0.kind, json($0)) }))) }
        if let recall, let checks { members.append(("recall", recall.json(checks))) }
        standardOutputLine(JSON.object(members).text)
    } else {
        for finding in report.findings { standardOutputLine(shown(finding)) }
        for image in report.missing {
            standardOutputLine("missing image: \(shown(image.id)): \(shown(image.path))")
        }
        for note in report.notes { standardError("note: \(shown(note))\n") }
        for graph in report.graphs { standardOutputLine(line(graph)) }
        if report.isClean {
            standardOutputLine(
                "\(path) is sound: \(report.cases) cases, \(report.vectors) vectors, \(report.pages) pages")
            if let recall, let checks { standardOutput(recall.table(checks)) }
        } else if recall != nil {
            standardError("recall was not measured, as the archive is not sound\n")
        }
    }
    return report.isClean ? .done : .failed
}

private func json(_ graph: GraphFigures) -> JSON {
    .object([
        ("vectors", .integer(graph.vectors)), ("found", .integer(graph.found)),
        ("found_share", .number(graph.foundShare, decimals: 6)), ("recall", .number(graph.recall, decimals: 5)),
    ])
}

private func line(_ graph: GraphFigures) -> String {
    let missed = graph.vectors - graph.found
    let recall = String(format: "%.4f", graph.recall)
    return
        "\(graph.kind) graph: \(graph.found) of \(graph.vectors) vectors are found by their own search, \(missed) missed; "
        + "recall@10 \(recall) on a sample"
}

/// The options of `--recall`.
private struct RecallOptions {
    let count: Int
    let k: Int
    let ef: Int
    let seed: UInt64

    /// nil without `--recall`.
    init?(_ arguments: Arguments) throws {
        let wanted = try arguments.integer("recall", in: 1...1_000_000)
        let k = try arguments.integer("k", in: 1...ArchiveLimits.hitCount)
        let ef = try arguments.integer("ef", in: 1...ArchiveLimits.ef)
        seed = try arguments.seed()
        guard let wanted else {
            for name in ["k", "ef", "seed"] where arguments.text(name) != nil {
                throw CommandError.usage("--\(name) needs --recall")
            }
            return nil
        }
        count = wanted
        self.k = k ?? RecallEstimator.k
        self.ef = max(ef ?? max(128, 2 * self.k), self.k)
    }

    /// nil if it was interrupted.
    func measure(_ path: String, isQuiet: Bool) throws -> [Archive.RecallCheck]? {
        let archive = try openArchive(path, .readOnly, keepsGraphs: true)
        defer { archive.close() }
        Interruption.watch("stopping; the recall that was measured so far is not shown")
        let progress = Progress("recall", total: archive.recallCheckCount(count), unit: "queries", quiet: isQuiet)
        let checks = try archive.checkRecall(
            count, k: k, ef: ef, seed: seed, advance: { progress.advance(by: $0) }, interrupted: Interruption.flag)
        progress.finish()
        return checks
    }

    func json(_ checks: [Archive.RecallCheck]) -> JSON {
        var members: [(key: String, value: JSON)] = [
            ("k", .integer(k)), ("ef", .integer(ef)),
            ("seed", Int(exactly: seed).map(JSON.integer) ?? .string(String(seed))),
        ]
        for check in checks {
            let interval = [check.recall.low, check.recall.high].map { JSON.number($0, decimals: 5) }
            members.append(
                (
                    check.name,
                    .object([
                        ("queries", .integer(check.queries)), ("recall", .number(check.recall.value, decimals: 5)),
                        ("ci95", .array(interval)), ("ms", .number(check.milliseconds, decimals: 4)),
                        ("exact_ms", .number(check.exactMilliseconds, decimals: 4)),
                    ])
                ))
        }
        return .object(members)
    }

    func table(_ checks: [Archive.RecallCheck]) -> String {
        var table = TextTable([
            ("queries", .left), ("count", .right), ("recall@\(k)", .right), ("95 %", .right), ("ef \(ef), ms", .right),
            ("exact, ms", .right),
        ])
        for check in checks {
            table.append([
                check.name.replacing("_", with: " "), String(check.queries), percentText(check.recall.value),
                "\(percentText(check.recall.low)) to \(percentText(check.recall.high))",
                String(format: "%.3f", check.milliseconds), String(format: "%.3f", check.exactMilliseconds),
            ])
        }
        return table.text
    }
}

/// Runs this program again on the same archive, as a child process, and waits for its report.
///
/// - Throws: `CommandError` if the child could not open the archive; the child has printed why.
private func checkInChild(_ path: String, isDeep: Bool) throws -> CheckReport {
    let process = Process()
    let program = try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")
    process.executableURL = URL(fileURLWithPath: program)
    process.arguments = ["check"] + (isDeep ? ["--deep"] : []) + ["--", path]
    process.environment = ProcessInfo.processInfo.environment.merging([innerVariable: "1"]) { _, new in new }
    // The Swift runtime's crash report would hide the message below.
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
    guard process.terminationStatus == 0, let report = try? CheckReport(parsing: said.output) else {
        let prefix = "hilum check: "
        var text = String(decoding: said.errors, as: UTF8.self).trimmingCharacters(in: .whitespacesAndNewlines)
        if text.hasPrefix(prefix) { text.removeFirst(prefix.count) }
        throw CommandError(.failed, text.isEmpty ? "the archive could not be read" : text)
    }
    return report
}

/// Reads both outputs to the end. A second thread reads standard error, so that neither pipe can fill up.
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
