import Foundation
import HilumCore
import HilumImaging
import HilumMCR
import HilumNN
import HilumPhantom

/// The input of the encoder and training benchmarks: phantoms at the model's size, and a vocabulary built from their reports.
struct BenchInputs {
    let cases: [PhantomCase]
    let vocabulary: Vocabulary

    static func configuration(_ name: String) throws -> MCRConfiguration {
        guard let found = MCRConfiguration.named.first(where: { $0.name == name }) else {
            throw BenchError(
                "unknown config \(name); use \(MCRConfiguration.named.map(\.name).joined(separator: ", "))")
        }
        return found
    }

    /// The value of `--precision` if the processor supports it, otherwise f32; nil if it is not given.
    static func precision(_ options: BenchOptions) throws -> Precision? {
        guard let name = options.text("precision") else { return nil }
        guard let wanted = Precision(rawValue: name) else {
            throw BenchError("--precision takes f32 or bf16")
        }
        return wanted.isNative ? wanted : .f32
    }

    /// Seconds of wall-clock time or, with `--cpu-time`, of CPU time of the process.
    static func clock(_ options: BenchOptions) -> () -> Double {
        guard options.has("cpu-time") else { return monotonicSeconds }
        return {
            var time = timespec()
            clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time)
            return Double(time.tv_sec) + Double(time.tv_nsec) * 1e-9
        }
    }

    init(count: Int, side: Int) throws {
        // Cases are drawn at 64 pixels or more; the model fits them to its own side.
        let generator = PhantomGenerator(seed: 1, site: .a, side: max(64, side))
        cases = (0..<count).map { generator.makeCase($0) }
        let wording = try RadiologyWording.shared()
        vocabulary = try VocabularyBuilder.build(
            texts: cases.map(\.report) + wording.sentences(count: 2000, seed: 1), terms: wording.terms,
            size: 2000)
    }
}

/// Measures images and reports embedded per second, on all cores.
///
/// `--write` saves the model and, for comparisons, the inputs and embeddings as raw 32-bit floats: `pixels.f32` `[n, S, S]` in
/// 0…1, `ids.txt` (the tokens of one report per line), `images.f32` and `reports.f32` `[n, D]`.
struct EncoderBench {
    static let usage = """
        usage: hilum-bench encode (--model M | --config NAME) [--images N] [--seconds S] [--threads T]
               [--precision f32|bf16] [--cpu-time] [--write DIR] [--json]

        bf16 needs a processor with avx512bf16; on others f32 runs in its place, and the output says so. --cpu-time counts
        seconds of processor time, all threads together, which other programs beside disturb less.

        """

    private let options: BenchOptions

    init(_ arguments: [String]) throws {
        options = try BenchOptions(
            arguments, values: ["model", "config", "images", "seconds", "threads", "precision", "write"],
            flags: ["json", "cpu-time"])
    }

    func run() throws {
        let count = try options.count("images", 32)
        let threads = try options.count("threads", defaultThreadCount)
        let seconds = try options.number("seconds", 2)
        let precision = try BenchInputs.precision(options)
        let model: MCRModel
        let inputs: BenchInputs
        if let folder = options.text("model") {
            model = try MCRModel(directory: folder, precision: precision)
            inputs = try BenchInputs(count: count, side: model.configuration.imageSide)
        } else {
            let configuration = try BenchInputs.configuration(options.text("config") ?? "mcr-small")
            inputs = try BenchInputs(count: count, side: configuration.imageSide)
            model = try MCRModel(
                untrained: configuration, vocabulary: inputs.vocabulary, seed: 1, precision: precision ?? .f32)
        }
        let used = model.precision
        let images = inputs.cases.map(\.image)
        let reports = inputs.cases.map(\.report)
        if let folder = options.text("write") { try write(model, images, reports, threads, to: folder) }
        let clock = BenchInputs.clock(options)
        let imageRate = try Self.rate(count, seconds, clock) { _ = try model.embed(images: images, threads: threads) }
        let reportRate = try Self.rate(count, seconds, clock) {
            _ = try model.embed(reports: reports, threads: threads)
        }
        let tokens = reports.map { model.tokenizer.encode($0, maxLength: model.configuration.maxTokens).ids.count }
        let flops = model.network.imageOperations
        let reportFlops = tokens.reduce(0) { $0 + model.network.reportOperations(tokens: $1) } / Double(count)
        let peak = Self.peakRate(used, threads: threads, seconds / 2, clock)
        if options.has("json") {
            print(
                AnnBench.line([
                    "event": .text("encode"), "config": .text(model.configuration.name), "threads": .integer(threads),
                    "images_per_s": .number(imageRate), "reports_per_s": .number(reportRate),
                    "image_gflop_per_s": .number(imageRate * flops / 1e9),
                    "report_gflop_per_s": .number(reportRate * reportFlops / 1e9),
                    "peak_gflop_per_s": .number(peak / 1e9), "kernels": .text(NetworkKernels.set),
                    "precision": .text(used.rawValue),
                    "tokens": .number(Double(tokens.reduce(0, +)) / Double(count)),
                    "peak_rss_kb": .integer(AnnBench.status("VmHWM")),
                ]))
            return
        }
        let note = options.text("precision") == "bf16" && used == .f32 ? " (this processor has no avx512bf16)" : ""
        print("\(model.configuration.name), \(threads) threads, \(NetworkKernels.set), \(used.rawValue)\(note)")
        print(
            String(
                format: "images   %9.2f a second, %.1f GFLOP/s (the multipliers: %.1f)", imageRate,
                imageRate * flops / 1e9, peak / 1e9))
        print(
            String(
                format: "reports  %9.2f a second, %.1f GFLOP/s, of %.1f tokens", reportRate,
                reportRate * reportFlops / 1e9,
                Double(tokens.reduce(0, +)) / Double(count)))
    }

    /// Multiply-adds per second with all operands in registers, on every thread, in the fastest of many short passes. No kernel
    /// can be faster.
    private static func peakRate(_ precision: Precision, threads: Int, _ seconds: Double, _ clock: () -> Double)
        -> Double
    {
        let rounds = 200_000
        let operations = precision.multiplyInRegisters(rounds: rounds)
        let loops = rate(threads, seconds, clock, takesFastest: true) {
            parallelFor(threads, threads: threads) { _ in _ = precision.multiplyInRegisters(rounds: rounds) }
        }
        return loops * operations
    }

    /// Items per second over passes of at least `seconds` in total, after one warm-up pass.
    ///
    /// - Parameter takesFastest: whether the fastest pass counts; otherwise the median does.
    static func rate(
        _ count: Int, _ seconds: Double, _ clock: () -> Double, takesFastest: Bool = false, _ pass: () throws -> Void
    ) rethrows -> Double {
        try pass()
        var times: [Double] = []
        while times.reduce(0, +) < seconds || times.count < 3 {
            let start = clock()
            try pass()
            times.append(clock() - start)
        }
        return Double(count) / times.sorted()[takesFastest ? 0 : times.count / 2]
    }

    private func write(
        _ model: MCRModel, _ images: [GrayImage], _ reports: [String], _ threads: Int, to folder: String
    ) throws {
        try model.save(to: folder, format: .f32)
        func put(_ name: String, _ floats: [Float]) throws {
            try FileIO.writeAtomically("\(folder)/\(name)", floats.withUnsafeBytes { Data($0) })
        }
        try put("pixels.f32", images.flatMap { $0.samples.map { Float($0) * (1 / 65_535) } })
        let lines = reports.map { report in
            model.tokenizer.encode(report, maxLength: model.configuration.maxTokens).ids.map(String.init)
                .joined(separator: " ")
        }
        try FileIO.writeAtomically("\(folder)/ids.txt", Data((lines.joined(separator: "\n") + "\n").utf8))
        try put("images.f32", model.embed(images: images, threads: threads))
        try put("reports.f32", model.embed(reports: reports, threads: threads))
    }
}

/// Measures training pairs per second in the masked phase, and the memory of activations against what the shapes imply.
struct TrainingBench {
    static let usage = """
        usage: hilum-bench train [--config NAME] [--batch N] [--steps N] [--threads T] [--cpu-time] [--json]

        """

    private let options: BenchOptions

    init(_ arguments: [String]) throws {
        options = try BenchOptions(
            arguments, values: ["config", "batch", "steps", "threads"], flags: ["json", "cpu-time"])
    }

    func run() throws {
        let batch = try options.count("batch", 32)
        let steps = try options.count("steps", 4)
        var configuration = try BenchInputs.configuration(options.text("config") ?? "mcr-small")
        let inputs = try BenchInputs(count: batch, side: configuration.imageSide)
        configuration.vocabularySize = inputs.vocabulary.count
        let tokenizer = Tokenizer(vocabulary: inputs.vocabulary)
        var training = TrainingOptions()
        training.batchSize = batch
        training.stepCount = 2 * steps
        training.checkpointInterval = steps
        training.unmaskedShare = 0
        training.threads = try options.count("threads", defaultThreadCount)
        let set = TrainingSet(
            images: inputs.cases.map(\.image), reports: inputs.cases.map(\.report), configuration: configuration,
            tokenizer: tokenizer)
        let trainer = try MCRTrainer(configuration, tokenizer: tokenizer, options: training)
        // The first half is warm-up.
        let clock = BenchInputs.clock(options)
        var laps: [Double] = []
        try trainer.run(set, validation: nil) { _ in laps.append(clock()) }
        guard laps.count == 2 else { throw BenchError("two laps were to be run, not \(laps.count)") }
        let rate = Double(steps * batch) / (laps[1] - laps[0])
        let perPair = trainer.peakByteCount / batch
        let kernels = "\(NetworkKernels.set), contrast \(try OpenBLAS.load().kernelSet)"
        let implied = Self.impliedByteCount(trainer.network, inputs, tokenizer, training)
        if options.has("json") {
            print(
                AnnBench.line([
                    "event": .text("train"), "config": .text(configuration.name), "batch": .integer(batch),
                    "threads": .integer(training.threads), "pairs_per_s": .number(rate),
                    "activation_bytes_per_pair": .integer(perPair), "implied_bytes_per_pair": .integer(implied),
                    "peak_rss_kb": .integer(AnnBench.status("VmHWM")), "kernels": .text(kernels),
                ]))
            return
        }
        print("\(configuration.name), batch \(batch), \(training.threads) threads, \(kernels)")
        print(String(format: "training  %9.2f pairs a second", rate))
        print(
            String(
                format: "memory    %d bytes of activations a pair, %.3f of the %d that the shapes imply; peak %d MiB",
                perPair, Double(perPair) / Double(implied), implied, AnnBench.status("VmHWM") >> 10))
    }

    private static func impliedByteCount(
        _ network: MCRNetwork, _ inputs: BenchInputs, _ tokenizer: Tokenizer, _ options: TrainingOptions
    ) -> Int {
        let patches = network.configuration.patchCount
        let kept = patches - options.imageMask.hidden(of: patches)
        let floats = inputs.cases.reduce(0) { sum, pair in
            let report = tokenizer.encode(pair.report, maxLength: network.configuration.maxTokens)
            // A quarter of the words, with the mean number of pieces per word.
            let hidden = (report.ids.count - 2) / 4
            return sum + network.storedFloatsOfAPair(kept: kept, tokens: report.ids.count, hiddenTokens: hidden)
        }
        return 4 * floats / inputs.cases.count
    }
}
