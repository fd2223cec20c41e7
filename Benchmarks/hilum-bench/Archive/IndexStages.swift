import Foundation
import HilumArchive
import HilumCore
import HilumEmbedding
import HilumImaging
import HilumMCR
import Synchronization

/// Where the processor's time of a run of `hilum index` goes, in seconds of one core.
///
/// Encoding is timed inside the run. Reading, decoding and the standard view are timed afterwards, on the same files and on as many
/// threads. What is left of the run is hashing, the store and the links.
struct IndexStages {
    /// Of the run, from start to end.
    var wall = 0.0
    /// Of the run, all threads.
    var processor = 0.0
    /// Reading the files.
    var read = 0.0
    /// Decoding and fitting into the square that the model asks for.
    var decode = 0.0
    /// The standard view of that square, where the model has one; a part of encoding in the run.
    var view = 0.0
    /// Embedding, without the view.
    var encode = 0.0

    /// Hashing, writing and linking.
    var rest: Double { max(0, processor - read - decode - view - encode) }

    /// The part of `threads` cores that the run kept busy.
    func busy(_ threads: Int) -> Double { wall > 0 ? processor / wall / Double(threads) : 0 }

    /// The stages in the order of the work.
    var named: [(name: String, seconds: Double)] {
        [("read", read), ("decode", decode), ("view", view), ("encode", encode), ("store", rest)]
    }

    /// Times the run itself.
    mutating func time<Result>(_ body: () throws -> Result) rethrows -> Result {
        let (start, startOfProcessor) = (monotonicSeconds(), processorSeconds(CLOCK_PROCESS_CPUTIME_ID))
        defer {
            wall = monotonicSeconds() - start
            processor = processorSeconds(CLOCK_PROCESS_CPUTIME_ID) - startOfProcessor
        }
        return try body()
    }

    /// Times a run, and then its stages.
    ///
    /// - Parameter run: indexes the files with the embedder that it is given, inside `time`.
    static func measured(
        _ files: [String], _ model: MCRModel, _ threads: Int,
        run: (any Embedder, inout IndexStages) throws -> Void
    ) throws -> IndexStages {
        var stages = IndexStages()
        let embedder = TimedEmbedder(model)
        try run(embedder, &stages)
        let configuration = model.configuration
        let parts = try IndexBench.map(files, threads) { file -> (Double, Double, Double) in
            let start = processorSeconds(CLOCK_THREAD_CPUTIME_ID)
            let bytes = try FileIO.read(file)
            let read = processorSeconds(CLOCK_THREAD_CPUTIME_ID)
            let image = try ImageDecoder.decode(bytes, fitting: model.imageSide ?? configuration.imageSide)
            let decoded = processorSeconds(CLOCK_THREAD_CPUTIME_ID)
            if configuration.view == .standard { _ = StandardView(of: image, side: configuration.imageSide) }
            return (read - start, decoded - read, processorSeconds(CLOCK_THREAD_CPUTIME_ID) - decoded)
        }
        for part in parts {
            stages.read += part.0
            stages.decode += part.1
            stages.view += part.2
        }
        stages.encode = max(0, embedder.seconds - stages.view)
        return stages
    }
}

/// A model whose embedding is timed, in seconds of the threads that embed.
private final class TimedEmbedder: Embedder {
    private let model: MCRModel
    private let total = Mutex(0.0)

    init(_ model: MCRModel) { self.model = model }

    var seconds: Double { total.withLock { $0 } }
    var modelID: String { model.modelID }
    var dimension: Int { model.dimension }
    var imageSide: Int? { model.imageSide }
    var imagesPerPass: Int { model.imagesPerPass }

    func knowsWords(of report: String) -> Bool { model.knowsWords(of: report) }

    func embed(images: [GrayImage], threads: Int) throws -> [Float] {
        try timed { try model.embed(images: images, threads: threads) }
    }

    func embed(reports: [String], threads: Int) throws -> [Float] {
        try timed { try model.embed(reports: reports, threads: threads) }
    }

    private func timed(_ body: () throws -> [Float]) rethrows -> [Float] {
        let start = processorSeconds(CLOCK_THREAD_CPUTIME_ID)
        defer {
            let passed = processorSeconds(CLOCK_THREAD_CPUTIME_ID) - start
            total.withLock { $0 += passed }
        }
        return try body()
    }
}

/// What a clock of the processor's time says, in seconds.
private func processorSeconds(_ clock: clockid_t) -> Double {
    var time = timespec()
    clock_gettime(clock, &time)
    return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
}
