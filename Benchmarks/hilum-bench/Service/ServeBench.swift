import Foundation
import HilumArchive
import HilumCore
import HilumMCR
import HilumServer

/// Measures a running daemon through its socket: percentiles of latency and requests a second of 1, 8 and 64 clients.
struct ServeBench {
    static let usage = """
        usage: hilum-bench serve --archive ARCHIVE [--socket SOCKET] [--clients 1,8,64] [--seconds 2] [--rounds 2]
                                 [--filters 'view=PA;site=A'] [--ingest | --ingest-alone [--keep]] [--json]
               hilum-bench serve --archive ARCHIVE --recall [--questions 100] [--ef 64,128]
               hilum-bench serve --socket SOCKET --requests FILE [--name NAME] [--clients 1,8,64] [--seconds 2] [--json]
        Searches by id, by vector and by text, with conditions and without; COUNT, FACET and STATS; picked hits and pages. The requests
        are drawn from ARCHIVE, whose rate in this process stands beside that of the socket. Without --socket, 'hilum' beside this program
        serves the archive meanwhile. Prints a table and a JSON line for each figure that has a target; ends with 1 if one does not hold.
        --filters   conditions, separated by semicolons; standard: the most frequent view
        --ingest    also searches while new cases are stored at full rate, which are deleted again; serve a copy of an archive you need
        --ingest-alone  searches before new cases are stored and beside that, and nothing else
        --keep      leaves those cases in the archive, as deleting them takes longer
        --recall    prints what searches under filters of all widths find of the exact answer, and what they cost, in this process alone;
                    asks so many questions of each kind: stored cases, points between two cases, sentences
        --requests  asks the lines of FILE, which must be requests without octets, and prints the table alone
        --json      prints the rows of the table as JSON

        """

    private static let filterTarget = 1.3
    private static let rateTarget = 0.8
    private static let countTarget = 0.1
    private static let statsTarget = 2.0
    private static let selectionTarget = 50.0
    private static let ingestTarget = 5.0
    private static let recallTarget = 0.95
    private static let besideIngest = ", beside ingest"
    private static let warmingInSeconds = 0.5
    /// The number of clients whose rate is held against that of the archive in process.
    private static let comparedClients = 8

    private let options: BenchOptions
    private let clients: [Int]
    private let seconds: Double
    private let rounds: Int
    private var rows: [Row] = []
    private var holds = true

    /// A row of the table.
    private struct Row {
        let name: String
        let clients: Int
        var latencies: Latencies
        var isInProcess = false
    }

    init(_ arguments: [String]) throws {
        options = try BenchOptions(
            arguments,
            values: [
                "archive", "socket", "clients", "seconds", "rounds", "filters", "requests", "name", "questions", "ef",
            ],
            flags: ["ingest", "ingest-alone", "json", "keep", "recall"])
        clients = (options.text("clients") ?? "1,8,64").split(separator: ",").compactMap { Int($0) }
        guard !clients.isEmpty, clients.allSatisfy({ (1...1024).contains($0) }) else {
            throw BenchError("--clients takes numbers from 1 to 1024, such as 1,8,64")
        }
        seconds = try options.number("seconds", 2)
        rounds = try options.count("rounds", 2)
    }

    /// - Returns: whether every figure holds.
    mutating func run() throws -> Bool {
        if let file = options.text("requests") {
            guard let socket = options.text("socket") else { throw BenchError("--requests needs --socket") }
            let lines = try FileIO.read(file).split(separator: 10).map { Array($0) + [10] }
            guard !lines.isEmpty else { throw BenchError("\(file): there is no request in it") }
            for count in clients {
                try note(
                    options.text("name") ?? "requests", count,
                    ServiceLoad(socket: socket).run(lines, clients: count, seconds: seconds))
            }
            printRows()
            return true
        }
        guard let path = options.text("archive") else { throw BenchError("--archive is missing") }
        if options.has("recall") {
            try measureRecall(path)
            return holds
        }
        let daemon = options.text("socket") == nil ? try BenchDaemon(archive: path) : nil
        defer { daemon?.stop() }
        guard let socket = options.text("socket") ?? daemon?.socket else { throw BenchError("there is no socket") }
        let model = try Archive.modelDirectory(of: path).map { try MCRModel(directory: $0) }
        let archive = try Archive(path: path, mode: .readOnly, embedder: model)
        defer { archive.close() }
        let mix = try RequestMix(archive, filters: options.text("filters"), seed: 7)
        if !options.has("ingest-alone") { try measure(mix, archive, ServiceLoad(socket: socket)) }
        if options.has("ingest") || options.has("ingest-alone") { try measureIngest(mix, socket) }
        printRows()
        let cores = ProcessInfo.processInfo.activeProcessorCount
        let cases = try archive.stats().cases
        let dimension = archive.dimension ?? 0
        print("\(cases) cases, \(dimension) numbers a vector, \(cores) cores for daemon and clients together")
        if let daemon { print("the daemon held at most \(daemon.peakByteCount >> 20) MiB") }
        judge()
        return holds
    }

    // MARK: Measuring

    private mutating func measureRecall(_ path: String) throws {
        let model = try Archive.modelDirectory(of: path).map { try MCRModel(directory: $0) }
        let archive = try Archive(path: path, mode: .readOnly, embedder: model)
        defer { archive.close() }
        let mix = try RequestMix(archive, filters: options.text("filters"), seed: 7)
        let table = try RecallTable(
            archive, questionCount: try options.count("questions", 100), sentences: mix.sentences, seed: 9)
        let widths = options.text("ef")?.split(separator: ",").map { Int($0) } ?? [nil]
        for ef in widths {
            let rows = try table.rows(ef: ef)
            print("\nef \(ef.map { "\($0)" } ?? "as the archive chooses")")
            print(
                "condition                      share   cases  between  sentences  recall@10  visited  p50 us  / none")
            for row in rows {
                let figures = String(
                    format: "%9.4f %7.4f %8.4f %10.4f %10.4f %8.0f %7.0f %7.2f", row.share, row.recalls[0],
                    row.recalls[1], row.recalls[2], row.recalls[3], row.visited, row.microseconds,
                    row.microseconds / rows[0].microseconds)
                print(row.filter.padding(toLength: max(27, row.filter.count), withPad: " ", startingAt: 0) + figures)
            }
            guard ef == nil else { continue }
            for row in rows {
                for kind in RecallTable.askedKinds where row.recalls[kind].isFinite {
                    figure(
                        "\(row.filter), \(RecallTable.kinds[kind]): recall@10, equal scores counted", row.recalls[kind],
                        atLeast: Self.recallTarget)
                }
            }
        }
    }

    private mutating func measure(_ mix: RequestMix, _ archive: Archive, _ load: ServiceLoad) throws {
        let searches = try mix.searches()
        let client = try Client(socketPath: load.socket)
        let selections = try mix.selections { line in try client.request(line).status.fields }
        let counts = mix.counts()
        let ping = RequestMix.Kind("PING", ["PING"])
        // What the first of each reads stays in memory.
        _ = try load.inTurns((searches + selections + counts).map(\.lines), seconds: 0.01)
        for round in 0..<rounds {
            // Questions with words read megabytes, which would leave cold caches to those that are asked after them.
            let groups = [[ping] + searches.filter { !$0.hasWords }, searches.filter(\.hasWords), selections, counts]
            for group in groups where !group.isEmpty {
                for (kind, latencies) in zip(group, try load.inTurns(group.map(\.lines), seconds: seconds)) {
                    try note(kind.name, 1, latencies)
                }
            }
            for count in clients where count > 1 {
                for kind in [ping] + searches {
                    if count == Self.comparedClients, !kind.searches.isEmpty {
                        rows.append(
                            Row(
                                name: kind.name, clients: count,
                                latencies: try Self.inProcess(archive, kind.searches, count, seconds / 2, round),
                                isInProcess: true))
                    }
                    try note(kind.name, count, try load.run(kind.lines, clients: count, seconds: seconds / 2))
                }
            }
        }
    }

    /// The same searches by threads of this process.
    private static func inProcess(
        _ archive: Archive, _ searches: [SearchRequest], _ threads: Int, _ seconds: Double, _ round: Int
    ) throws -> Latencies {
        let begin = monotonicSeconds() + 0.02
        let parts = BenchThreads.map(threads) { number in
            Result {
                var latencies = Latencies()
                Thread.sleep(forTimeInterval: max(0, begin - monotonicSeconds()))
                var place = number * 7919 + round
                let first = monotonicSeconds()
                var start = first
                while start < first + seconds {
                    _ = try archive.search(searches[place % searches.count])
                    place += 1
                    let now = monotonicSeconds()
                    latencies.add(now - start)
                    start = now
                }
                latencies.seconds = start - first
                return latencies
            }
        }
        var all = Latencies()
        for part in parts { all.add(try part.get(), isBeside: true) }
        all.sort()
        return all
    }

    private mutating func measureIngest(_ mix: RequestMix, _ socket: String) throws {
        guard mix.hasTexts else { throw BenchError("--ingest needs an archive with reports") }
        let kinds = try mix.searches().prefix(2)
        let load = ServiceLoad(socket: socket)
        let ingest = IngestLoad(socket: socket, lines: mix.puts(400_000))
        let (socketSeconds, counts) = (seconds, clients.filter { $0 <= Self.comparedClients })
        let lines = kinds.map { ($0.name, $0.lines) }
        if options.has("ingest-alone") {
            for (name, lines) in lines {
                for count in counts { try note(name, count, load.run(lines, clients: count, seconds: socketSeconds)) }
            }
        }
        // The first thread stores while the second asks.
        let outcomes = BenchThreads.map(2) { number -> Result<[(String, Int, Latencies)], any Error> in
            Result {
                if number == 0 {
                    try ingest.run()
                    return []
                }
                defer { ingest.stop() }
                // What comes first finds the daemon's memory cold.
                Thread.sleep(forTimeInterval: Self.warmingInSeconds)
                print("stored cases a second, alone: \(Int(ingest.rate(forSeconds: socketSeconds)))")
                var measured: [(String, Int, Latencies)] = []
                for (name, lines) in lines {
                    for count in counts {
                        let (began, before) = (monotonicSeconds(), ingest.storedCount)
                        let found = try load.run(lines, clients: count, seconds: 2 * socketSeconds)
                        let rate = Double(ingest.storedCount - before) / (monotonicSeconds() - began)
                        print("stored cases a second beside \(name), \(count) clients: \(Int(rate))")
                        measured.append((name + Self.besideIngest, count, found))
                    }
                }
                return measured
            }
        }
        for (name, count, latencies) in try outcomes.flatMap({ try $0.get() }) { try note(name, count, latencies) }
        if !options.has("keep") { try ingest.clean() }
    }

    private mutating func note(_ name: String, _ clients: Int, _ latencies: Latencies) throws {
        if let refusal = latencies.refusal {
            throw BenchError("\(latencies.refusedCount) requests (\(name)) were refused: \(refusal)")
        }
        rows.append(Row(name: name, clients: clients, latencies: latencies))
    }

    // MARK: Telling

    /// The rows of one name, all rounds together.
    private func row(_ name: String, _ clients: Int, isInProcess: Bool = false) -> Latencies? {
        let those = rows.filter { $0.name == name && $0.clients == clients && $0.isInProcess == isInProcess }
        guard !those.isEmpty else { return nil }
        var all = Latencies()
        for row in those { all.add(row.latencies, isBeside: false) }
        all.sort()
        return all
    }

    private func printRows() {
        if !options.has("json") {
            print("request                          clients  requests/s    p50 ms    p99 ms  p99.9 ms  own p50 us")
        }
        var seen: Set<String> = []
        for row in rows where seen.insert("\(row.name) \(row.clients) \(row.isInProcess)").inserted {
            guard let all = self.row(row.name, row.clients, isInProcess: row.isInProcess) else { continue }
            let name = row.isInProcess ? "\(row.name), in process" : row.name
            if options.has("json") {
                var fields: [String: AnnBench.Value] = [
                    "row": .text(name), "clients": .integer(row.clients), "rate": .number(all.rate),
                    "p50_ms": .number(all.milliseconds(at: 0.5)), "p99_ms": .number(all.milliseconds(at: 0.99)),
                    "p999_ms": .number(all.milliseconds(at: 0.999)), "requests": .integer(all.values.count),
                ]
                if !all.own.isEmpty { fields["own_p50_us"] = .number(all.ownMicroseconds(at: 0.5)) }
                print(AnnBench.line(fields))
                continue
            }
            let figures = String(
                format: "%7d %11.0f %9.3f %9.3f %9.3f", row.clients, all.rate, all.milliseconds(at: 0.5),
                all.milliseconds(at: 0.99), all.milliseconds(at: 0.999))
            let own = all.own.isEmpty ? "" : String(format: "%12.0f", all.ownMicroseconds(at: 0.5))
            print(name.padding(toLength: max(33, name.count), withPad: " ", startingAt: 0) + figures + own)
        }
    }

    private mutating func judge() {
        let names = Array(Set(rows.map(\.name))).sorted()
        for name in names {
            guard let here = row(name, Self.comparedClients),
                let inside = row(name, Self.comparedClients, isInProcess: true)
            else { continue }
            figure(
                "\(name): rate at \(Self.comparedClients) clients / in-process rate", here.rate / inside.rate,
                atLeast: Self.rateTarget)
        }
        for kind in ["id", "text"] {
            guard let plain = row(kind, 1) else { continue }
            for name in names where name.hasPrefix("\(kind), ") {
                guard let other = row(name, 1) else { continue }
                if name.hasSuffix(Self.besideIngest) { continue }
                let isPicked = ["mmr=", "dedup=", "group=", "first page", "next page"].contains { name.contains($0) }
                if isPicked {
                    figure("\(name): p99, ms", other.milliseconds(at: 0.99), atMost: Self.selectionTarget)
                } else {
                    figure(
                        "\(name): latency / without the condition (the daemon's own time, in turns)",
                        other.ownMicroseconds(at: 0.5) / plain.ownMicroseconds(at: 0.5), atMost: Self.filterTarget)
                }
            }
        }
        for name in names where name.hasPrefix("COUNT") || name.hasPrefix("FACET") {
            guard let found = row(name, 1) else { continue }
            figure("\(name): p50, ms", found.milliseconds(at: 0.5), atMost: Self.countTarget)
        }
        if let found = row("STATS", 1) {
            figure("STATS: p50, ms", found.milliseconds(at: 0.5), atMost: Self.statsTarget)
        }
        for name in names where name.hasSuffix(Self.besideIngest) {
            for count in clients {
                guard let found = row(name, count) else { continue }
                figure("\(name), \(count) clients: p99, ms", found.milliseconds(at: 0.99), atMost: Self.ingestTarget)
            }
        }
    }

    private mutating func figure(_ name: String, _ value: Double, atMost target: Double) {
        figure(name, value, target, value <= target)
    }

    private mutating func figure(_ name: String, _ value: Double, atLeast target: Double) {
        figure(name, value, target, value >= target)
    }

    private mutating func figure(_ name: String, _ value: Double, _ target: Double, _ isHeld: Bool) {
        print(
            AnnBench.line([
                "figure": .text(name), "value": .number(value), "target": .number(target), "holds": .flag(isHeld),
            ]))
        holds = holds && isHeld
    }
}
