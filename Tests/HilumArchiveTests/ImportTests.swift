import Foundation
import HilumCore
import HilumImaging
import Testing

@testable import HilumArchive

/// Vectors that were made elsewhere.
@Suite struct ImportTests {
    @Test("Imported vectors are found, with fields, words and filters, before and after opening again")
    func stored() throws {
        let scratch = try Scratch()
        let archive = try VectorFixture.makeSpace(scratch)
        let lines = (0..<150).map { index in
            "{\"row\":\(index),\"id\":\"case-\(index)\",\"view\":\"\(index % 2 == 0 ? "PA" : "AP")\",\"scanner\":\"s\(index % 3)\","
                + "\"findings\":[\"nodule\"],\"report\":\"Pleural effusion number n\(index).\"}"
        }
        let source = try VectorFixture.write(scratch, "v", VectorFixture.vectors(0..<150), lines)
        let summary = try importer(archive).run([source])
        #expect(summary.stored == 150 && summary.refused == [] && !summary.isInterrupted, "\(summary.refused)")
        #expect(summary.reportsWithoutVector == 150, "they have words, and no vector of a report")
        func look(_ archive: Archive) throws {
            for index in stride(from: 0, to: 150, by: 7) {
                #expect(try ids(archive, VectorFixture.vector(index)) == ["case-\(index)"])
            }
            #expect(try archive.count(Filter(parsing: "view=PA scanner=s0")) == 25)
            #expect(try archive.get(id: "case-3")?.report == "Pleural effusion number n3.")
            var words = SearchRequest(.text("n77"))
            words.mode = .words
            #expect(try archive.search(words).hits.map(\.id) == ["case-77"])
            #expect(archive.space == "other" && archive.dimension == 16)
        }
        try look(archive)
        #expect(try archive.check(deep: true).findings == [])
        archive.close()
        let reader = try Archive(path: scratch.archive, mode: .readOnly)
        try look(reader)
        #expect(try reader.stats().formatVersion == 4)
        #expect(try reader.get(id: "case-0")?.imagePath == nil)
    }

    @Test("What is stored already is unchanged and writes nothing; another vector replaces it")
    func again() throws {
        let scratch = try Scratch()
        let archive = try VectorFixture.makeSpace(scratch)
        var rows = VectorFixture.vectors(0..<40)
        let source = try VectorFixture.write(scratch, "v", rows, VectorFixture.lines(0..<40, ",\"site\":\"A\""))
        #expect(try importer(archive).run([source]).stored == 40)
        let before = try newestTransaction(of: scratch.archive)
        let again = try importer(archive).run([source])
        #expect(again.unchanged == 40 && again.stored == 0 && again.replaced == 0)
        #expect(try newestTransaction(of: scratch.archive) == before)
        rows[7] = VectorFixture.vector(1000)
        _ = try VectorFixture.write(scratch, "v", rows, VectorFixture.lines(0..<40, ",\"site\":\"A\""))
        let changed = try importer(archive).run([source])
        #expect(changed.replaced == 1 && changed.unchanged == 39)
        #expect(try ids(archive, rows[7]) == ["case-7"])
        // float16 is stored as it is read, so it is the same the next time.
        let half = VectorSource(
            vectors: try scratch.write("h.npy", VectorFixture.npy(rows, type: "<f2")),
            lines: try scratch.write("h.jsonl", (0..<40).map { "{\"id\":\"half-\($0)\"}\n" }.joined()))
        #expect(try importer(archive).run([half]).stored == 40)
        #expect(try importer(archive).run([half]).unchanged == 40)
        #expect(try archive.check(deep: true).findings == [])
    }

    @Test("A row that cannot be used is refused by its line, and the others are stored")
    func refusals() throws {
        let scratch = try Scratch()
        let archive = try VectorFixture.makeSpace(scratch)
        var rows = VectorFixture.vectors(0..<12)
        rows[1][3] = .nan
        rows[2][0] = .infinity
        rows[3] = [Float](repeating: 0, count: 16)
        var lines = VectorFixture.lines(0..<12)
        lines[4] = "{\"view\":\"PA\"}"
        lines[5] = "not json"
        lines[6] = "{\"id\":\"case-6\",\"kind\":\"video\"}"
        lines[7] = "{\"id\":\"case-0\"}"
        lines[8] = "{\"id\":\"case-8\",\"row\":3}"
        lines[9] = "{\"id\":\"case-9\",\"image\":1}"
        lines[10] = "{\"id\":\"case-10\",\"image\":64}"
        let source = try VectorFixture.write(scratch, "v", rows, lines)
        let summary = try importer(archive).run([source])
        #expect(summary.stored == 2, "case-0 and case-11")
        let reasons = Dictionary(uniqueKeysWithValues: summary.refused.map { ($0.source, $0.reason) })
        for (line, reason) in [
            (2, "row 1 holds NaN or infinity"), (3, "row 2 holds NaN or infinity"), (4, "row 3 is zero"),
            (5, "the line has no id"), (6, "not valid JSON"), (7, "the kind is image or report"),
            (8, "stands at \(source.lines):1 too"), (9, "another row than its place"),
            (10, "numbered from 0 without gaps"),
            (11, "numbered from 0, up to 63"),
        ] {
            #expect(reasons["\(source.lines):\(line)"]?.contains(reason) == true, "line \(line): \(reasons)")
        }
        #expect(summary.refused.count == 10)
        #expect(try archive.check(deep: true).findings == [])
    }

    @Test("A file of another size, dimension or model is refused as a whole")
    func wholeFiles() throws {
        let scratch = try Scratch()
        let archive = try FakeModel.makeArchive(scratch)
        let few = try VectorFixture.write(
            scratch, "few", VectorFixture.vectors(0..<3, dimension: 32), VectorFixture.lines(0..<2))
        let narrow = try VectorFixture.write(
            scratch, "narrow", VectorFixture.vectors(0..<3), VectorFixture.lines(0..<3))
        let other = try VectorFixture.writePart(scratch, 1, of: 1, 0..<3, model: "another")
        for (source, reason) in [
            (few, "2 lines for the 3 rows"), (narrow, "16 values, and those of the archive 32"),
            (other, "16 values, and those of the archive 32"),
        ] {
            let error = #expect(throws: ArchiveError.self) { _ = try importer(archive).run([source]) }
            #expect(error?.reason.contains(reason) == true, "\(error?.reason ?? "")")
        }
        #expect(try archive.stats().cases == 0)
        let good = try VectorFixture.write(
            scratch, "good", VectorFixture.vectors(0..<3, dimension: 32), VectorFixture.lines(0..<3))
        let summary = try importer(archive).run([few, good])
        #expect(summary.stored == 3 && summary.refused.map(\.source) == [few.vectors])
        #expect(summary.notes.contains { $0.contains("do not say which model") })
        let bytes = VectorFixture.npy(VectorFixture.vectors(0..<1, dimension: 32))
        let seal = VectorSeal(rowCount: 1, dimension: 32, model: "another", vectors: SHA256.hex(bytes))
        let sealed = VectorSource(
            vectors: try scratch.write("s.npy", bytes),
            lines: try scratch.write("s.jsonl", seal.sealed(Array("{\"id\":\"x\"}\n".utf8))))
        let error = #expect(throws: ArchiveError.self) { _ = try importer(archive).run([sealed]) }
        #expect(error?.code == .stale && error?.reason.contains("two encoders cannot be compared") == true)
    }

    @Test("Dates of lines that cannot be read are counted and named, as those of files are")
    func dates() throws {
        let scratch = try Scratch()
        let archive = try VectorFixture.makeSpace(scratch)
        let source = try VectorFixture.write(
            scratch, "v", VectorFixture.vectors(0..<3),
            [#"{"id":"a","date":"2020-02-01"}"#, #"{"id":"b","date":"2020-99-01"}"#, #"{"id":"c","date":"soon"}"#])
        for _ in 0..<2 {
            let summary = try importer(archive).run([source])
            #expect(summary.stored + summary.unchanged == 3)
            let note = "2 cases have a date that cannot be read, first in line 2 of \(source.lines)"
            #expect(summary.notes.contains(note), "\(summary.notes)")
        }
    }

    @Test("Images and reports of a case may come in several runs, and several images by their numbers")
    func several() throws {
        let scratch = try Scratch()
        let archive = try VectorFixture.makeSpace(scratch)
        let images = try VectorFixture.write(
            scratch, "i", VectorFixture.vectors(0..<3),
            ["{\"id\":\"a\",\"image\":1,\"view\":\"LATERAL\"}", "{\"id\":\"a\",\"image\":0}", "{\"id\":\"b\"}"])
        let reports = try VectorFixture.write(
            scratch, "r", VectorFixture.vectors(10..<12),
            ["{\"id\":\"a\",\"kind\":\"report\",\"report\":\"An effusion.\"}", "{\"id\":\"c\",\"kind\":\"report\"}"])
        #expect(try importer(archive).run([images]).stored == 2)
        let second = try importer(archive).run([reports])
        #expect(second.stored == 1 && second.replaced == 1 && second.reportOnly == 1)
        #expect(try ids(archive, VectorFixture.vector(0)) == ["a"] && ids(archive, VectorFixture.vector(10)) == ["a"])
        #expect(try ids(archive, VectorFixture.vector(11), .report) == ["c"])
        let record = try #require(try archive.get(id: "a"))
        #expect(record.images.count == 2 && record.images[1].view == "LATERAL" && record.report == "An effusion.")
        let bare = try #require(try archive.get(id: "c"))
        #expect(bare.hasReport && bare.report == nil && !bare.hasImage)
        #expect(try importer(archive).run([reports, images]).unchanged == 3)
        #expect(try archive.check(deep: true).findings == [])
        archive.close()
        #expect(try Archive.check(at: scratch.archive, deep: true).findings == [])
    }

    @Test("A case from elsewhere is left alone; --replace changes its vectors and keeps its picture and text")
    func foreign() throws {
        let scratch = try Scratch()
        let archive = try FakeModel.makeArchive(scratch)
        try store(archive, 0..<6)
        let source = try VectorFixture.write(
            scratch, "v", VectorFixture.vectors(0..<7, dimension: 32), VectorFixture.lines(0..<7))
        let refused = try importer(archive).run([source])
        #expect(refused.stored == 1 && refused.refused.count == 6)
        #expect(refused.refused.first?.reason.contains("`hilum import --replace`") == true)
        let kept = try #require(try archive.get(id: "case-0"))
        let replaced = try importer(archive).run([source], replaces: true)
        #expect(replaced.replaced == 6 && replaced.unchanged == 1, "\(replaced.refused)")
        let now = try #require(try archive.get(id: "case-0"))
        #expect(now.images == kept.images && now.report == kept.report && now.fields == kept.fields)
        #expect(try ids(archive, VectorFixture.vector(0, dimension: 32)) == ["case-0"])
        #expect(try archive.check(deep: true).findings == [])
        // The same picture and report: there is no reason to encode them.
        #expect(try archive.put([makeInput(0)]) == [.unchanged(vectors: 2)])
        #expect(try ids(archive, VectorFixture.vector(0, dimension: 32)) == ["case-0"])
    }

    @Test("A picture that a line names is kept by its path, and one that is gone is said")
    func pictures() throws {
        let scratch = try Scratch()
        let archive = try VectorFixture.makeSpace(scratch)
        let picture = try scratch.write("pictures/a.png", try makePNG(1))
        let source = try VectorFixture.write(
            scratch, "v", VectorFixture.vectors(0..<3),
            ["{\"image\":\"pictures/a.png\"}", "{\"id\":\"b\",\"image\":\"pictures/b.png\"}", "{\"id\":\"c\"}"])
        let summary = try importer(archive).run([source])
        #expect(summary.stored == 3 && summary.notes.contains { $0.hasPrefix("1 pictures") }, "\(summary.notes)")
        #expect(try archive.imageBytes(of: "pictures/a") == FileIO.read(picture))
        let error = #expect(throws: ArchiveError.self) { _ = try archive.imageBytes(of: "c") }
        #expect(error?.code == .notFound && error?.reason.contains("only the vector") == true)
        let report = try archive.check(deep: true)
        #expect(report.findings == [] && report.missingCount == 0)
    }

    @Test("What no model here can encode is told what to do, and words and vectors answer")
    func questions() throws {
        let scratch = try Scratch()
        let archive = try VectorFixture.makeSpace(scratch)
        let lines = (0..<30).map { "{\"id\":\"case-\($0)\",\"report\":\"Word w\($0) and effusion.\"}" }
        _ = try importer(archive).run([try VectorFixture.write(scratch, "v", VectorFixture.vectors(0..<30), lines)])
        for query in [Query.text("effusion"), .image(try makePNG(1))] {
            let error = #expect(throws: ArchiveError.self) { _ = try archive.search(SearchRequest(query)) }
            #expect(error?.code == .notReady && error?.reason.contains("space other") == true)
            #expect(error?.reason.contains("vec=") == true && error?.reason.contains("mode=words") == true)
        }
        var vectorAlone = SearchRequest([.init(.text("w3")), .init(.vector(VectorFixture.vector(3)))])
        vectorAlone.mode = .vector
        #expect(throws: ArchiveError.self) { _ = try archive.search(vectorAlone) }
        // A text beside a vector asks the words.
        let both = SearchRequest([.init(.text("w5")), .init(.vector(VectorFixture.vector(3)))])
        let hits = try archive.search(both).hits
        #expect(Set(hits.prefix(2).map(\.id)) == ["case-5", "case-3"], "\(hits.map(\.id))")
        var words = SearchRequest(.text("w9"))
        words.mode = .words
        let found = try archive.search(words)
        #expect(found.hits.map(\.id) == ["case-9"] && found.hits.first?.score == 0)
        #expect(try ids(archive, VectorFixture.vector(4), k: 3).first == "case-4")
        #expect(try archive.search(SearchRequest(.id("case-4"))).hits.first?.id == "case-4")
        let error = #expect(throws: ArchiveError.self) { _ = try archive.put([makeInput(1)]) }
        #expect(error?.code == .notReady && error?.reason.contains("hilum import") == true)
    }

    @Test("Names of a space are plain, and its dimension is one that an archive takes")
    func names() throws {
        for name in ["", "a b", "a/b", "ä", String(repeating: "x", count: 65)] {
            #expect(throws: ArchiveError.self) { _ = try ImportedSpace(name: name, dimension: 4) }
        }
        for dimension in [0, -1, 65_537] {
            #expect(throws: ArchiveError.self) { _ = try ImportedSpace(name: "x", dimension: dimension) }
        }
        let scratch = try Scratch()
        let space = try ImportedSpace(name: "x.y-z_1", dimension: 65_536)
        try scratch.write("m/space.json", space.fileBytes)
        #expect(ImportedSpace.read(folder: scratch.path + "/m") == space)
        #expect(ImportedSpace.name(ofModel: space.modelID) == space.name && ImportedSpace.name(ofModel: "abc") == nil)
    }

    @Test("An archive that hides names takes vectors by true ids, and masks reports")
    func hidden() throws {
        let scratch = try Scratch()
        let archive = try VectorFixture.makeSpace(
            scratch, privacy: PrivacySettings(deidentification: .require, dates: .keep))
        let lines = (0..<5).map {
            "{\"id\":\"case-\($0)\",\"patient\":\"p\($0)\",\"report\":\"Patient: Mary Smith. Effusion.\"}"
        }
        let source = try VectorFixture.write(scratch, "v", VectorFixture.vectors(0..<5), lines)
        #expect(try importer(archive).run([source]).stored == 5)
        #expect(try importer(archive).run([source]).unchanged == 5)
        let record = try #require(try archive.get(id: "case-2"))
        #expect(record.id != "case-2" && record.fields.patient != "p2" && record.report?.contains("Smith") == false)
        #expect(try ids(archive, VectorFixture.vector(2)) == [record.id])
        #expect(try archive.check(deep: true).findings == [])
    }

    @Test("A run that is killed at any moment goes on where it was", arguments: 0..<6)
    func killed(_ seed: Int) async throws {
        let scratch = try Scratch()
        try VectorFixture.makeSpace(scratch).close()
        let source = try VectorFixture.write(
            scratch, "v", VectorFixture.vectors(0..<200), VectorFixture.lines(0..<200, ",\"report\":\"An effusion.\""))
        var generator = SeededGenerator(seed: 8, keys: UInt64(seed))
        let count = UInt64(1 + generator.integer(below: 14))
        await #expect(processExitsWith: .signal(SIGKILL)) {
            [
                path = scratch.archive as String, vectors = source.vectors as String, lines = source.lines as String,
                count = count as UInt64
            ] in
            let source = VectorSource(vectors: vectors, lines: lines)
            let archive = try Archive(path: path, mode: .readWrite, options: FakeModel.options)
            let start = try newestTransaction(of: path)
            Thread.detachNewThread {
                while (try? newestTransaction(of: path)).map({ $0 < start + count }) ?? true { usleep(100) }
                kill(getpid(), SIGKILL)
            }
            _ = try importer(archive).run([source])
            kill(getpid(), SIGKILL)
        }
        let archive = try Archive(path: scratch.archive, mode: .readWrite, options: FakeModel.options)
        #expect(try archive.check(deep: true).findings == [])
        let stored = try archive.stats().cases
        #expect(stored % 16 == 0 || stored == 200, "whole batches")
        let summary = try importer(archive).run([source])
        #expect(summary.unchanged == stored && summary.stored == 200 - stored && summary.refused == [])
        #expect(try archive.check(deep: true).findings == [])
        for index in stride(from: 0, to: 200, by: 11) {
            #expect(try ids(archive, VectorFixture.vector(index)) == ["case-\(index)"])
        }
    }

    @Test("A raised flag ends a run after its batch")
    func interrupted() throws {
        let scratch = try Scratch()
        let archive = try VectorFixture.makeSpace(scratch)
        let source = try VectorFixture.write(scratch, "v", VectorFixture.vectors(0..<50), VectorFixture.lines(0..<50))
        var run = importer(archive)
        run.interrupt = AtomicFlag()
        run.interrupt?.raise()
        let summary = try run.run([source])
        #expect(summary.isInterrupted && summary.stored == 0)
        #expect(try importer(archive).run([source]).stored == 50)
    }
}
