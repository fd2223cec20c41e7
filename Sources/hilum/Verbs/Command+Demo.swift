import Foundation
import HilumArchive
import HilumCore
import HilumImaging
import HilumMCR
import HilumPhantom
import HilumServer

extension Command {
    static let demo = Command(
        name: "demo",
        summary: "the whole job on drawn cases, in under two minutes",
        usage: ["[--dir DIR] [--count N] [--seed S] [--view]"],
        operands: [],
        options: [
            .value(
                "dir", "DIR", "where the demo works (default ./hilum-demo); what an earlier demo left there is replaced"
            ),
            .value("count", "N", "how many cases to draw (default 300)", letter: "n"),
            .value("seed", "S", "seed of the drawn cases (default 2024)"),
            .flag("view", "leave the page of 'hilum view' running for half an hour, and print its address"),
        ],
        details: """
            Draws chest radiographs with reports, indexes them, starts the daemon, drops one more case into its inbox, and
            then searches by image and by text, and shows where the image answers to a finding. Leaves the archive, a contact
            sheet and a heat map in DIR.
            """,
        examples: [("hilum demo --dir /tmp/demo", "runs it in a folder of one's own")],
        run: runDemo)
}

private func runDemo(_ arguments: Arguments) throws -> ExitStatus {
    let count = try arguments.integer("count", in: 20...100_000) ?? 300
    let seed = arguments.text("seed") == nil ? 2024 : try arguments.seed()
    let demo = try Demo(folder: arguments.text("dir") ?? "hilum-demo", count: count, seed: seed)
    try demo.run()
    if arguments.has("view") { try demo.view() }
    return .done
}

/// The steps of the demo; each prints a line.
private struct Demo {
    let folder: String
    let count: Int
    let seed: UInt64
    private let started = monotonicSeconds()

    private var phantoms: String { folder + "/phantoms" }
    private var archive: String { folder + "/archive" }
    private var inbox: String { folder + "/inbox" }
    private var sheet: String { folder + "/contact-sheet.png" }
    private var heatMap: String { folder + "/heat-map.png" }

    /// Empties the folder of an earlier demo, and refuses any other folder that is not empty.
    init(folder: String, count: Int, seed: UInt64) throws {
        let absolute = FilePath.isAbsolute(folder) ? folder : FileManager.default.currentDirectoryPath + "/" + folder
        self.folder = absolute
        self.count = count
        self.seed = seed
        let mark = absolute + "/.hilum-demo"
        let present = (try? FileManager.default.contentsOfDirectory(atPath: absolute)) ?? []
        if !present.isEmpty && !present.contains(".hilum-demo") {
            throw CommandError(
                .failed, "\(absolute) holds files that no demo made; give an empty or new folder with --dir")
        }
        DemoPage(folder: absolute).stop()
        do {
            try Archive(path: absolute + "/archive", mode: .readWrite).close()
        } catch let error as ArchiveError {
            if case .busy = error.code { throw CommandError(.failed, "\(error); or give another --dir") }
        }
        for name in ["phantoms", "archive", "inbox", "contact-sheet.png", "heat-map.png", "query.png", "view.log"]
        where present.contains(name) {
            try FileManager.default.removeItem(atPath: absolute + "/" + name)
        }
        try FileIO.makeFolder(absolute)
        try FileIO.writeAtomically(mark, Array("made by 'hilum demo', which may empty this folder\n".utf8))
    }

    func run() throws {
        tell("drawing \(count) chest radiographs with reports (seed \(seed)); none stems from a patient")
        let drawing = Progress("draw", total: count, unit: "cases")
        try PhantomDataset.write(to: phantoms, count: count, seed: seed, site: nil, progress: drawing)
        drawing.finish()

        let model = try loadModel(builtinModelName)
        tell("indexing them into \(archive) with the built-in model (\(model.dimension) numbers a vector)")
        try Archive.create(at: archive, modelDirectory: try modelFolder(builtinModelName))
        let opened = try Archive(path: archive, mode: .readWrite, embedder: model)
        let summary = try BulkIndexer(archive: opened).run(sources: [phantoms])
        opened.close()
        print(
            "    \(summary.stored) stored, \(summary.unchanged) unchanged, \(summary.refused.count) refused, "
                + String(format: "%.1f cases/s", summary.casesPerSecond))

        try FileIO.makeFolder(inbox)
        let daemon = try DemoDaemon(archive: archive, inbox: inbox)
        defer { daemon.stop() }
        tell("the daemon answers at \(daemon.socket)")
        try dropOneMore(daemon)
        let byImage = try searchByImage(daemon)
        let byText = try searchByText(daemon)
        try writeContactSheet([byImage, byText], title: "Hilum: similar cases among drawn phantoms", to: file(sheet))
        tell("contact sheet: \(sheet)")
        try explain()
        let isStopped = daemon.stop()
        if !isStopped { throw CommandError(.failed, "the daemon did not end cleanly") }
        tell("done in \(durationText(monotonicSeconds() - started)); to go on:")
        print("    hilum search \(archive) --text 'right upper lobe nodule'")
        print("    hilum serve \(archive) --inbox \(inbox)")
        print("    hilum view \(archive)")
    }

    /// Leaves the page running for those who want to look.
    func view() throws {
        let page = DemoPage(folder: folder)
        let (address, process) = try page.start(archive)
        tell("the viewer, in a browser on this machine, for half an hour after its last use (kill \(process) ends it):")
        print("    \(address)")
    }

    /// Drops one more case into the inbox, as an imaging device would.
    private func dropOneMore(_ daemon: DemoDaemon) throws {
        let drawn = PhantomGenerator(seed: seed, site: .a, side: 256).makeCase(count)
        let id = "dropped-1"
        // The text comes first: the daemon reads a case once its files have not changed for a moment.
        try FileIO.writeAtomically("\(inbox)/\(id).txt", Array(drawn.report.utf8))
        try FileIO.writeAtomically("\(inbox)/\(id).png", try PNGEncoder.encode(drawn.image))
        let dropped = monotonicSeconds()
        tell("dropped one more case into \(inbox): \(drawn.labels.joined(separator: ", "))")
        while try !daemon.ask("GET id=\(id)").status.isOK {
            guard monotonicSeconds() - dropped < 30 else {
                throw CommandError(.failed, "the daemon did not take the case from \(inbox) within 30 seconds")
            }
            usleep(50_000)
        }
        print(String(format: "    it can be found %.1f s later", monotonicSeconds() - dropped))
    }

    private func searchByImage(_ daemon: DemoDaemon) throws -> (query: ContactSheet.Query, hits: [FoundCase]) {
        // A case with findings that is not in the archive.
        let generator = PhantomGenerator(seed: seed, site: .b, side: 256)
        var drawn = generator.makeCase(count + 1)
        for index in (count + 2)..<(count + 40) where drawn.findings.isEmpty { drawn = generator.makeCase(index) }
        let bytes = try PNGEncoder.encode(drawn.image)
        try FileIO.writeAtomically(folder + "/query.png", bytes)
        let truth = drawn.labels.joined(separator: ", ")
        tell("searching with an image the archive does not hold (\(folder)/query.png), which shows: \(truth)")
        let hits = try daemon.search("SEARCH k=5 with=report,path", literal: bytes)
        return (ContactSheet.Query(title: "image", image: drawn.image, text: truth), hits)
    }

    private func searchByText(_ daemon: DemoDaemon) throws -> (query: ContactSheet.Query, hits: [FoundCase]) {
        let text = "large left pleural effusion"
        tell("searching with the words: \(text)")
        let hits = try daemon.search("SEARCH text=\(JSON.string(text).text) k=5 with=report,path")
        return (ContactSheet.Query(title: "text", text: text), hits)
    }

    /// Draws the heat map of a case that is not in the archive, for the words of its finding.
    private func explain() throws {
        let generator = PhantomGenerator(seed: seed, site: .a, side: 256)
        let wanted = ["effusion", "consolidation", "nodule"]
        let number = ((count + 1)..<(count + 400)).first { number in
            let names = generator.findingNames(number)
            return names.count == 1 && wanted.contains(names[0])
        }
        let drawn = generator.makeCase(number ?? count + 1)
        let text = drawn.findings.first.map { "\($0.laterality?.rawValue ?? "") \($0.name)" } ?? drawn.labels[0]
        let opened = try Archive(path: archive, mode: .readOnly, embedder: try loadModel(builtinModelName))
        defer { opened.close() }
        let explanation = try opened.explain(drawn.image, text: text)
        try file(heatMap).write(picture: evidenceSheet(explanation, of: drawn.image).render())
        tell("heat map of a new image for the words '\(text)': \(heatMap)")
    }

    /// A picture in the folder of the demo, which the demo may replace.
    private func file(_ path: String) throws -> OutputFile { try OutputFile(path, of: "demo", isForced: true) }

    private func tell(_ line: String) { print("==> \(line)") }

    private func print(_ line: String) { standardOutputLine(line) }
}

/// `hilum serve` in a process of its own, as it would run in a hospital.
private final class DemoDaemon {
    let socket: String
    private let process = Process()

    init(archive: String, inbox: String) throws {
        // Socket paths have a length limit. If the archive's path is too long, the socket goes to the temporary folder.
        let near = archive + "/hilum.sock"
        socket =
            near.utf8.count < 100 ? near : FileManager.default.temporaryDirectory.path + "/hilum-demo-\(getpid()).sock"
        let program = try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")
        process.executableURL = URL(fileURLWithPath: program)
        process.arguments = ["serve", archive, "--socket", socket, "--inbox", inbox]
        process.environment = ProcessInfo.processInfo.environment.merging(["HILUM_LOG": "warning"]) { given, _ in given
        }
        process.standardInput = FileHandle.nullDevice
        try process.run()
        let deadline = monotonicSeconds() + 60
        while (try? ask("PING"))?.status.isOK != true {
            guard process.isRunning else { throw CommandError(.failed, "the daemon ended before it answered") }
            guard monotonicSeconds() < deadline else {
                stop()
                throw CommandError(.failed, "the daemon did not answer within a minute")
            }
            usleep(20_000)
        }
    }

    /// Sends one request and reads its reply.
    func ask(_ line: String, literal: [UInt8]? = nil) throws -> Client.Answer {
        try Client(socketPath: socket).request(line, literal: literal)
    }

    /// Searches and prints what was found.
    func search(_ line: String, literal: [UInt8]? = nil) throws -> [FoundCase] {
        let reply = try ask(line, literal: literal)
        guard reply.status.isOK else {
            throw CommandError(.failed, "the daemon answered: \(reply.status.text)")
        }
        var hits = reply.objects.compactMap { FoundCase(line: $0) }
        let client = try Client(socketPath: socket)
        for place in hits.indices { hits[place].takePicture(from: client) }
        for row in FoundCase.table(hits).split(separator: "\n") { standardOutputLine("    \(row)") }
        return hits
    }

    /// Stops the daemon as a service manager does, and returns whether it exited cleanly.
    @discardableResult
    func stop() -> Bool {
        if process.isRunning { process.terminate() }
        process.waitUntilExit()
        return process.terminationReason == .exit && process.terminationStatus == 0
    }
}

/// `hilum view` in the background, for half an hour after its last use. `DIR/view.pid` remembers it, so that the next demo can end it.
private struct DemoPage {
    private static let minutes = 30

    let folder: String
    private var log: String { folder + "/view.log" }
    private var note: String { folder + "/view.pid" }

    /// Starts it and waits for its address.
    ///
    /// - Throws: `CommandError` with its last words where it ends before it has one.
    func start(_ archive: String) throws -> (address: String, process: Int32) {
        // The address lets in whoever knows it.
        try FileIO.writeAtomically(log, Array("".utf8), rights: 0o600)
        let output = try FileHandle(forWritingTo: URL(fileURLWithPath: log))
        let process = Process()
        let program = try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")
        process.executableURL = URL(fileURLWithPath: program)
        process.arguments = ["view", archive, "--idle-minutes", "\(Self.minutes)"]
        process.environment = ProcessInfo.processInfo.environment.merging(["HILUM_LOG": "error"]) { given, _ in given }
        process.standardInput = FileHandle.nullDevice
        process.standardOutput = output
        process.standardError = output
        try process.run()
        try FileIO.writeAtomically(note, Array("\(process.processIdentifier)\n".utf8))
        let deadline = monotonicSeconds() + 60
        while true {
            let lines = String(decoding: try FileIO.read(log), as: UTF8.self).split(separator: "\n")
            if let address = lines.first(where: { $0.hasPrefix("http://") }) {
                return (String(address), process.processIdentifier)
            }
            guard process.isRunning, monotonicSeconds() < deadline else {
                throw CommandError(.failed, "the viewer did not start: \(lines.last ?? "it said nothing")")
            }
            usleep(20_000)
        }
    }

    /// Ends the page of an earlier demo, if it still runs, and waits for it.
    func stop() {
        guard let bytes = try? FileIO.read(note, limitInBytes: 64),
            let process = Int32(String(decoding: bytes, as: UTF8.self).trimmingCharacters(in: .whitespacesAndNewlines)),
            let call = try? String(contentsOfFile: "/proc/\(process)/cmdline", encoding: .utf8)
        else { return }
        // The number may be another program's by now.
        let words = call.split(separator: "\0")
        guard words.contains("view"), words.contains(where: { $0 == folder + "/archive" }) else { return }
        kill(process, SIGTERM)
        let deadline = monotonicSeconds() + 10
        while kill(process, 0) == 0 && monotonicSeconds() < deadline { usleep(20_000) }
    }
}
