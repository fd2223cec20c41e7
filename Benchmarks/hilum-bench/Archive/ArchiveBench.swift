import Foundation
import HilumArchive
import HilumCore
import HilumIndex
import HilumMCR
import HilumPhantom
import HilumServer

/// Measures what opening an archive costs, as its users open it: until the first answer, warm and cold, in memory, and for `hilum stats`
/// and STATS; beside how long faiss takes to read an index of 8-bit codes of the same vectors.
///
/// A process that asks once (`hilum search`) compares codes as it reads them; a daemon keeps codes and links in memory. Both are measured.
///
/// Archives are made once in the folder of `--work` and found there again. Each measurement is a process of its own.
struct ArchiveBench {
    static let usage = """
        usage: hilum-bench archive --work DIR [--counts 20000,200000] [--vectors 1000000] [--rounds 5] [--python PYTHON]
        Makes archives of drawn reports (the built-in model) and a store of vectors alone (128 numbers each), unless DIR has
        them, and prints one line a figure; ends with 1 if one does not hold. 'hilum' must lie beside this program.
        --vectors  of the store of vectors alone; 0: none
        --python   a Python with faiss (PyPI: faiss-cpu), for the cold comparison; without it that figure is left out

        """

    private static let dimension = 128
    private static let warmTarget = 60.0
    private static let statsTarget = 10.0
    private static let statusTarget = 2.0

    private let options: BenchOptions
    private var holds = true

    init(_ arguments: [String]) throws {
        options = try BenchOptions(
            arguments, values: ["work", "counts", "vectors", "rounds", "python", "open", "dimension", "cases", "kept"],
            flags: [])
    }

    /// - Returns: whether every figure holds.
    mutating func run() throws -> Bool {
        if let path = options.text("open") {
            try open(path)
            return true
        }
        guard let work = options.text("work") else { throw BenchError("--work is missing") }
        try FileIO.makeFolder(work)
        for count in (options.text("counts") ?? "20000,200000").split(separator: ",").compactMap({ Int($0) }) {
            let path = "\(work)/reports-\(count)"
            if access(path + "/done", F_OK) != 0 { try makeArchive(path, count) }
            try measure(path, "\(count) reports", hasCases: true)
        }
        let vectors = options.text("vectors").map { Int($0) ?? -1 } ?? 1_000_000
        guard vectors >= 0 else { throw BenchError("--vectors needs a number from 0 on") }
        if vectors > 0 {
            let path = "\(work)/vectors-\(vectors)"
            if access(path + "/done", F_OK) != 0 { try makeVectors(path, vectors) }
            try measure(path, "\(vectors) vectors", hasCases: false)
        }
        return holds
    }

    private static func dimension(ofArchive path: String) throws -> Int {
        var options = Archive.Options()
        options.keepsGraphs = false
        let archive = try Archive(path: path, mode: .readOnly, options: options)
        defer { archive.close() }
        guard let dimension = archive.dimension else { throw BenchError("\(path): the archive has no vectors") }
        return dimension
    }

    // MARK: Making

    private func makeArchive(_ path: String, _ count: Int) throws {
        try? FileManager.default.removeItem(atPath: path)
        let model = try MCRModel(directory: MCRModel.builtInDirectory())
        try Archive.create(at: path, modelDirectory: MCRModel.builtInDirectory())
        let archive = try Archive(path: path, mode: .readWrite, embedder: model)
        defer { archive.close() }
        let generators = PhantomSite.allCases.map { PhantomGenerator(seed: 401, site: $0, side: 64) }
        let progress = HilumCore.Progress("archive", total: count, unit: "reports")
        let step = 2048
        for first in stride(from: 0, to: count, by: step) {
            let range = first..<min(first + step, count)
            let inputs = IndexBench.map(Array(range), defaultThreadCount) { index in
                let drawn = generators[index % generators.count].makeCase(index / generators.count)
                return CaseInput(
                    id: drawn.id, report: drawn.report,
                    fields: CaseFields(
                        patient: drawn.patient, view: drawn.view, date: drawn.date, site: drawn.site.rawValue,
                        findings: drawn.labels))
            }
            try archive.put(inputs)
            progress.advance(by: range.count)
        }
        progress.finish()
        archive.close()
        try FileIO.writeAtomically(path + "/done", [])
    }

    private func makeVectors(_ path: String, _ count: Int) throws {
        let made = TemplatedVectors.make(count: count, dimension: Self.dimension, seed: 402)
        let index = try HNSWIndex(
            dimension: Self.dimension, metric: .cosine, precision: .i8,
            quantizer: made.values.withUnsafeBufferPointer {
                ScalarQuantizer(fitting: $0, dimension: Self.dimension, reach: 1.5, allowsExact: false)
            })
        let progress = HilumCore.Progress("vectors", total: count, unit: "vectors")
        for first in stride(from: 0, to: count, by: 50_000) {
            let rows = first..<min(first + 50_000, count)
            try made.values.withUnsafeBufferPointer { all in
                try index.insertBatch(
                    UnsafeBufferPointer(
                        rebasing: all[(rows.lowerBound * Self.dimension)..<(rows.upperBound * Self.dimension)]),
                    items: rows.map { UInt32($0) })
            }
            progress.advance(by: rows.count)
        }
        progress.finish()
        try BenchStore.save(index, made, to: path)
        try FileIO.writeAtomically(path + "/done", [])
    }

    // MARK: Measuring

    private mutating func measure(_ path: String, _ name: String, hasCases: Bool) throws {
        let rounds = try options.count("rounds", 5)
        let program = CommandLine.arguments[0]
        let dimension = try hasCases ? Self.dimension(ofArchive: path) : Self.dimension
        func opened(isKept: Bool, isCold: Bool) throws -> Opened {
            if isCold { try Self.evict(path) }
            let arguments = [
                "archive", "--open", path, "--dimension", "\(dimension)", "--cases", hasCases ? "yes" : "no",
                "--kept", isKept ? "yes" : "no",
            ]
            var line = ""
            let wall = try Self.milliseconds { line = try Self.output(of: program, arguments) }
            var opened = try Opened(parsing: line.utf8)
            opened.processMilliseconds = wall
            return opened
        }
        func median(_ values: [Double]) -> Double { values.sorted()[values.count / 2] }
        _ = try opened(isKept: true, isCold: false)
        // In turns, so that both meet the same neighbours.
        var once: [Opened] = []
        var kept: [Opened] = []
        for _ in 0..<rounds {
            once.append(try opened(isKept: false, isCold: false))
            kept.append(try opened(isKept: true, isCold: false))
        }
        let codes = Double(kept[0].codeBytes) / 1e6
        let links = Double(kept[0].linkBytes) / 1e6
        let base = Double(once[0].baseBytes) / 1e6
        let peakTarget = 1.3 * codes + links + 20
        let sizes = "codes \(Self.text(codes)), links \(Self.text(links)), program alone \(Self.text(base)) MB"
        func peak(_ all: [Opened]) -> Double { Double(all.map(\.peakBytes).max() ?? 0) / 1e6 }
        figure("\(name): asked once, warm, ms", median(once.map(\.milliseconds)), atMost: Self.warmTarget)
        figure("\(name): asked once, peak memory, MB (\(sizes))", peak(once), atMost: peakTarget)
        let python = options.text("python")
        if let python { try makeFaissIndex(python, path, dimension, hasCases: hasCases) }
        var cold: [(once: Double, kept: Double)] = []
        var faiss: [Double] = []
        for _ in 0..<rounds {
            let once = try opened(isKept: false, isCold: true).milliseconds
            if let python { faiss.append(try Self.coldFaiss(python, path)) }
            cold.append((once, try opened(isKept: true, isCold: true).milliseconds))
        }
        figure("\(name): asked once, cold, ms", median(cold.map(\.once)), atMost: python == nil ? nil : median(faiss))
        figure("\(name): graphs kept in memory, warm, ms", median(kept.map(\.milliseconds)), atMost: Self.warmTarget)
        figure("\(name): graphs kept in memory, peak memory, MB", peak(kept), atMost: nil)
        figure("\(name): graphs kept in memory, cold, ms", median(cold.map(\.kept)), atMost: nil)
        guard hasCases else { return }
        let hilum = FilePath.sibling(of: program, named: "hilum")
        let stats = try (0..<rounds).map { _ in
            try Self.milliseconds { _ = try Self.output(of: hilum, ["stats", path]) }
        }
        // Both are processes from their start to their end.
        let process = median(once.map(\.processMilliseconds))
        figure("\(name): a process that asks once, ms", process, atMost: nil)
        figure("\(name): hilum stats, ms", stats.sorted()[rounds / 2], atMost: process + Self.statsTarget)
        let search = try (0..<rounds).map { _ in
            try Self.milliseconds {
                _ = try Self.output(of: hilum, ["search", path, "--text", "left pleural effusion", "--json"])
            }
        }
        figure("\(name): hilum search, ms", search.sorted()[rounds / 2], atMost: nil)
        figure("\(name): STATS, ms", try status(hilum, path), atMost: Self.statusTarget)
    }

    /// What the process of one opening prints.
    fileprivate struct Opened {
        var milliseconds: Double
        /// Of the process, and of it before it opened anything.
        var peakBytes: Int
        var baseBytes = 0
        /// From start to end of the process; set by whoever started it.
        var processMilliseconds = 0.0
        var codeBytes: Int
        var linkBytes: Int
    }

    private func open(_ path: String) throws {
        let dimension = try options.count("dimension", Self.dimension)
        let query = TemplatedVectors.make(count: 1, dimension: dimension, seed: 403).values
        let base = 1024 * AnnBench.status("VmHWM")
        let start = monotonicSeconds()
        let isKept = options.text("kept") == "yes"
        var opened: Opened
        if options.text("cases") == "yes" {
            var options = Archive.Options()
            options.keepsGraphs = isKept
            let archive = try Archive(path: path, mode: .readOnly, options: options)
            var request = SearchRequest(.vector(query))
            request.target = .report
            guard try archive.search(request).hits.count == 10 else { throw BenchError("not ten hits") }
            opened = Opened(milliseconds: 1000 * (monotonicSeconds() - start), peakBytes: 0, codeBytes: 0, linkBytes: 0)
            (opened.codeBytes, opened.linkBytes) = archive.codeAndLinkByteCounts
        } else if !isKept {
            guard try BenchStore.ask(path, query, metric: .cosine, k: 10).count == 10 else {
                throw BenchError("not ten hits")
            }
            opened = Opened(milliseconds: 1000 * (monotonicSeconds() - start), peakBytes: 0, codeBytes: 0, linkBytes: 0)
        } else {
            let store = try BenchStore(path, dimension: Self.dimension, metric: .cosine, precision: .i8)
            let found = try query.withUnsafeBufferPointer { try store.search($0, k: 10, ef: 64) }
            guard found.hits.count == 10 else { throw BenchError("not ten hits") }
            opened = Opened(milliseconds: 1000 * (monotonicSeconds() - start), peakBytes: 0, codeBytes: 0, linkBytes: 0)
            (opened.codeBytes, opened.linkBytes) = store.codeAndLinkByteCounts
        }
        opened.peakBytes = 1024 * AnnBench.status("VmHWM")
        opened.baseBytes = base
        print(opened.json.text)
    }

    /// The median of STATS on a connection that is open already.
    private func status(_ hilum: String, _ path: String) throws -> Double {
        let socket = NSTemporaryDirectory() + "hilum-bench-\(getpid()).sock"
        let daemon = Process()
        daemon.executableURL = URL(fileURLWithPath: hilum)
        daemon.arguments = ["serve", path, "--socket", socket]
        daemon.standardError = FileHandle.nullDevice
        try daemon.run()
        defer {
            daemon.terminate()
            daemon.waitUntilExit()
        }
        let end = monotonicSeconds() + 60
        while monotonicSeconds() < end {
            guard let client = try? Client(socketPath: socket) else {
                usleep(20_000)
                continue
            }
            _ = try client.request("STATS")
            let times = try (0..<21).map { _ in try Self.milliseconds { _ = try client.request("STATS") } }
            return times.sorted()[10]
        }
        throw BenchError("the daemon did not start within a minute")
    }

    // MARK: faiss

    /// An index of 8-bit codes of the same vectors beside the archive, unless it is there.
    private func makeFaissIndex(_ python: String, _ path: String, _ dimension: Int, hasCases: Bool) throws {
        let index = path + "/faiss.index"
        guard access(index, F_OK) != 0 else { return }
        let vectors = path + "/vectors.f32"
        try writeVectors(path, hasCases: hasCases, to: vectors)
        defer { unlink(vectors) }
        let script = """
            import faiss, numpy
            vectors = numpy.fromfile("\(vectors)", dtype=numpy.float32).reshape(-1, \(dimension))
            index = faiss.IndexHNSWSQ(\(dimension), faiss.ScalarQuantizer.QT_8bit, 16)
            index.hnsw.efConstruction = 40
            index.train(vectors); index.add(vectors); faiss.write_index(index, "\(index)")
            """
        _ = try Self.output(of: python, ["-c", script])
    }

    /// How long faiss takes to read that index from the disk, in milliseconds.
    private static func coldFaiss(_ python: String, _ path: String) throws -> Double {
        let script = """
            import faiss, numpy, time
            start = time.perf_counter()
            index = faiss.read_index("\(path)/faiss.index")
            print(1000 * (time.perf_counter() - start))
            """
        try evict(path)
        let text = try output(of: python, ["-c", script]).trimmingCharacters(in: .whitespacesAndNewlines)
        guard let value = Double(text) else { throw BenchError("faiss gave no time") }
        return value
    }

    private func writeVectors(_ path: String, hasCases: Bool, to file: String) throws {
        var values: [Float] = []
        if hasCases {
            let archive = try Archive(path: path, mode: .readOnly)
            defer { archive.close() }
            try archive.forEachVector(.report) { _, vector in
                values += vector
                return true
            }
        } else {
            let store = try BenchStore(path, dimension: Self.dimension, metric: .cosine, precision: .i8)
            try store.forEachVector { values += $0 }
            store.close()
        }
        try values.withUnsafeBytes { Data($0) }.write(to: URL(fileURLWithPath: file))
    }

    // MARK: Tools

    private mutating func figure(_ name: String, _ value: Double, atMost target: Double?) {
        var fields: [String: AnnBench.Value] = ["figure": .text(name), "value": .number(value)]
        if let target {
            fields["target"] = .number(target)
            fields["holds"] = .flag(value <= target)
            holds = holds && value <= target
        }
        print(AnnBench.line(fields))
    }

    private static func text(_ value: Double) -> String { String(format: "%.1f", value) }

    private static func milliseconds(_ body: () throws -> Void) rethrows -> Double {
        let start = monotonicSeconds()
        try body()
        return 1000 * (monotonicSeconds() - start)
    }

    /// Takes the files of a folder out of the system's cache.
    private static func evict(_ path: String) throws {
        for name in try FileManager.default.contentsOfDirectory(atPath: path) {
            let descriptor = Foundation.open("\(path)/\(name)", O_RDONLY)
            guard descriptor >= 0 else { continue }
            fdatasync(descriptor)
            posix_fadvise(descriptor, 0, 0, Int32(POSIX_FADV_DONTNEED))
            Foundation.close(descriptor)
        }
    }

    /// What a program prints. By `popen`: Foundation's `Process` takes up to 50 ms to notice that a child has ended.
    private static func output(of program: String, _ arguments: [String]) throws -> String {
        let words = ([program] + arguments).map { "'" + $0.replacing("'", with: "'\\''") + "'" }
        guard let pipe = popen("exec " + words.joined(separator: " ") + " 2>/dev/null", "r") else {
            throw BenchError("\(program) cannot be started")
        }
        var bytes: [UInt8] = []
        var part = [UInt8](repeating: 0, count: 4096)
        while case let count = fread(&part, 1, part.count, pipe), count > 0 { bytes += part[..<count] }
        guard pclose(pipe) == 0 else {
            throw BenchError("\(FilePath.name(of: program)) \(arguments.first ?? "") failed")
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}

extension ArchiveBench.Opened: JSONReadable, JSONWritable {
    init(json: JSON) throws(JSON.Mismatch) {
        self.init(
            milliseconds: try json.member("milliseconds"), peakBytes: try json.member("peakBytes"),
            baseBytes: try json.member("baseBytes"), processMilliseconds: try json.member("processMilliseconds"),
            codeBytes: try json.member("codeBytes"), linkBytes: try json.member("linkBytes"))
    }

    var json: JSON {
        JSON(members: [
            "milliseconds": milliseconds, "peakBytes": peakBytes, "baseBytes": baseBytes,
            "processMilliseconds": processMilliseconds, "codeBytes": codeBytes, "linkBytes": linkBytes,
        ])
    }
}
