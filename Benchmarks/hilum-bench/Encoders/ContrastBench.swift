import Foundation
import HilumCore
import HilumNN

/// The three large products of the contrast of one batch, by OpenBLAS and by the kernels of the layers, in turns.
///
///     logits [B, B] = images [B, D] · reportsᵀ,   dImages [B, D] = G [B, B] · reports,   dReports [B, D] = Gᵀ · images
struct ContrastBench {
    static let usage = """
        usage: hilum-bench contrast [--batch N] [--dimension D] [--rounds R] [--json]

        Times of processor, the median and the fastest of R rounds, one thread.

        """

    private let options: BenchOptions

    init(_ arguments: [String]) throws {
        options = try BenchOptions(arguments, values: ["batch", "dimension", "rounds"], flags: ["json"])
    }

    func run() throws {
        let batch = try options.count("batch", 1_024)
        let dimension = try options.count("dimension", 128)
        let rounds = try options.count("rounds", 40)
        let blas = try OpenBLAS.load()
        var generator = SeededGenerator(seed: 1)
        func random(_ count: Int) -> [Float] { (0..<count).map { _ in Float(generator.normal()) * 0.1 } }
        let (images, reports) = (random(batch * dimension), random(batch * dimension))
        let gradient = random(batch * batch)
        var logits = [Float](repeating: 0, count: batch * batch)
        var dImages = [Float](repeating: 0, count: batch * dimension)
        var dReports = dImages
        var times: (openBLAS: [Double], own: [Double]) = ([], [])
        for _ in 0...rounds {
            times.openBLAS.append(
                Self.threadSeconds {
                    blas.multiply(
                        images, stride: dimension, reports, secondTransposed: true, stride: dimension, into: &logits,
                        stride: batch, m: batch, n: batch, k: dimension)
                    blas.multiply(
                        gradient, stride: batch, reports, stride: dimension, into: &dImages, stride: dimension,
                        m: batch, n: dimension, k: batch)
                    blas.multiply(
                        gradient, transposed: true, stride: batch, images, stride: dimension, into: &dReports,
                        stride: dimension, m: batch, n: dimension, k: batch)
                })
            times.own.append(
                Self.threadSeconds {
                    NetworkKernels.multiply(
                        images, stride: dimension, reports, secondTransposed: true, stride: dimension, into: &logits,
                        stride: batch, m: batch, n: batch, k: dimension)
                    NetworkKernels.multiply(
                        gradient, stride: batch, reports, stride: dimension, into: &dImages, stride: dimension,
                        m: batch, n: dimension, k: batch)
                    NetworkKernels.multiply(
                        gradient, transposed: true, stride: batch, images, stride: dimension, into: &dReports,
                        stride: dimension, m: batch, n: dimension, k: batch)
                })
        }
        // The first round warms up.
        let openBLAS = times.openBLAS.dropFirst().sorted().map { $0 * 1e3 }
        let own = times.own.dropFirst().sorted().map { $0 * 1e3 }
        if options.has("json") {
            print(
                AnnBench.line([
                    "event": .text("contrast"), "batch": .integer(batch), "dimension": .integer(dimension),
                    "openblas_ms": .number(openBLAS[rounds / 2]), "openblas_fastest_ms": .number(openBLAS[0]),
                    "own_ms": .number(own[rounds / 2]), "own_fastest_ms": .number(own[0]),
                    "openblas_kernels": .text(blas.kernelSet), "own_kernels": .text(NetworkKernels.set),
                ]))
            return
        }
        print("three products of a contrast, batch \(batch), dimension \(dimension), one thread")
        print(
            String(
                format: "OpenBLAS (%@)  %8.2f ms, fastest %8.2f ms", blas.kernelSet, openBLAS[rounds / 2], openBLAS[0]))
        print(
            String(format: "own kernels (%@)  %8.2f ms, fastest %8.2f ms", NetworkKernels.set, own[rounds / 2], own[0]))
    }

    /// Seconds of processor time of this thread, whatever else the machine does.
    private static func threadSeconds(_ body: () -> Void) -> Double {
        func now() -> Double {
            var time = timespec()
            clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
            return Double(time.tv_sec) + Double(time.tv_nsec) * 1e-9
        }
        let start = now()
        body()
        return now() - start
    }
}
