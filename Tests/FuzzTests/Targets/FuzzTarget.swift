import Foundation

/// A reader of bytes that come from outside, as a fuzzer calls it.
///
/// | file | targets |
/// | --- | --- |
/// | `ProtocolTarget` | `protocol`: a stream of requests, and the replies of an archive without cases (`EmptyArchive`) |
/// | `TextTargets` | `json`, `manifest`, `filter`, `question`, `report`, `privacy` |
/// | `DocumentTargets` | `hl7`, `sr`, `xml`, `vectors` |
/// | `ImageTargets` | `png`, `jpeg`, `dicom` |
/// | `WeightTargets` | `safetensors`, `vocabulary` |
/// | `StoreTargets` | `pages`, `records` |
///
/// `FuzzTests` gives each the corpus and a few thousand changed inputs. The program `hilum-fuzz` gives them to libFuzzer.
///
/// Thread rule: `finding` may use a file of its own; one call of a target at a time.
struct FuzzTarget: Sendable, CustomStringConvertible {
    /// The name of its folder in `Corpus`.
    let name: String
    /// Longer inputs find little more and take longer.
    let longestInput: Int
    /// Inputs to begin with, besides those of `Corpus`.
    let seeds: @Sendable () throws -> [[UInt8]]
    /// What stands in inputs at odd places.
    let words: [String]
    /// Reads the bytes. Says which promise was broken; nil where none was. A crash, a hang and memory without a bound are for the
    /// caller to notice.
    let finding: @Sendable ([UInt8]) -> String?

    init(
        _ name: String, longestInput: Int = 4096, words: [String] = [],
        seeds: @escaping @Sendable () throws -> [[UInt8]], finding: @escaping @Sendable ([UInt8]) -> String?
    ) {
        self.name = name
        self.longestInput = longestInput
        self.words = words
        self.seeds = seeds
        self.finding = finding
    }

    var description: String { name }

    static let all: [FuzzTarget] = [
        .requests, .json, .manifest, .filter, .question, .report, .privacy, .hl7, .structuredReport, .markup, .vectors,
        .png, .jpeg, .dicom, .safetensors, .vocabulary, .pages, .records,
    ]

    /// No reader, but a fault that a fuzzer must find: it reads behind a buffer once four bytes are right. Only a program with the address
    /// sanitizer notices.
    static let planted = FuzzTarget(
        "planted", longestInput: 16, seeds: { [[0]] },
        finding: { bytes in
            guard bytes.starts(with: "hilu".utf8) else { return nil }
            let buffer = UnsafeMutablePointer<UInt8>.allocate(capacity: 16)
            defer { buffer.deallocate() }
            buffer.initialize(repeating: 1, count: 16)
            // Outside of the buffer: that is the fault.
            return buffer[12 + bytes.count] == 0 ? "a zero lies behind" : "something lies behind"
        })

    /// The kept inputs of this target, by name.
    func corpus() throws -> [(name: String, bytes: [UInt8])] {
        let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .appendingPathComponent("Corpus/\(name)").path
        let names = (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
        return try names.sorted().map { name in
            (name, [UInt8](try Data(contentsOf: URL(fileURLWithPath: "\(folder)/\(name)"))))
        }
    }

    static func bytes(_ texts: [String]) -> [[UInt8]] { texts.map { Array($0.utf8) } }

    /// A file in memory for readers that want a path; each target of a process has its own.
    static func scratch(_ name: String) throws -> String {
        let root = FileManager.default.fileExists(atPath: "/dev/shm") ? "/dev/shm" : NSTemporaryDirectory()
        let folder = "\(root)/hilum-fuzz-\(getpid())-\(name)"
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        return folder
    }

    /// Writes a file as it is, without the care that files of users need.
    static func write(_ bytes: [UInt8], to path: String) -> Bool {
        let descriptor = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { return false }
        defer { close(descriptor) }
        return Foundation.write(descriptor, bytes, bytes.count) == bytes.count
    }
}
