import Foundation
import HilumArchive
import HilumCore
import HilumImaging
import HilumEvaluation
import HilumMCR
import HilumReports
import Synchronization

/// The pairs of a folder for a pilot, and a small image of each for the page.
struct PilotInput {
    let pairs: [PilotStudy.Pair]
    /// `[pairs]`, at most `thumbnailSide` wide and high.
    let thumbnails: [GrayImage]
    let data: PilotReport.Data
    let seconds: Double

    static let thumbnailSide = 132
    /// A pilot keeps its pairs in memory. `hilum train` trains on more.
    static let mostPairs = 5_000

    /// - Parameters:
    ///   - side: the side of the model's input in pixels.
    ///   - limit: how many pairs are used, from the first on.
    init(folder: String, side: Int, limit: Int?, threads: Int, isQuiet: Bool) throws {
        let started = monotonicSeconds()
        let read: CaseFiles
        do { read = try CaseFiles(source: folder) } catch { throw CommandError(.failed, "\(error)") }
        showPassedOver(read.passedOver, halfCases(read.cases))
        var data = PilotReport.Data()
        data.refused = read.refused.map { PilotReport.Data.Refusal(source: $0.source, reason: $0.reason) }
        var cases: [CaseInput] = []
        for item in read.cases {
            if item.image == nil {
                data.withoutImage.append(item.id)
            } else if (item.report ?? "").allSatisfy(\.isWhitespace) {
                data.withoutReport.append(item.id)
            } else {
                cases.append(item)
            }
        }
        if let limit { cases = Array(cases.prefix(limit)) }
        guard cases.count <= Self.mostPairs else {
            throw CommandError(
                .failed,
                "\(folder): \(cases.count) pairs are too many for a pilot; --limit \(Self.mostPairs) takes the first")
        }
        let progress = Progress("read", total: cases.count, unit: "pairs", quiet: isQuiet)
        let prepared = Mutex<[Int: Result<Prepared, any Error>]>([:])
        // Read labels stand in for given ones only where no case has any, so that the two never mix.
        let labels = cases.allSatisfy(\.fields.findings.isEmpty) ? try ReportLabels.standard() : nil
        data.hasLabelsFromReports = labels != nil
        let found = cases
        parallelFor(cases.count, threads: threads) { index in
            let result = Result { try Prepared(found[index], labels, side: side) }
            prepared.withLock { $0[index] = result }
            progress.advance()
        }
        progress.finish()
        var pairs: [PilotStudy.Pair] = []
        var thumbnails: [GrayImage] = []
        let results = prepared.withLock { $0 }
        for index in cases.indices {
            switch results[index] {
            case .success(let ready):
                pairs.append(ready.pair)
                thumbnails.append(ready.thumbnail)
            case .failure(let error):
                data.refused.append(PilotReport.Data.Refusal(source: cases[index].id, reason: "\(error)"))
            case nil: break
            }
        }
        data.pairs = pairs.count
        self.pairs = pairs
        self.thumbnails = thumbnails
        self.data = data
        seconds = monotonicSeconds() - started
    }

    /// A case with its decoded image.
    private struct Prepared: Sendable {
        let pair: PilotStudy.Pair
        let thumbnail: GrayImage

        init(_ item: CaseInput, _ labels: ReportLabels?, side: Int) throws {
            let image: GrayImage
            switch item.image {
            case .file(let path): image = try ImageDecoder.decode(path: path)
            case .bytes(let bytes): image = try ImageDecoder.decode(bytes)
            case nil: throw CommandError(.failed, "there is no image")
            }
            var ties = ["image \(image.width) \(image.samples.withUnsafeBytes { SHA256.hex(Array($0)) })"]
            if let patient = item.fields.patient { ties.append("patient \(patient)") }
            // The manifest's `group` can join what the patient's name does not, such as one radiograph under two names.
            if let group = item.fields.metadata["group"] { ties.append("group \(group)") }
            pair = PilotStudy.Pair(
                id: item.id, image: image.resizedToFit(side: side), pixels: PlainPixels.vector(of: image),
                report: item.report ?? "", labels: labels?.labels(of: item.report ?? "") ?? item.fields.findings,
                ties: ties)
            let longer = max(image.width, image.height)
            let longest = min(longer, PilotInput.thumbnailSide)
            thumbnail = image.resized(
                width: max(1, image.width * longest / longer), height: max(1, image.height * longest / longer))
        }
    }
}

/// The files that a pilot keeps beside its report while it runs, one per fold, so that the same command continues a stopped
/// pilot. They name cases, so only their owner may read them.
struct PilotStore {
    let folder: String
    /// Identifies data, model and options. Files with another key are ignored.
    let key: String

    /// What was recorded when the pilot began.
    struct Beginning {
        let date: String
        let readSeconds: Double
    }

    /// Makes the folder; one with files that no pilot made is refused.
    static func makeFolder(_ folder: String) throws {
        let names = (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
        if !names.isEmpty && !names.contains(beginningFile) {
            throw CommandError(.failed, "\(folder) holds files that no pilot made; name another folder with --work")
        }
        try OutputFolder.make(folder, isPrivate: true)
    }

    private static let beginningFile = "begun.json"

    func fold(_ number: Int) -> PilotFold? {
        guard let fold: PilotFold = load("fold-\(number + 1).json"), fold.fold == number else { return nil }
        return fold
    }

    func save(_ fold: PilotFold) throws { try save(fold, "fold-\(fold.fold + 1).json") }

    /// The start of this pilot: the recorded one, or now.
    func beginning(readSeconds: Double) throws -> Beginning {
        if let kept: Beginning = load(Self.beginningFile) { return kept }
        let date = Date.now.formatted(.iso8601.year().month().day())
        let now = Beginning(date: date, readSeconds: readSeconds)
        try save(now, Self.beginningFile)
        return now
    }

    /// A finished fold; nil if there is none, or if the file is damaged or belongs to another pilot. The fold then runs again.
    private func load<Value: JSONReadable>(_ name: String) -> Value? {
        guard let bytes = try? FileIO.read("\(folder)/\(name)", limitInBytes: 256 << 20),
            let entry = try? JSON(parsing: bytes[...]), entry["key"]?.string == key
        else { return nil }
        return try? entry.member("value")
    }

    private func save(_ value: some JSONWritable, _ name: String) throws {
        let entry = JSON(members: ["key": key, "value": value])
        try FileIO.writeAtomically("\(folder)/\(name)", Array(entry.sorted.text.utf8), rights: 0o600)
    }
}

extension PilotStore.Beginning: JSONReadable, JSONWritable {
    init(json: JSON) throws(JSON.Mismatch) {
        self.init(date: try json.member("date"), readSeconds: try json.member("readSeconds"))
    }

    var json: JSON { JSON(members: ["date": date, "readSeconds": readSeconds]) }
}
