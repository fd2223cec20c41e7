import Foundation
import HilumCore
import Testing

@testable import HilumArchive
@testable import HilumServer

/// What becomes of a case when some of its files leave the inbox.
@Suite struct InboxLeavingTests {
    private func remove(_ folder: TemporaryFolder, _ name: String) throws {
        try FileManager.default.removeItem(atPath: folder.path + "/inbox/" + name)
    }

    /// Until the inbox has taken a file that is new.
    private func settle(_ folder: TemporaryFolder, _ archive: Archive, _ name: String) throws {
        try folder.write("inbox/\(name).txt", "marker \(name)")
        #expect(eventually { isThere(archive, name) })
    }

    private func imageNames(_ archive: Archive, _ id: String) -> [String] {
        ((try? archive.get(id: id))?.images ?? []).map { FilePath.name(of: $0.path) }
    }

    @Test("An image that has left stays part of its case when another one comes, now and after a restart")
    func theFirstImageStays() throws {
        let folder = try TemporaryFolder()
        try writeImage(folder, "inbox/s1_pa.png", 1)
        try folder.write("inbox/s1.txt", "Left effusion.")
        // A new version of an image is of the same exam only where something says so.
        try folder.write("inbox/s1.json", #"{"patient":"P1","date":"2020-01-01"}"#)
        try serveInbox(folder) { archive, _ in
            #expect(eventually { (try? archive.get(id: "s1"))?.hasReport == true })
            let first = try #require(try archive.vectors(id: "s1")?[.image])
            try remove(folder, "s1_pa.png")
            try writeImage(folder, "inbox/s1_lateral.png", 2)
            #expect(eventually { imageNames(archive, "s1") == ["s1_pa.png", "s1_lateral.png"] })
            #expect(try archive.get(id: "s1")?.report == "Left effusion.")
            #expect(try archive.vectors(id: "s1")?[.image]?.prefix(first.count) == first[...])
            #expect(try archive.check(deep: true).findings == [])
        }
        let embedder = PixelEmbedder()
        try serveInbox(folder, embedder: embedder) { archive, _ in
            try settle(folder, archive, "later")
            #expect(imageNames(archive, "s1") == ["s1_pa.png", "s1_lateral.png"])
            #expect(embedder.imageCount.current == 0, "what is known is not encoded again")
            // A new version of one of them leaves the other one alone.
            let before = try archive.get(id: "s1")?.images.map(\.digest)
            try writeImage(folder, "inbox/s1_lateral.png", 3)
            #expect(eventually { (try? archive.get(id: "s1"))?.images.last?.digest != before?.last })
            #expect(try archive.get(id: "s1")?.images.first?.digest == before?.first)
            #expect(imageNames(archive, "s1") == ["s1_pa.png", "s1_lateral.png"])
            // The same picture in another file takes the place of the first.
            try writeImage(folder, "inbox/s1_pa.jpg", 4)
            #expect(eventually { imageNames(archive, "s1") == ["s1_pa.jpg", "s1_lateral.png"] })
        }
    }

    @Test("One image of two that leaves takes nothing along")
    func oneOfTwoLeaves() throws {
        let folder = try TemporaryFolder()
        try writeImage(folder, "inbox/s1_pa.png", 1)
        try writeImage(folder, "inbox/s1_lateral.png", 2)
        try serveInbox(folder) { archive, _ in #expect(eventually { imageNames(archive, "s1").count == 2 }) }
        try remove(folder, "s1_pa.png")
        try serveInbox(folder) { archive, _ in
            try settle(folder, archive, "later")
            try folder.write("inbox/s1.txt", "Left effusion.")
            #expect(eventually { (try? archive.get(id: "s1"))?.hasReport == true })
            #expect(imageNames(archive, "s1") == ["s1_pa.png", "s1_lateral.png"])
        }
    }

    @Test("Where cases go with their files, an image that has left is no part of its case any more")
    func imagesGoWhereThatIsWanted() throws {
        let folder = try TemporaryFolder()
        try writeImage(folder, "inbox/s1_pa.png", 1)
        try serveInbox(folder, missing: .delete) { archive, _ in
            #expect(eventually { imageNames(archive, "s1").count == 1 })
            try writeImage(folder, "inbox/s1_lateral.png", 2)
            #expect(eventually { imageNames(archive, "s1").count == 2 })
            try remove(folder, "s1_pa.png")
            try writeImage(folder, "inbox/s1_lateral.png", 3)
            #expect(eventually { imageNames(archive, "s1") == ["s1_lateral.png"] })
        }
    }

    @Test(
        "Another patient's image does not join one that has left, nor take its place",
        .enabled(if: decodesDICOM, "without GDCM"))
    func anotherPatientDoesNotJoin() throws {
        let folder = try TemporaryFolder()
        try write(folder, "inbox/x_pa.dcm", film(1, study: nil, patient: "ALICE"))
        try serveInbox(folder) { archive, client in
            #expect(eventually { imageNames(archive, "x") == ["x_pa.dcm"] })
            let first = try archive.get(id: "x")
            try remove(folder, "x_pa.dcm")
            try write(folder, "inbox/x_lateral.dcm", film(2, study: nil, patient: "BOB"))
            #expect(eventually { (try? client.metric("hilum_inbox_refused_total")) == 1 })
            #expect(try archive.get(id: "x") == first)
            // The same patient's does.
            try write(folder, "inbox/x_lateral.dcm", film(2, study: nil, patient: "ALICE"))
            #expect(eventually { imageNames(archive, "x").count == 2 })
        }
    }

    @Test(
        "A name that is used again for another patient brings nothing of the patient before", arguments: [true, false])
    func aNameIsUsedAgain(isSaid: Bool) throws {
        let folder = try TemporaryFolder()
        try writeImage(folder, "inbox/001.png", 1)
        try writeImage(folder, "inbox/001_lateral.png", 2)
        try folder.write("inbox/001.txt", "The first report.")
        if isSaid { try folder.write("inbox/001.json", #"{"patient":"MUELLER"}"#) }
        try serveInbox(folder) { archive, client in
            #expect(
                eventually { imageNames(archive, "001").count == 2 && (try? archive.get(id: "001"))?.report != nil })
            let before = try #require(try archive.get(id: "001"))
            if isSaid { #expect(before.fields.patient == "MUELLER") }
            for name in ["001.png", "001_lateral.png", "001.txt"] + (isSaid ? ["001.json"] : []) {
                try remove(folder, name)
            }
            try settle(folder, archive, "left")
            // The second picture first.
            try writeImage(folder, "inbox/001_lateral.png", 21)
            if isSaid { try folder.write("inbox/001.json", #"{"patient":"SCHMIDT"}"#) }
            try settle(folder, archive, "second")
            try writeImage(folder, "inbox/001.png", 20)
            #expect(
                eventually {
                    imageNames(archive, "001").count == 2 && (try? archive.get(id: "001"))?.number != before.number
                })
            try settle(folder, archive, "third")
            let after = try #require(try archive.get(id: "001"))
            #expect(Set(after.images.map(\.digest)).isDisjoint(with: before.images.map(\.digest)))
            #expect(!after.hasReport && after.fields.patient == (isSaid ? "SCHMIDT" : nil))
            try folder.write("inbox/001.txt", "The later report.")
            #expect(eventually { (try? archive.get(id: "001"))?.report == "The later report." })
            #expect(imageNames(archive, "001").count == 2)
            #expect(try archive.check(deep: true).findings == [])
        }
    }

    @Test("Another patient's further image is refused, and waits for the files that belong to it")
    func aFurtherImageOfAnotherPatient() throws {
        let folder = try TemporaryFolder()
        try writeImage(folder, "inbox/001.png", 1)
        try folder.write("inbox/001.txt", "The first report.")
        try serveInbox(folder) { archive, client in
            #expect(
                eventually { imageNames(archive, "001").count == 1 && (try? archive.get(id: "001"))?.report != nil })
            let before = try archive.get(id: "001")
            for name in ["001.png", "001.txt"] { try remove(folder, name) }
            try settle(folder, archive, "left")
            try writeImage(folder, "inbox/001_lateral.png", 20)
            #expect(eventually { (try? client.metric("hilum_inbox_refused_total")) == 1 })
            #expect(try archive.get(id: "001") == before)
            // Its text does not go to the patient before by itself.
            try folder.write("inbox/001.txt", "The later report.")
            #expect(eventually { (try? client.metric("hilum_inbox_refused_total")) == 2 })
            #expect(try archive.get(id: "001") == before)
            try writeImage(folder, "inbox/001.png", 30)
            #expect(eventually { (try? archive.get(id: "001"))?.report == "The later report." })
            #expect(imageNames(archive, "001").count == 2)
            #expect(try archive.get(id: "001")?.images.contains { $0.digest == before?.images[0].digest } == false)
        }
    }

    @Test("A deleted case of several files stays deleted while they leave one by one, until one changes")
    func aDeletedCaseStaysDeletedWhileItsFilesLeave() throws {
        let folder = try TemporaryFolder()
        try writeImage(folder, "inbox/s1_pa.png", 1)
        try writeImage(folder, "inbox/s1_lateral.png", 2)
        try folder.write("inbox/s1.txt", "Left effusion.")
        try writeImage(folder, "inbox/images/7.png", 3)
        try folder.write("inbox/reports/7.txt", "Clear.")
        try serveInbox(folder) { archive, client in
            #expect(eventually { imageNames(archive, "s1").count == 2 && isThere(archive, "images/7") })
            #expect(eventually { (try? archive.get(id: "s1"))?.hasReport == true })
            #expect(eventually { (try? archive.get(id: "images/7"))?.hasReport == true })
            for id in ["s1", "images/7"] {
                let reply = try client.request("DELETE id=\(id)")
                #expect(reply.status.isOK)
            }
        }
        for (turn, name) in ["s1_pa.png", "images/7.png", "s1.txt"].enumerated() {
            try remove(folder, name)
            try serveInbox(folder) { archive, _ in
                try settle(folder, archive, "later\(turn)")
                // What is stored is counted a moment later.
                #expect(eventually { (try? archive.stats().cases) == turn + 1 }, "\(name)")
                for id in ["s1", "images/7", "reports/7"] { #expect(!isThere(archive, id), "\(id)") }
                #expect(try archive.check(deep: true).findings == [])
            }
        }
        try serveInbox(folder) { archive, _ in
            try writeImage(folder, "inbox/s1_lateral.png", 9)
            #expect(eventually { imageNames(archive, "s1") == ["s1_lateral.png"] })
            try folder.write("inbox/reports/7.txt", "Clear after all.")
            #expect(eventually { isThere(archive, "reports/7") })
        }
    }

    @Test("A refused row of a manifest is remembered: not read again, not said again")
    func aRefusedRowIsRemembered() throws {
        let folder = try TemporaryFolder()
        try folder.write("inbox/other/bad.txt", "")
        try FileManager.default.removeItem(atPath: folder.path + "/inbox/other")
        try write(folder, "inbox/set/bad.txt", [0xFF, 0xFE, 0x41])
        try writeImage(folder, "inbox/set/a.png", 1)
        try folder.write("data/taken.txt", "Nodule.")
        try folder.write(
            "inbox/set/cases.jsonl",
            [
                #"{"id":"good","image":"a.png"}"#, #"{"id":"bad","report_file":"bad.txt"}"#,
                #"{"id":"missing","report_file":"missing.txt"}"#, #"{"id":"gone","image":"gone.png"}"#,
                #"{"id":"taken","image":"a.png","report":"Effusion."}"#, "no JSON",
            ].joined(separator: "\n"))
        try Archive.create(at: folder.path + "/archive")
        let indexed = try Archive(path: folder.path + "/archive", mode: .readWrite, embedder: PixelEmbedder())
        #expect(try BulkIndexer(archive: indexed).run(sources: [folder.path + "/data"], isQuiet: true).stored == 1)
        indexed.close()
        let names = LogNames(key: Array("key".utf8))
        let memory = folder.path + "/refusals"
        var lines: [Int] = []
        var images: [Int] = []
        for turn in 0..<3 {
            let embedder = PixelEmbedder()
            try serveInbox(folder, embedder: embedder) {
                $0.logNames = names
                $0.refusalMemory = memory
            } _: { archive, client in
                #expect(eventually { (try? client.metric("hilum_inbox_refused_total")) == 5 }, "turn \(turn)")
                #expect(eventually { (try? client.metric("hilum_inbox_waiting")) == 0 })
                #expect(isThere(archive, "good") && !isThere(archive, "bad"))
                let known = try archive.get(id: "taken")
                #expect(known?.report == "Nodule.")
            }
            lines.append(try String(contentsOfFile: memory, encoding: .utf8).split(separator: "\n").count)
            images.append(embedder.imageCount.current)
        }
        #expect(lines == [5, 5, 5], "each is said once")
        #expect(images == [2, 0, 0], "nothing is encoded again")
        // The row is tried when its file comes, and when the case in its way has gone.
        try serveInbox(folder) { archive, client in
            #expect(try client.request("DELETE id=taken").status.isOK)
            try writeImage(folder, "inbox/set/gone.png", 5)
            #expect(eventually { isThere(archive, "gone") })
            #expect(eventually { (try? archive.get(id: "taken"))?.report == "Effusion." })
        }
    }

    @Test("A case whose decoder never answers is given up after a few tries, and the others go on")
    func retriesAreBounded() throws {
        let folder = try TemporaryFolder()
        let archive = FakeArchive()
        archive.state.withLock { $0.stubborn["a"] = 0 }
        let running = try RunningServer(archive: archive, inbox: folder.path + "/inbox", folder: folder) {
            $0.inbox.stillInSeconds = 0.02
            $0.inbox.retryInSeconds = 0.02
        }
        defer { running.stop() }
        try folder.write("inbox/a.txt", "effusion")
        let client = try running.client()
        #expect(eventually { (try? client.metric("hilum_inbox_refused_total")) == 1 })
        try folder.write("inbox/b.txt", "clear")
        #expect(eventually { archive.get(id: "b") != nil })
        #expect(!eventually(within: 1) { archive.state.withLock { $0.stubborn["a"] } != 5 })
        // A change makes it new.
        archive.state.withLock { $0.stubborn["a"] = nil }
        try folder.write("inbox/a.txt", "no effusion")
        #expect(eventually { archive.get(id: "a")?.report == "no effusion" })
    }

    @Test("Of two names that differ in their Unicode form one is taken, always the same, and the other is said")
    func unicodeTwins() throws {
        let folder = try TemporaryFolder()
        let (composed, decomposed) = ("M\u{FC}ller", "Mu\u{308}ller")
        try writeImage(folder, "inbox/\(decomposed).png", 1)
        try serveInbox(folder) { archive, client in
            #expect(eventually { isThere(archive, composed) })
            try writeImage(folder, "inbox/\(composed).png", 2)
            try folder.write("inbox/\(decomposed).txt", "Effusion of the other one.")
            let path = folder.path + "/inbox/\(composed).png"
            #expect(
                eventually {
                    (try? archive.get(id: composed))?.imagePath?.utf8.elementsEqual(path.utf8) == true
                })
            #expect(eventually { (try? client.metric("hilum_inbox_refused_total")) ?? 0 >= 2 })
            try settle(folder, archive, "later")
            let known = try #require(try archive.get(id: composed))
            #expect(known.images.count == 1 && !known.hasReport)
            // It stays so, however often the folder is looked at.
            for turn in 0..<3 { try settle(folder, archive, "again\(turn)") }
            #expect(try archive.get(id: composed) == known)
        }
        try serveInbox(folder) { archive, _ in
            let known = try archive.get(id: composed)
            try settle(folder, archive, "last")
            #expect(try archive.get(id: composed) == known)
        }
    }
}

extension Client {
    /// A figure of METRICS.
    fileprivate func metric(_ name: String) throws -> Double? {
        let text = try request("METRICS").objects.joined()
        guard let range = text.range(of: "\\n\(name) ") else { return nil }
        return Double(text[range.upperBound...].prefix { $0.isNumber || $0 == "." })
    }
}
