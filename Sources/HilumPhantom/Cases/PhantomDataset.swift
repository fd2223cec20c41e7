import Foundation
import HilumCore
import HilumImaging
import Synchronization

/// Writes a folder of synthetic cases: `images/*.png`, `reports/*.txt`, `cases.jsonl`, and `phantom.json` with the
/// parameters.
public enum PhantomDataset {
    /// The result of a run.
    public struct Summary: Sendable, Equatable {
        /// Cases in the folder.
        public var count: Int
        /// Files that this run wrote; the others were already there with the right bytes.
        public var filesWritten: Int
    }

    /// Draws `count` cases into `folder`. The same parameters give the same bytes on any number of threads.
    ///
    /// The same call completes a run that was stopped. A folder with other content is refused.
    ///
    /// - Parameters:
    ///   - site: nil alternates (even numbers site A, odd numbers site B).
    ///   - side: the side of an image in pixels, in `PhantomGenerator.sides`.
    ///   - variety: how close to a film the images come.
    ///   - progress: advances by one per case; the caller finishes it.
    ///   - encodePNG: encodes an image; 8-bit PNG by default.
    /// - Throws: `PhantomError` for a folder with other content, a bad parameter, or a file that cannot be written.
    @discardableResult
    public static func write(
        to folder: String, count: Int, seed: UInt64, site: PhantomSite?, side: Int = 256,
        variety: PhantomVariety = .plain,
        threads: Int = defaultThreadCount,
        progress: HilumCore.Progress? = nil,
        encodePNG: @Sendable (GrayImage) throws -> [UInt8] = { try PNGEncoder.encode($0, bitDepth: 8) }
    ) throws(PhantomError) -> Summary {
        guard count > 0 else {
            throw PhantomError(.badParameter("the count of cases must be at least 1, not \(count)"), path: folder)
        }
        let sides = PhantomGenerator.sides
        guard sides.contains(side) else {
            throw PhantomError(
                .badParameter(
                    "the side must lie between \(sides.lowerBound) and \(sides.upperBound) pixels, not \(side)"),
                path: folder)
        }
        let parameters = Parameters(
            version: 1, count: count, seed: seed, site: site?.rawValue ?? "A,B", side: side, variety: variety.rawValue)
        try prepare(folder, parameters)
        let rows = Mutex([String](repeating: "", count: count))
        let failure = Mutex<PhantomError?>(nil)
        let written = AtomicCounter()
        parallelFor(count, threads: threads) { index in
            if failure.withLock({ $0 != nil }) { return }
            let which = site ?? (index % 2 == 0 ? .a : .b)
            let phantom = PhantomGenerator(seed: seed, site: which, side: side, variety: variety).makeCase(index)
            do throws(PhantomError) {
                let files = try writeCase(phantom, folder, encodePNG)
                written.increment(by: files)
                let row = manifestRow(phantom)
                rows.withLock { $0[index] = row }
            } catch {
                failure.withLock { $0 = $0 ?? error }
            }
            progress?.advance()
        }
        if let error = failure.withLock({ $0 }) { throw error }
        let manifest = rows.withLock { $0.joined(separator: "\n") } + "\n"
        do throws(FileError) {
            for name in ["images", "reports"] { try FileIO.syncFolder("\(folder)/\(name)") }
            try FileIO.writeAtomically("\(folder)/cases.jsonl", Array(manifest.utf8))
        } catch {
            throw PhantomError(.file(error.description), path: folder)
        }
        return Summary(count: count, filesWritten: written.current)
    }

    // MARK: The folder

    /// `phantom.json` is a line; anything much longer is another file.
    private static let maxParametersByteCount = 65_536

    fileprivate struct Parameters: Equatable {
        var version: Int
        var count: Int
        var seed: UInt64
        var site: String
        var side: Int
        var variety: String

        var text: String { "count \(count), seed \(seed), site \(site), side \(side), variety \(variety)" }
    }

    private static func prepare(_ folder: String, _ parameters: Parameters) throws(PhantomError) {
        do throws(FileError) {
            try FileIO.makeFolder(folder)
        } catch {
            throw PhantomError(.file(error.description), path: folder)
        }
        let mark = "\(folder)/phantom.json"
        let present: [String]
        do {
            // Ignore files that an interrupted run left half-written.
            present = try FileManager.default.contentsOfDirectory(atPath: folder).filter { !$0.contains(".tmp-") }
        } catch {
            throw PhantomError(.file("\(folder): could not be read: \(error)"), path: folder)
        }
        if present.contains("phantom.json") {
            let stored = try? FileIO.read(mark, limitInBytes: maxParametersByteCount)
            guard let stored, let found = try? Parameters(parsing: stored) else {
                throw PhantomError(.folderNotEmpty, path: folder)
            }
            if found != parameters { throw PhantomError(.otherParameters(found.text), path: folder) }
        } else if !present.isEmpty {
            throw PhantomError(.folderNotEmpty, path: folder)
        }
        do throws(FileError) {
            if !present.contains("phantom.json") {
                try FileIO.writeAtomically(mark, Array((parameters.json.text + "\n").utf8))
            }
            for name in ["images", "reports"] { try FileIO.makeFolder("\(folder)/\(name)") }
        } catch {
            throw PhantomError(.file(error.description), path: folder)
        }
    }

    /// Writes the files of a case that are missing or differ, and returns how many.
    private static func writeCase(
        _ phantom: PhantomCase, _ folder: String, _ encodePNG: (GrayImage) throws -> [UInt8]
    ) throws(PhantomError) -> Int {
        let picture: [UInt8]
        let path = "\(folder)/images/\(phantom.id).png"
        do {
            picture = try encodePNG(phantom.image)
        } catch {
            throw PhantomError(.encoding("\(error)"), path: path)
        }
        var files = 0
        if try replace(path, picture) { files += 1 }
        if try replace("\(folder)/reports/\(phantom.id).txt", Array((phantom.report + "\n").utf8)) { files += 1 }
        return files
    }

    /// Replaces a file unless it already holds `bytes`. The replacement is atomic but does not wait for the disk: after a
    /// power cut, the same command completes the run.
    private static func replace(_ path: String, _ bytes: [UInt8]) throws(PhantomError) -> Bool {
        if let present = try? FileIO.read(path, limitInBytes: bytes.count), present == bytes { return false }
        do {
            try Data(bytes).write(to: URL(fileURLWithPath: path), options: .atomic)
        } catch {
            throw PhantomError(.file("\(path): could not be written: \(error)"), path: path)
        }
        return true
    }

    // MARK: The manifest

    /// A row of `cases.jsonl`, keys in order.
    static func manifestRow(_ phantom: PhantomCase) -> String {
        var json = JSONWriter()
        json.beginObject()
        json.member("date", phantom.date)
        json.member("facts", phantom.facts)
        json.member("findings", phantom.labels)
        json.member("id", phantom.id)
        json.member("image", "images/\(phantom.id).png")
        json.key("lesions")
        json.beginArray()
        for finding in phantom.findings { write(finding, to: &json) }
        json.endArray()
        json.member("modality", "CR")
        json.member("patient", phantom.patient)
        json.member("report_file", "reports/\(phantom.id).txt")
        json.member("site", phantom.site.rawValue)
        json.member("view", phantom.view)
        json.endObject()
        return String(decoding: json.bytes, as: UTF8.self)
    }

    /// A lesion; what it does not have is left out.
    private static func write(_ finding: PhantomFinding, to json: inout JSONWriter) {
        json.beginObject()
        if let box = finding.box { json.member("box", [box.x, box.y, box.width, box.height]) }
        let texts = [
            ("degree", finding.degree), ("detail", finding.detail), ("laterality", finding.laterality?.rawValue),
            ("name", finding.name), ("size", finding.size), ("zone", finding.zone?.name),
        ]
        for (key, text) in texts {
            if let text { json.member(key, text) }
        }
        json.endObject()
    }
}

extension PhantomDataset.Parameters: JSONReadable, JSONWritable {
    init(json: JSON) throws(JSON.Mismatch) {
        self.init(
            version: try json.member("version"), count: try json.member("count"), seed: try json.member("seed"),
            site: try json.member("site"), side: try json.member("side"),
            // Folders of earlier releases do not name it.
            variety: try json.optionalMember("variety") ?? PhantomVariety.plain.rawValue)
    }

    /// What `phantom.json` holds, keys in order.
    var json: JSON {
        JSON(members: [
            "count": count, "seed": seed, "side": side, "site": site, "variety": variety, "version": version,
        ])
    }
}
