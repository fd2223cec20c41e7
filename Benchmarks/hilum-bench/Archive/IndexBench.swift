import Foundation
import HilumArchive
import HilumCore
import HilumEmbedding
import HilumImaging
import HilumMCR

/// Measures how close `hilum index` comes to the encoder's own rate, on the same images: once decoded and fitted beforehand, and
/// once as files that are read, decoded, fitted, embedded and stored.
///
/// Each round times three passes in turn, so that a noisy machine disturbs all of them alike: the encoder alone, reading with
/// decoding and fitting alone, and `BulkIndexer` into a new archive. The result is the median over the rounds of index rate /
/// encoder rate. Decoding has no cores of its own. If it takes `d` and encoding `e` of a core's time per image, no program can
/// exceed e / (e + d) on these cores; that is printed as the bound. The last round's run is taken apart into stages.
struct IndexBench {
    static let usage = """
        usage: hilum-bench index (--model M | --config NAME) --images DIR [--count N] [--rounds R] [--threads T]
               [--precision f32|bf16] [--json]

        """
    private static let target = 0.9

    private struct Round {
        var encoder: Double
        var decoder: Double
        var index: Double
        var stages: IndexStages
        var ratio: Double { index / encoder }
        var bound: Double { decoder / (decoder + encoder) }
    }

    private let options: BenchOptions

    init(_ arguments: [String]) throws {
        options = try BenchOptions(
            arguments, values: ["model", "config", "images", "count", "rounds", "threads", "precision"], flags: ["json"]
        )
    }

    func run() throws {
        let threads = try options.count("threads", defaultThreadCount)
        let model = try loadModel()
        let files = try imageFiles()
        let side = model.imageSide ?? model.configuration.imageSide
        let fitted = try Self.map(files, threads) { try Self.decode($0, side) }
        let rounds = try (0..<options.count("rounds", 3)).map { _ in
            let encoder = try Self.seconds { _ = try model.embed(images: fitted, threads: threads) }
            let decoder = try Self.seconds { _ = try Self.map(files, threads) { try Self.decode($0, side) } }
            let count = Double(files.count)
            var index = 0.0
            let stages = try IndexStages.measured(files, model, threads) {
                index = try indexRate(files, $0, threads, &$1)
            }
            return Round(encoder: count / encoder, decoder: count / decoder, index: index, stages: stages)
        }
        report(rounds, model, files.count, threads)
    }

    private func loadModel() throws -> MCRModel {
        let precision = try BenchInputs.precision(options)
        if let name = options.text("model") {
            return try MCRModel(
                directory: name == "builtin" ? MCRModel.builtInDirectory() : name, precision: precision)
        }
        let configuration = try BenchInputs.configuration(options.text("config") ?? "mcr-small")
        let inputs = try BenchInputs(count: 8, side: 64)
        return try MCRModel(
            untrained: configuration, vocabulary: inputs.vocabulary, seed: 1, precision: precision ?? .f32)
    }

    private func imageFiles() throws -> [String] {
        guard let folder = options.text("images") else { throw BenchError("--images is missing") }
        guard let entries = try? FileManager.default.contentsOfDirectory(atPath: folder) else {
            throw BenchError("\(folder) is no folder that can be read")
        }
        let names = entries.sorted().filter {
            $0.hasSuffix(".png") || $0.hasSuffix(".jpg") || $0.hasSuffix(".jpeg")
        }
        guard !names.isEmpty else { throw BenchError("\(folder) holds no PNG and no JPEG file") }
        let base = URL(fileURLWithPath: folder).standardizedFileURL.path
        return try names.prefix(options.count("count", names.count)).map { "\(base)/\($0)" }
    }

    private static func decode(_ path: String, _ side: Int) throws -> GrayImage {
        try ImageDecoder.decode(FileIO.read(path), fitting: side)
    }

    static func map<Input: Sendable, Value: Sendable>(
        _ files: [Input], _ threads: Int, _ body: @Sendable (Input) throws -> Value
    ) rethrows -> [Value] {
        // Safety: each call writes its own slot, and the buffer outlives the loop.
        var results = [Swift.Result<Value, any Error>?](repeating: nil, count: files.count)
        results.withUnsafeMutableBufferPointer { buffer in
            nonisolated(unsafe) let slots = buffer
            parallelFor(files.count, threads: threads) { index in
                slots[index] = Swift.Result { try body(files[index]) }
            }
        }
        return try results.compactMap { try $0?.get() }
    }

    private static func seconds(_ body: () throws -> Void) rethrows -> Double {
        let start = monotonicSeconds()
        try body()
        return monotonicSeconds() - start
    }

    /// Cases per second of a run into a new archive, as `hilum index` prints it.
    private func indexRate(
        _ files: [String], _ embedder: any Embedder, _ threads: Int, _ stages: inout IndexStages
    ) throws -> Double {
        let folder = NSTemporaryDirectory() + "hilum-bench-" + UUID().uuidString
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let rows = files.enumerated().map { number, file in
            JSON(members: ["id": "case-\(number)", "image": file]).text
        }
        try FileIO.writeAtomically("\(folder)/cases.jsonl", Data((rows.joined(separator: "\n") + "\n").utf8))
        try Archive.create(at: folder + "/archive")
        let archive = try Archive(path: folder + "/archive", mode: .readWrite, embedder: embedder)
        defer { archive.close() }
        let summary = try stages.time {
            try BulkIndexer(archive: archive).run(
                sources: [folder + "/cases.jsonl"], jobs: threads, isQuiet: true)
        }
        guard summary.stored == files.count else {
            throw BenchError("\(files.count - summary.stored) of \(files.count) images were not stored")
        }
        return summary.casesPerSecond
    }

    private func report(_ rounds: [Round], _ model: MCRModel, _ count: Int, _ threads: Int) {
        func median(_ value: (Round) -> Double) -> Double { rounds.map(value).sorted()[rounds.count / 2] }
        let name = model.configuration.name + (model.precision == .f32 ? "" : ", \(model.precision.rawValue)")
        guard let stages = rounds.last?.stages else { return }
        if options.has("json") {
            var fields: [String: AnnBench.Value] = [
                "figure": .text("index over encoder, \(name)"), "value": .number(median(\.ratio)),
                "target": .number(Self.target), "holds": .flag(median(\.ratio) >= Self.target),
                "bound": .number(median(\.bound)), "encoder_images_per_s": .number(median(\.encoder)),
                "decoded_images_per_s": .number(median(\.decoder)), "index_cases_per_s": .number(median(\.index)),
                "images": .integer(count), "threads": .integer(threads), "rounds": .integer(rounds.count),
                "busy": .number(median { $0.stages.busy(threads) }), "wall_s": .number(stages.wall),
                "processor_s": .number(stages.processor),
            ]
            for stage in stages.named { fields["\(stage.name)_s"] = .number(stage.seconds) }
            print(AnnBench.line(fields))
            return
        }
        print("\(name), \(count) images, \(threads) threads, median of \(rounds.count) rounds")
        print(String(format: "encoder alone    %8.2f images a second", median(\.encoder)))
        print(String(format: "read and decode  %8.2f images a second", median(\.decoder)))
        print(String(format: "index            %8.2f cases a second", median(\.index)))
        print(
            String(
                format: "index / encoder  %8.3f (target %.1f; at most %.3f where both share the cores)",
                median(\.ratio), Self.target, median(\.bound)))
        print(String(format: "cores busy       %7.1f %%", 100 * median { $0.stages.busy(threads) }))
        let parts = stages.named.map { String(format: "%@ %.2f", $0.name, $0.seconds) }.joined(separator: ", ")
        print(String(format: "core seconds     %8.2f in the last round: ", stages.processor) + parts)
    }
}
