import Foundation
import HilumCore
import Testing

@testable import HilumArchive

/// The cases of a folder as `id: image+image|report`, sorted; paths below the folder.
private func pairing(_ scratch: Scratch, _ folder: String = "in") throws -> [String] {
    let root = scratch.path + "/" + folder
    let scan = try SourceScanner.scan(root)
    return scan.items.compactMap { item in
        guard case .found(let found) = item else { return nil }
        func below(_ path: String) -> String { path.replacingOccurrences(of: root + "/", with: "") }
        return "\(found.id): \(found.imagePaths.map(below).joined(separator: "+"))|\(found.reportPath.map(below) ?? "")"
    }.sorted()
}

private func index(_ archive: Archive, _ scratch: Scratch) throws -> IndexSummary {
    try BulkIndexer(archive: archive).run(sources: [scratch.path + "/in"], isQuiet: true)
}

private func write(_ scratch: Scratch, _ names: String..., seed: Int = 1) throws {
    for (place, name) in names.enumerated() {
        if name.hasSuffix(".png") {
            try scratch.write("in/" + name, makePNG(seed + place))
        } else {
            try scratch.write("in/" + name, "report of \(name)")
        }
    }
}

@Suite struct CaseFinderTests {
    @Test("An image and a text of two folders are two cases")
    func foldersAreNotMixed() throws {
        let scratch = try Scratch()
        try write(scratch, "patA/1.png", "patB/1.txt")
        #expect(try pairing(scratch) == ["patA/1: patA/1.png|", "patB/1: |patB/1.txt"])
    }

    @Test("Parallel trees pair at the same relative path, and nowhere else")
    func parallelTrees() throws {
        let scratch = try Scratch()
        try write(
            scratch, "images/2020/a.png", "reports/2020/a.txt", "images/2020/b.png", "reports/2021/b.txt",
            "site/images/c.png", "site/reports/c.txt", "d.png", "reports/d.txt", "images/e.png", "images/e.txt")
        #expect(
            try pairing(scratch) == [
                "d: d.png|", "images/2020/a: images/2020/a.png|reports/2020/a.txt", "images/2020/b: images/2020/b.png|",
                "images/e: images/e.png|images/e.txt", "reports/2021/b: |reports/2021/b.txt",
                "reports/d: |reports/d.txt",
                "site/images/c: site/images/c.png|site/reports/c.txt",
            ])
    }

    @Test("Two image trees leave a report alone, as it may belong to either")
    func ambiguousTrees() throws {
        let scratch = try Scratch()
        try write(scratch, "images/a.png", "scans/a.png", "reports/a.txt")
        #expect(
            try pairing(scratch) == ["images/a: images/a.png|", "reports/a: |reports/a.txt", "scans/a: scans/a.png|"])
    }

    @Test("Of the files of one stem the first that can be read counts")
    func firstReadable() throws {
        let scratch = try Scratch()
        try scratch.write("in/s1.dcm", [UInt8](repeating: 0, count: 128) + Array("DICM".utf8))
        try write(scratch, "s1.png")
        try scratch.write("in/s2.jpg", "no image")
        try write(scratch, "s2.png", seed: 2)
        // Cut short, so that the header is there and the end is not.
        try scratch.write("in/s3.jpeg", makePNG(3, side: 64).dropLast(40).map { $0 })
        try write(scratch, "s3.png", seed: 3)
        #expect(try pairing(scratch) == ["s1: s1.png|", "s2: s2.png|", "s3: s3.png|"])
    }

    @Test("A thumbnail beside a large file of the same stem is not chosen")
    func theLargerOfTwoSizes() throws {
        let scratch = try Scratch()
        // JPEG by name, so that it comes first in the order of names.
        try scratch.write("in/a.jpg", makePNG(1, side: 8))
        try scratch.write("in/a.png", makePNG(2, side: 32))
        try scratch.write("in/b.png", makePNG(3, side: 32))
        try scratch.write("in/b_thumb.png", makePNG(4, side: 16))
        try scratch.write("in/thumbs/b.png", makePNG(5, side: 8))
        #expect(try pairing(scratch) == ["a: a.png|", "b: b.png|"])
        let scan = try SourceScanner.scan(scratch.path + "/in")
        #expect(scan.passedOver.counts == ["other file of the same picture": 3])
        // Smaller copies hold nothing else.
        #expect(scan.passedOver.lost.map(\.place) == [scratch.path + "/in/a.jpg"])
    }

    @Test("Records beside images that name two patients, dates or studies make no case, whenever they come")
    func recordsOfTwoPatients() throws {
        let scratch = try Scratch()
        try write(scratch, "a.png", "a_lateral.png", "a.txt")
        try scratch.write("in/a.json", #"{"patient":"P1","date":"2020-01-01","view":"PA","site":"X"}"#)
        let archive = try scratch.makeArchive()
        #expect(try index(archive, scratch).stored == 1)
        try scratch.write("in/a_lateral.json", #"{"patient":"P9","view":"LATERAL","site":"Y"}"#)
        let summary = try index(archive, scratch)
        let refusal = try #require(summary.refused.first)
        #expect(refusal.reason.contains("a.json and a_lateral.json name two patients"), "\(refusal.reason)")
        #expect(try archive.get(id: "a")?.fields.patient == "P1" && archive.get(id: "a")?.images.count == 2)
        #expect(throws: ArchiveError.self) {
            for case .found(let found) in try SourceScanner.scan(scratch.path + "/in").items { _ = try found.input() }
        }
        // What tells no exams apart, and a day in another form, is no contradiction; that of the first image counts.
        try scratch.write("in/a_lateral.json", #"{"patient":"P1 ","date":"01.01.2020","view":"LATERAL","site":"Y"}"#)
        #expect(try index(archive, scratch).refused.isEmpty)
        let fields = try #require(try archive.get(id: "a")?.fields)
        #expect((fields.patient, fields.date, fields.view, fields.site) == ("P1", "2020-01-01", "PA", "X"))
    }

    @Test(
        "Of two records, other forms of one thing are no contradiction, and other things in a list are",
        arguments: [
            (#""date":"2019""#, #""date":"2019-12-31""#, true),
            (#""date":"2019-12-30""#, #""date":"31.12.2019""#, false),
            (#""patient_name":"Muster^Eva""#, #""patient_name":"MUSTER, EVA""#, true),
            (#""patient_name":"Muster^Eva""#, #""patient_name":"Muster^Ida""#, false),
            (#""study":"chest PA""#, #""study":"chest lateral""#, true),
            (#""study":"1.2.3""#, #""study":"1.2.4""#, false),
            (#""patient":["P1"]"#, #""patient":["P2"]"#, false), (#""patient":["P1"]"#, #""patient":["P1"]"#, true),
            (#""patient":["P1"]"#, #""patient":"P1""#, true), (#""patient":["P1"]"#, #""patient":"P2""#, false),
            (#""date":"05/06/2019""#, #""date":"2019-06-05""#, true),
            (#""date":"05/06/2019""#, #""date":"2019-05-06""#, true),
            (#""date":"05/06/2019""#, #""date":"2019-05-07""#, false),
            (#""date":"05/06/2019""#, #""date":"06/05/2019""#, true),
            (#""Patient":"p1""#, #""patient":"P2""#, false), (#""Patient ID":"p1""#, #""patient_id":"p1""#, true),
            (#""patient":"0012""#, #""patient":12"#, false), (#""study":"CT-17""#, #""study":"CT-18""#, false),
            (#""study":"17""#, #""study":"18""#, false), (#""study":"baseline""#, #""study":"follow-up""#, false),
            (#""study":"Chest 2019 PA""#, #""study":"Chest 2020 LAT""#, false),
            (#""study":"1.2.3""#, #""study":"Chest PA""#, true),
            (#""study_uid":"Chest PA""#, #""study_uid":"Chest""#, false),
        ])
    func formsOfOneThing(first: String, second: String, agree: Bool) throws {
        let scratch = try Scratch()
        try write(scratch, "a.png", "a_lateral.png")
        try scratch.write("in/a.json", "{\(first)}")
        try scratch.write("in/a_lateral.json", "{\(second)}")
        let summary = try index(scratch.makeArchive(), scratch)
        #expect(summary.refused.isEmpty == agree, "\(summary.refused)")
    }

    @Test(
        "Descriptions in the words of each view are of one exam, and other exams are told apart",
        arguments: [
            ("Thorax p.a.", "Thorax seitlich", true), ("XR Chest 2 views", "XR Chest PA and lateral", true),
            ("胸部正面", "胸部側面", true), ("XR chest", "chest lateral", true), ("Chest pre-op", "Chest preop", true),
            ("Chest follow-up PA", "Chest followup lateral", true), ("CT abdomen", "XR chest", false),
            ("Chest left", "Brain MRI", false), ("knee left", "hip right", false),
            ("Chest visit 1", "Chest visit 2", false), ("Chest follow-up 1", "Chest follow-up 2", false),
            ("Chest day 1", "Chest day 30", false), ("before surgery", "after surgery", false),
            ("Chest preop", "Chest postop", false), ("Thorax vorher", "Thorax nachher", false),
            ("胸部術前", "胸部術後", false), ("Chest CT", "Chest MR", false), ("Chest", "Chest follow-up", false),
            ("Chest 1 PA", "Chest 2 LAT", false),
        ])
    func describedStudies(first: String, second: String, agree: Bool) throws {
        let scratch = try Scratch()
        try write(scratch, "a.png", "a_lateral.png")
        try scratch.write("in/a.json", #"{"study":"\#(first)"}"#)
        try scratch.write("in/a_lateral.json", #"{"study":"\#(second)"}"#)
        let summary = try index(scratch.makeArchive(), scratch)
        #expect(summary.refused.isEmpty == agree, "\(summary.refused)")
    }

    @Test func theViewOfAFurtherImageIsNotThatOfTheCase() throws {
        let scratch = try Scratch()
        try write(scratch, "b.png", "b_lateral.png", "c_lateral.png")
        let archive = try scratch.makeArchive()
        #expect(try index(archive, scratch).stored == 2)
        let both = try #require(try archive.get(id: "b"))
        #expect(both.fields.view == nil && both.images.count { $0.view == "LATERAL" } == 1)
        #expect(try archive.get(id: "c")?.fields.view == "LATERAL")
        #expect(try archive.count(Filter(parsing: "view!=LATERAL")) == 1)
    }

    @Test("Whose content somebody may miss is named, and not only counted")
    func lostFiles() throws {
        let scratch = try Scratch()
        try write(scratch, "images/x.png", "reports/x.txt", "reports/x_report.txt")
        try scratch.write("in/images/x.json", "no JSON")
        let lost = try SourceScanner.scan(scratch.path + "/in").passedOver.lost
        #expect(
            lost.map { "\(FilePath.name(of: $0.place)): \($0.reason)" } == ["x_report.txt: second text of a case"])
        let archive = try scratch.makeArchive()
        let summary = try index(archive, scratch)
        #expect(summary.notes.count { $0.hasPrefix(scratch.path + "/in/") } == 1, "\(summary.notes)")
        // What somebody wrote down of a case and nobody can read is refused, and so the run is done in part; the case is taken, and stays so.
        let record = scratch.path + "/in/images/x.json"
        #expect(summary.stored == 1 && summary.refused.map(\.source) == [record], "\(summary)")
        #expect(summary.passedOver.counts["record that cannot be read"] == 1)
        let again = try index(archive, scratch)
        #expect(again.unchanged == 1 && again.refused.map(\.source) == [record], "\(again)")
    }

    @Test("What is called a thumbnail and is as large as its partner is no copy of it")
    func aThumbnailByNameAlone() throws {
        let scratch = try Scratch()
        try scratch.write("in/doe.png", makePNG(1, side: 16))
        try scratch.write("in/doe_small.png", makePNG(2, side: 16))
        #expect(try pairing(scratch) == ["doe: doe.png+doe_small.png|"])
        #expect(try SourceScanner.scan(scratch.path + "/in").passedOver.counts == [:])
    }

    @Test("A text and a record may bear the view of their image")
    func viewsOfTexts() throws {
        let scratch = try Scratch()
        try write(scratch, "s1_PA.png", "s1_PA.txt", "s2-lateral.png", "s2-lateral_report.txt", "s3.png", "s3_ap.txt")
        try scratch.write("in/s1_PA.json", #"{"patient":"p1"}"#)
        #expect(
            try pairing(scratch) == [
                "s1: s1_PA.png|s1_PA.txt", "s2: s2-lateral.png|s2-lateral_report.txt", "s3: s3.png|s3_ap.txt",
            ])
        for case .found(let found) in try SourceScanner.scan(scratch.path + "/in").items where found.id == "s1" {
            #expect(found.fields.patient == "p1")
        }
    }

    @Test("Both spellings of an accent are one id")
    func oneUnicodeForm() throws {
        let scratch = try Scratch()
        let composed = "Ren\u{E9}"
        let decomposed = "Rene\u{301}"
        try write(scratch, composed + ".png", decomposed + ".txt")
        let items = try SourceScanner.scan(scratch.path + "/in").items
        guard items.count == 1, case .found(let found) = items[0] else { return #expect(Bool(false), "\(items)") }
        #expect(Array(found.id.utf8) == Array(composed.utf8) && found.reportPath != nil)
        let archive = try scratch.makeArchive()
        try archive.put([CaseInput(id: decomposed, report: "clear")])
        #expect(try archive.put([CaseInput(id: composed, report: "clear")]) == [.unchanged(vectors: 1)])
        #expect(try archive.get(id: decomposed)?.id.utf8.count == composed.utf8.count)
        #expect(try archive.count(Filter(parsing: "id=" + decomposed)) == 1)
        #expect(try archive.delete(id: decomposed) && archive.stats().cases == 0)
    }

    @Test("Documents, hidden files, sidecars, links and unreadable folders are no cases and end no run")
    func passedOver() throws {
        let scratch = try Scratch()
        try write(
            scratch, "a.png", "README.txt", "LICENSE", "sub/licence.txt", ".hidden.png", "._a.png", "x.pdf", "y.tmp")
        try scratch.write("in/@eaDir/a.png", makePNG(1))
        try scratch.write("in/lonely.json", "{}")
        try FileManager.default.createSymbolicLink(
            atPath: scratch.path + "/in/link.png", withDestinationPath: scratch.path + "/in/a.png")
        try FileManager.default.createSymbolicLink(
            atPath: scratch.path + "/in/loop", withDestinationPath: scratch.path + "/in")
        try scratch.write("in/closed/b.png", makePNG(2))
        chmod(scratch.path + "/in/closed", 0)
        defer { chmod(scratch.path + "/in/closed", 0o755) }
        let scan = try SourceScanner.scan(scratch.path + "/in")
        // Whoever may read everything can read this folder too.
        let isRoot = geteuid() == 0
        #expect(scan.items.count == (isRoot ? 2 : 1))
        var expected = [
            "document": 3, "hidden": 3, "other kind (.pdf)": 1, "unfinished": 1, "record without a case": 1, "link": 2,
        ]
        if !isRoot { expected["unreadable folder"] = 1 }
        #expect(scan.passedOver.counts == expected)
        #expect(scan.passedOver.unreadable == (isRoot ? [] : [scratch.path + "/in/closed"]))
    }

    @Test("A folder a study, marks behind the stem, and studies of MIMIC-CXR are one case each")
    func studies() throws {
        let scratch = try Scratch()
        try write(
            scratch, "ward/7/image.png", "ward/7/report.txt", "s1.png", "s1_report.txt", "s2_pa.png", "s2_lateral.png",
            "s2.txt", "img_1.png", "img_2.png", "p10/p10001/s50.txt", "p10/p10001/s50/x.png", "p10/p10001/s50/y.png",
            "p10/p10001/s51/z.png")
        #expect(
            try pairing(scratch) == [
                "img_1: img_1.png|", "img_2: img_2.png|",
                "p10/p10001/s50: p10/p10001/s50/x.png+p10/p10001/s50/y.png|p10/p10001/s50.txt",
                "p10/p10001/s51: p10/p10001/s51/z.png|", "s1: s1.png|s1_report.txt",
                "s2: s2_pa.png+s2_lateral.png|s2.txt", "ward/7: ward/7/image.png|ward/7/report.txt",
            ])
        let scan = try SourceScanner.scan(scratch.path + "/in")
        let patients = scan.items.compactMap { item -> String? in
            if case .found(let found) = item { found.fields.patient } else { nil }
        }
        #expect(patients == ["p10001", "p10001"])
        let archive = try scratch.makeArchive()
        let summary = try BulkIndexer(archive: archive).run(sources: [scratch.path + "/in"], isQuiet: true)
        #expect(summary.stored == 7 && summary.imageOnly == 3 && summary.reportOnly == 0 && summary.refused == [])
        #expect(try archive.get(id: "s2")?.images.map(\.view) == ["PA", "LATERAL"])
    }

    @Test("Fixed names in the source itself are one case too, unless there is a choice")
    func studyAtTheRoot() throws {
        let scratch = try Scratch()
        try write(scratch, "image.png", "report.txt")
        try scratch.write("in/metadata.json", #"{"patient":"p1"}"#)
        #expect(try pairing(scratch) == ["image: image.png|report.txt"])
        let views = try Scratch()
        try write(views, "pa.png", "lateral.png", "report.txt")
        #expect(try pairing(views) == ["pa: pa.png+lateral.png|report.txt"])
        let two = try Scratch()
        try write(two, "image.png", "report.txt", "befund.txt")
        #expect(try pairing(two) == ["befund: |befund.txt", "image: image.png|", "report: |report.txt"])
        let alone = try Scratch()
        try write(alone, "pa.png", "lateral.png")
        #expect(try pairing(alone) == ["lateral: lateral.png|", "pa: pa.png|"])
    }

    @Test("Pictures of kinds that are not read are counted by their kind, with what to do")
    func otherPictures() throws {
        let scratch = try Scratch()
        try write(scratch, "a.png", "b.webp", "c.TIFF", "d.gif", "e.heic", "f.webp", "g.pdf")
        let scan = try SourceScanner.scan(scratch.path + "/in")
        #expect(
            scan.passedOver.counts == [
                "WEBP picture; convert it to PNG or JPEG": 2, "TIFF picture; convert it to PNG or JPEG": 1,
                "GIF picture; convert it to PNG or JPEG": 1, "HEIC picture; convert it to PNG or JPEG": 1,
                "other kind (.pdf)": 1,
            ])
    }

    @Test("A record beside an image brings what is known of the case")
    func records() throws {
        let scratch = try Scratch()
        try write(scratch, "a.png", "a.txt", "b.png")
        try scratch.write(
            "in/a.json", #"{"id":"other","patient":"p1","view":"PA","findings":["effusion"],"age":61,"kv":NaN}"#)
        try scratch.write("in/b.png.json", #"{"patient":"p2","ratio":0.5}"#)
        let archive = try scratch.makeArchive()
        #expect(try BulkIndexer(archive: archive).run(sources: [scratch.path + "/in"], isQuiet: true).stored == 2)
        let first = try #require(try archive.get(id: "a")?.fields)
        #expect(first.patient == "p1" && first.view == "PA" && first.findings == ["effusion"])
        #expect(first.metadata == ["age": "61"])
        #expect(try archive.get(id: "b")?.fields.metadata == ["ratio": "0.5"])
        // What is known may change while the files stay.
        try scratch.write("in/b.png.json", #"{"patient":"p3","ratio":0.5}"#)
        #expect(try BulkIndexer(archive: archive).run(sources: [scratch.path + "/in"], isQuiet: true).replaced == 1)
        #expect(try archive.get(id: "b")?.fields.patient == "p3")
    }
}
