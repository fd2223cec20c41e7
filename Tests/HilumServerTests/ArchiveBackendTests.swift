import Foundation
import HilumArchive
import HilumCore
import HilumImaging
import HilumEmbedding
import Testing

@testable import HilumServer

/// Unit vectors that depend on nothing but the words and the pixels.
private struct WordEmbedder: Embedder {
    let modelID = String(repeating: "a", count: 64)
    let dimension = 8

    func embed(images: [GrayImage], threads: Int) throws -> [Float] {
        images.flatMap { image in unit(UInt64(image.samples.reduce(0) { $0 &+ Int($1) })) }
    }

    func embed(reports: [String], threads: Int) throws -> [Float] {
        reports.flatMap { text in unit(UInt64(text.utf8.reduce(7) { $0 &* 31 &+ Int($1) } & 0xFFFF)) }
    }

    private func unit(_ seed: UInt64) -> [Float] {
        var generator = SeededGenerator(seed: seed)
        let vector = (0..<dimension).map { _ in Float(generator.normal()) }
        let length = vector.reduce(0) { $0 + $1 * $1 }.squareRoot()
        return vector.map { $0 / length }
    }
}

/// Asks until idle time has measured enough queries, and then for a recall.
private func theDaemonKnowsItsRecall(_ client: Client) throws {
    let first = try client.request("SEARCH text=\"finding\" target=report recall=0.9 k=3").status
    #expect(first.fields["ef"] == "128" && first.fields["recall"] == nil)
    for number in 0..<40 {
        #expect(try client.request("SEARCH text=\"some finding \(number)\" k=3").status.isOK)
    }
    func recall() throws -> [String: [String: Any]] {
        let line = try #require(try client.request("STATS").objects.first)
        let object = try #require(try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any])
        return try #require(object["recall"] as? [String: [String: Any]])
    }
    #expect(try eventually { try (recall()["report"]?["samples"] as? Int ?? 0) > 40 })
    let known = try recall()
    #expect(known["report"]?["at_ef64"] as? Double == 1 && (known["report"]?["ci95_ef64"] as? [Double])?.count == 2)
    #expect(known["image"]?["samples"] as? Int == 0 && known["image"]?["at_ef64"] == nil, "there are no images")
    let later = try client.request("SEARCH text=\"finding\" recall=0.9 k=3").status
    #expect(later.fields["ef"] == "16" && later.fields["recall"]?.hasPrefix("0.99") == true)
    let exact = try client.request("SEARCH text=\"finding\" recall=1 k=3").status
    #expect(exact.fields["recall"] == "1.0000" && exact.fields["exact"] == "1" && later.fields["exact"] == nil)
    let metrics = try client.request("METRICS").objects.joined()
    for part in [
        #"hilum_recall{kind=\"report\",ef=\"64\"} 1\n"#, #"hilum_cases 19\n"#, #"hilum_vectors{kind=\"report\"} 19\n"#,
        #"hilum_recall_samples_total{kind=\"image\"} 0\n"#, #"hilum_refusals_total{code=\"NOTFOUND\"} 3\n"#,
        #"hilum_request_seconds_count{verb=\"PUT\"}"#,
    ] {
        #expect(metrics.contains(part), "\(part) is missing")
    }
    for word in ["finding", "effusion"] { #expect(!metrics.contains(word)) }
}

/// A picture in which nothing can be seen is stored, and who sent it hears of it.
private func aBlankPictureIsNoted(_ client: Client) throws {
    let grey = GrayImage(width: 24, height: 16, samples: [UInt16](repeating: 9_000, count: 24 * 16))
    let picture = try PNGEncoder.encode(grey, bitDepth: 16)
    let status = try client.request("PUT id=grey", literal: picture).status
    #expect(status.fields["vectors"] == "1" && status.text.contains("note=\"the picture is one even grey"))
    let again = try client.request("PUT id=grey", literal: picture).status
    #expect(again.fields["unchanged"] == "1" && !again.text.contains("note="))
    #expect(try client.request("DELETE id=grey").status.isOK)
    // So does who sent a date that is none.
    let dated = try client.request("PUT id=dated report=effusion date=2019-02-30").status
    #expect(dated.isOK && dated.text.contains("note=\"a date cannot be read\""))
    #expect(try client.request("DELETE id=dated").status.isOK)
}

@Suite struct ArchiveBackendTests {
    @Test func theDaemonServesARealArchive() throws {
        let folder = try TemporaryFolder()
        let path = folder.path + "/archive"
        try Archive.create(at: path)
        let archive = try Archive(path: path, mode: .readWrite, embedder: WordEmbedder())
        var configuration = ServerConfiguration()
        configuration.handlesSignals = false
        configuration.inbox.stillInSeconds = 0.1
        let socket = folder.path + "/s"
        let server = Server(
            archive: archive, socketPath: socket, inbox: folder.path + "/inbox", configuration: configuration)
        let thread = WorkerThread("server under test") {
            do { try server.run() } catch { Issue.record("\(error)") }
        }
        try #require(eventually { server.isServing })
        let client = try Client(socketPath: socket, timeoutInSeconds: 60)
        for number in 0..<20 {
            let view = number % 2 == 0 ? "PA" : "AP"
            try client.send(
                "PUT id=c\(number) report=\"finding number \(number)\" view=\(view) date=2020-01-\(10 + number)")
        }
        for number in 0..<20 { #expect(try client.readReply { _ in }.text == "id=c\(number) vectors=1") }
        let search = try client.request("SEARCH text=\"finding number 7\" k=3 with=report")
        #expect(search.objects.count == 3)
        #expect(
            search.objects.first?.hasPrefix(#"{"rank":1,"id":"c7","score":1.0000,"via":"report","view":"AP""#) == true)
        #expect(search.objects.first?.contains(#""report":"finding number 7""#) == true)
        #expect(search.status.fields["hits"] == "3" && search.status.fields["gen"] == "1")
        let filtered = try client.request("SEARCH id=c7 view=PA date=2020-01-12..2020-01-16 k=5 self=0")
        #expect(filtered.objects.count == 3 && filtered.status.text.hasSuffix("short=filter"))
        #expect(try client.request("COUNT view!=PA").status.text == "count=10")
        #expect(try client.request("COUNT date=..2020-01").status.text == "count=20")
        let mistyped = try client.request("COUNT veiw!=PA").status
        #expect(mistyped.code == .badRequest && mistyped.text.contains("did you mean 'view'?"))
        let limit = try client.request("SEARCH text=finding limit=3").status
        #expect(limit.code == .badRequest && limit.text.hasSuffix("SEARCH has no option limit=, but k="))
        #expect(try client.request("PUT id=c7 report=\"finding number 7\" view=AP").status.isOK)
        #expect(try client.request("PUT id=bad", literal: Array("abcd".utf8)).status.code == .badImage)
        #expect(try client.request("SEARCH id=none").status.code == .notFound)
        #expect(try client.request("SEARCH vec=f32:AACAPw==").status.code == .badVector)
        #expect(try client.request("DELETE id=c7").status.isOK)
        #expect(try client.request("GET id=c7").status.code == .notFound)
        #expect(try client.request("PUT id=gone report=\"left effusion\"").status.isOK)
        #expect(try client.request("DELETE id=gone forget=perhaps").status.code == .badRequest)
        #expect(try client.request("DELETE id=gone forget=1").status.text == "id=gone")
        #expect(try client.request("GET id=gone").status.code == .notFound)
        #expect(try client.request("HELLO").objects.first?.contains("\"cases\":19") == true)
        #expect(try client.request("STATS").objects.first?.contains("\"cases\":19") == true)
        #expect(try client.request("SEARCH text=x recall=0.9 ef=9").status.code == .badRequest)
        try theDaemonKnowsItsRecall(client)
        try aBlankPictureIsNoted(client)
        try folder.write("inbox/drop.txt", "finding in the inbox")
        #expect(try eventually { try client.request("GET id=drop").status.isOK })
        #expect(
            try client.request("SEARCH text=\"finding in the inbox\" k=1").objects.first?.contains("\"id\":\"drop\"")
                == true)
        server.stop()
        thread.join()
        let reopened = try Archive(path: path, mode: .readWrite, embedder: WordEmbedder())
        #expect(try reopened.count() == 20)
        reopened.close()
    }
}
