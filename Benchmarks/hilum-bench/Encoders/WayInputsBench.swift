import Foundation
import HilumArchive
import HilumCore
import HilumMCR

/// Writes what the linear ways of a model read, for `tools/solve-ways`: nothing is measured.
///
/// `OUT.f32` holds a row of 32-bit floats a picture, `OUT.jsonl` a line a case: its id, the row of its picture, the pieces of its report.
struct WayInputsBench {
    static let usage = """
        usage: hilum-bench inputs --model DIR --data DIR --out BASE [--most N] [--augment S] [--hidden PERCENT] [--seed S]
               [--threads T]
        Writes what the linear ways read of the cases of a folder: BASE.f32 (pictures) and BASE.jsonl (pieces of reports).

        """

    private let options: BenchOptions

    init(_ arguments: [String]) throws {
        options = try BenchOptions(
            arguments, values: ["model", "data", "out", "most", "augment", "hidden", "seed", "threads"], flags: [])
    }

    func run() throws {
        guard let folder = options.text("model"), let data = options.text("data"), let out = options.text("out") else {
            throw BenchError("--model, --data and --out are needed")
        }
        let model = try MCRModel(directory: folder == "builtin" ? MCRModel.builtInDirectory() : folder)
        guard let inputs = WayInputs(model) else { throw BenchError("the model has no linear ways") }
        let threads = try options.count("threads", defaultThreadCount)
        let all = try CaseFiles(source: data).cases
        let cases = Self.thinned(all, to: try options.count("most", max(all.count, 1)))
        var lines: [String] = []
        var sources: [TrainingSet.Source] = []
        for item in cases {
            var members: [(key: String, value: JSON)] = [("id", .string(item.id))]
            let report = item.report ?? ""
            if case .file(let path)? = item.image {
                members.append(("row", .integer(sources.count)))
                sources.append(TrainingSet.Source(imagePath: path, report: report, patient: item.id))
            }
            members.append(("pieces", .array(inputs.pieces(of: report).map { .integer(Int($0)) })))
            lines.append(JSON.object(members).text)
        }
        if !sources.isEmpty {
            let loaded = TrainingSet.load(
                sources, configuration: model.configuration, tokenizer: model.tokenizer, threads: threads)
            // A picture that is left out would shift the rows.
            guard loaded.refused.isEmpty else { throw BenchError("\(loaded.refused.count) images cannot be read") }
            let rows = inputs.pictures(
                loaded.set, augmentation: Float(options.text("augment") == nil ? 0 : try options.number("augment", 0)),
                hidden: MaskRatio(percent: options.text("hidden") == nil ? 0 : try options.count("hidden", 0)),
                seed: UInt64(try options.count("seed", 1)), threads: threads)
            try rows.withUnsafeBytes { try FileIO.writeAtomically(out + ".f32", Data($0)) }
        }
        try FileIO.writeAtomically(out + ".jsonl", Data((lines.joined(separator: "\n") + "\n").utf8))
    }

    /// At most `count` cases, evenly spread.
    private static func thinned(_ cases: [CaseInput], to count: Int) -> [CaseInput] {
        cases.count <= count ? cases : (0..<count).map { cases[$0 * cases.count / count] }
    }
}
