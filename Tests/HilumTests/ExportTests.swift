import Foundation
import HilumArchive
import HilumCore
import Testing

@testable import hilum

@Suite("hilum export")
struct ExportTests {
    /// The floats of a .npy file of version 1.0.
    private func numpy(_ path: String) throws -> (shape: [Int], values: [Float]) {
        let bytes = try FileIO.read(path)
        try #require(bytes.count > 10 && bytes[0] == 0x93 && bytes[6] == 1)
        let headCount = Int(bytes[8]) | Int(bytes[9]) << 8
        let head = String(decoding: bytes[10..<(10 + headCount)], as: UTF8.self)
        #expect((10 + headCount) % 64 == 0 && head.contains("'<f4'") && head.contains("'fortran_order': False"))
        let shape = try #require(head.firstMatch(of: /\'shape\': \(([0-9]+), ([0-9]+)\)/))
        return (
            [Int(shape.output.1) ?? -1, Int(shape.output.2) ?? -1], floats(Array(bytes[(10 + headCount)...]))
        )
    }

    private func floats(_ bytes: [UInt8]) -> [Float] {
        stride(from: 0, to: bytes.count - 3, by: 4).map { place in
            Float(bitPattern: (0..<4).reduce(UInt32(0)) { $0 | UInt32(bytes[place + $1]) << UInt32(8 * $1) })
        }
    }

    @Test("Each row is the vector of the case that its line names, and a search by it finds the case")
    func rows() throws {
        let world = try World.shared()
        let scratch = try Scratch()
        let archive = try world.archive(in: scratch, indexed: true)
        let out = scratch.path("out")
        let done = try Program.run(["export", archive, out, "--json", "-q"])
        try #require(done.status == 0, "\(done.errors)")
        let summary = try done.object()
        for (name, kind) in [("images", "image"), ("reports", "report")] {
            let lines = try String(contentsOfFile: "\(out)/\(name).jsonl", encoding: .utf8).split(separator: "\n")
            let (shape, values) = try numpy("\(out)/\(name).npy")
            #expect(shape == [lines.count, summary["dimension"] as? Int ?? -1] && !lines.isEmpty)
            #expect(summary[name] as? Int == lines.count && values.count == shape[0] * shape[1])
            for row in [0, lines.count - 1] {
                let line = try JSON(parsing: String(lines[row]))
                let id = try #require(line["id"]?.string)
                #expect(line["row"]?.integer == row && line["kind"]?.string == kind)
                let stored = try Program.run(["search", archive, "--id", id, "--target", kind, "-k", "1", "--json"])
                #expect(try stored.objects().first?["id"] as? String == id)
                let vector = values[(row * shape[1])..<((row + 1) * shape[1])]
                #expect(abs(vector.reduce(0) { $0 + $1 * $1 } - 1) < 1e-4, "a unit vector")
            }
        }
        let fvecs = scratch.path("fvecs")
        #expect(try Program.run(["export", archive, fvecs, "--format", "fvecs", "-q"]).status == 0)
        let (shape, values) = try numpy(out + "/images.npy")
        let bytes = try FileIO.read(fvecs + "/images.fvecs")
        #expect(bytes.count == shape[0] * 4 * (shape[1] + 1))
        #expect(floats(Array(bytes[4..<(4 + 4 * shape[1])])) == Array(values[..<shape[1]]))
    }

    @Test("All files are of one moment, also where cases go while they are written", arguments: ["npy", "clip"])
    func oneMoment(format: String) throws {
        let world = try World.shared()
        let scratch = try Scratch()
        let place = try world.archive(in: scratch, indexed: true)
        let archive = try Archive(path: place, mode: .readOnly)
        defer { archive.close() }
        let stats = try archive.stats()
        var ids: [String] = []
        try archive.forEachVector(.report) { id, _ in
            ids.append(id)
            return true
        }
        let removed = [ids[0], ids[ids.count / 2]]
        var files: [[String: [UInt8]]] = []
        for isChanged in [false, true] {
            let out = scratch.path(isChanged ? "changed" : "plain")
            try FileManager.default.createDirectory(atPath: out, withIntermediateDirectories: true)
            var export = VectorExport(folder: out, format: try #require(.init(rawValue: format)))
            export.extras.hasReport = true
            var written: [String] = []
            var statuses: [Int32] = []
            export.onFile = { file in
                written.append(file)
                guard isChanged, written.count == 1 else { return }
                statuses = removed.map { (try? Program.run(["delete", place, $0]).status) ?? -1 }
            }
            let rows = try export.write(
                archive, model: stats.model, columns: stats.dimension,
                HilumCore.Progress("export", total: 1, unit: "vectors", quiet: true))
            #expect(format != "clip" || rows[0].count == rows[1].count)
            #expect(statuses == (isChanged ? [0, 0] : []) && written.count >= 3)
            files.append(
                Dictionary(
                    uniqueKeysWithValues: try written.map { (String($0.dropFirst(out.count)), try FileIO.read($0)) }))
        }
        #expect(files[0] == files[1])
    }

    @Test("What is exported is for its owner alone", arguments: ["npy", "clip"], [true, false])
    func rights(format: String, withReports: Bool) throws {
        let world = try World.shared()
        let scratch = try Scratch()
        let archive = try world.archive(in: scratch, indexed: true)
        let out = scratch.path("out")
        let with = withReports ? ["--with", "fields,report"] : []
        #expect(try Program.run(["export", archive, out, "--format", format, "-q"] + with).status == 0)
        let names = try FileManager.default.subpathsOfDirectory(atPath: out) + [""]
        #expect(names.count >= 4)
        for name in names {
            var status = stat()
            try #require(stat("\(out)/\(name)", &status) == 0)
            let isFolder = status.st_mode & S_IFMT == S_IFDIR
            #expect(status.st_mode & 0o777 == (isFolder ? 0o700 : 0o600), "\(name)")
        }
    }

    @Test(
        "Lines of embedded rows that bring reports or fields are for their owner alone",
        arguments: ["report", "fields", ""])
    func rightsOfParts(with: String) throws {
        let scratch = try Scratch()
        let rows = try scratch.write("cases.jsonl", #"{"id": "a", "report": "Small effusion."}"# + "\n")
        let extras = with.isEmpty ? [] : ["--with", with]
        let done = try Program.run(["embed", "--manifest", rows, "--out", scratch.path("v.npy"), "-q"] + extras)
        #expect(done.status == 0, "\(done.errors)")
        // Vectors of reports are as secret as these.
        for name in ["v.jsonl", "v.npy"] {
            var status = stat()
            try #require(stat(scratch.path(name), &status) == 0)
            #expect(status.st_mode & 0o077 == (with.isEmpty ? 0o044 : 0), "\(name)")
        }
        let lines = try String(contentsOfFile: scratch.path("v.jsonl"), encoding: .utf8)
        #expect(lines.contains("Small effusion.") == (with == "report"))
    }

    @Test("Cases that no vector stands for go along, and lines that are settled change no date and no word again")
    func settled() throws {
        let scratch = try Scratch()
        let rows = [
            #"{"id":"a","patient":"p1","date":"2026-03-04","report":"Left effusion. MRN 00482917."}"#,
            #"{"id":"b","patient":"p1","date":"2026-03-09","view":"PA","report":"quux zyzzy"}"#,
        ]
        let manifest = try scratch.write("cases.jsonl", rows.joined(separator: "\n") + "\n")
        func made(_ name: String) throws -> String {
            let path = scratch.path(name)
            #expect(try Program.run(["init", path, "--dates", "shift"]).status == 0)
            if name != "first" {
                try FileManager.default.copyItem(atPath: scratch.path("first/log.key"), toPath: path + "/log.key")
            }
            return path
        }
        func lines(_ archive: String) throws -> [String] {
            let out = archive + ".out"
            let done = try Program.run(["export", archive, out, "--with", "fields,report", "--settled", "--json", "-q"])
            #expect(try done.object()["without_vectors"] as? Int == 1, "\(done.errors)")
            return try ["reports.jsonl", "without-vectors.jsonl"].flatMap { name in
                try String(contentsOfFile: "\(out)/\(name)", encoding: .utf8).split(separator: "\n").map {
                    String($0.replacing(/,"seal":.*/, with: ""))
                }
            }
        }
        let first = try made("first")
        #expect(try Program.run(["index", first, manifest, "-q"]).status == 0)
        let wanted = try lines(first)
        #expect(wanted.count == 2 && wanted[1].contains("quux zyzzy") && !wanted.joined().contains("00482917"))
        #expect(!wanted.joined().contains("2026-03-04"), "\(wanted)")
        let (second, third) = try (made("second"), made("third"))
        for _ in 0..<2 {
            let done = try Program.run([
                "import", second, first + ".out", "--settled", first + "/log.key", "--json", "-q",
            ])
            #expect(done.status == 0, "\(done.errors)")
        }
        #expect(try lines(second) == wanted)
        #expect(
            try Program.run(["search", second, "--text", "zyzzy", "--mode", "words", "--json"]).objects().count == 1)
        // Otherwise dates would be shifted twice.
        #expect(try Program.run(["import", third, first + ".out", "-q"]).status == 0)
        #expect(try lines(third) != wanted)
        let both = try Program.run([
            "import", third, first + ".out", "--settled", first + "/log.key", "--generation", "next", "--name", "x",
        ])
        #expect(both.status == 2)
        // Lines that come from elsewhere prove nothing, and a key of another archive does not either.
        let raw = scratch.path("raw.npy")
        let embedded = try Program.run([
            "embed", "--manifest", manifest, "--shard", "1/1", "--with", "fields,report", "--out", raw, "-q",
        ])
        #expect(embedded.status == 0, "\(embedded.errors)")
        let fourth = try made("fourth")
        #expect(try Program.run(["init", scratch.path("fifth"), "--dates", "shift"]).status == 0)
        #expect(
            try Program.run(["export", scratch.path("fifth"), scratch.path("fifth.out"), "--settled", "-q"]).status == 0
        )
        for (source, key) in [(raw, first), (first + ".out", scratch.path("fifth"))] {
            let refused = try Program.run(["import", fourth, source, "--settled", key + "/log.key", "--json", "-q"])
            #expect(refused.status == 3, "\(refused.text) \(refused.errors)")
        }
        #expect(try Program.run(["stats", fourth, "--json"]).object()["cases"] as? Int == 0)
        // Cut lines are noticed by their seal.
        let cut = first + ".out/without-vectors.jsonl"
        let text = try String(contentsOfFile: cut, encoding: .utf8)
        try text.replacing("quux", with: "quuy").write(toFile: cut, atomically: true, encoding: .utf8)
        let damaged = try Program.run(["import", second, first + ".out", "--settled", first + "/log.key", "-q"])
        #expect(damaged.status == 3 && (damaged.text + damaged.errors).contains("damaged"), "\(damaged.text)")
        // So is a file that is missing as a whole.
        try FileManager.default.removeItem(atPath: cut)
        let missing = try Program.run([
            "import", second, first + ".out", "--settled", first + "/log.key", "--json", "-q",
        ])
        #expect(missing.status == 3 && missing.text.contains("without-vectors.jsonl"), "\(missing.text)")
        #expect(missing.text.contains("1 cases without a vector were exported, and 0 are here"), "\(missing.text)")
    }

    @Test("It destroys nothing")
    func outputs() throws {
        let world = try World.shared()
        let scratch = try Scratch()
        let archive = try world.archive(in: scratch, indexed: true)
        _ = try scratch.write("full/x", "mine")
        let full = try Program.run(["export", archive, scratch.path("full")])
        #expect(full.status == 1 && full.errors.contains("holds other files"))
        let inside = try Program.run(["export", archive, archive + "/out"])
        #expect(inside.status == 1 && inside.errors.contains("lies in the archive"))
        #expect(try Program.run(["export", archive]).status == 2)
        #expect(try Program.run(["export", scratch.path("none"), scratch.path("o")]).status == 1)
    }
}
