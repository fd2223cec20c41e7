import Foundation
import HilumCore
import HilumMCR
import HilumNN
import HilumPhantom

/// Measures images per second through the convolutional stem, each thread with images of its own.
///
/// `--write` saves the inputs and the features as raw 32-bit floats: `pixels.f32` `[n, S, S]` in 0…1 and `features.f32`
/// `[n, S/16, S/16, 112]`.
struct StemBench {
    static let usage = """
        usage: hilum-bench stem [--weights FILE] [--side S] [--images N] [--seconds S] [--threads T] [--cpu-time]
               [--write DIR] [--json]

        """

    private let options: BenchOptions

    init(_ arguments: [String]) throws {
        options = try BenchOptions(
            arguments, values: ["weights", "side", "images", "seconds", "threads", "write"],
            flags: ["json", "cpu-time"])
    }

    func run() throws {
        let side = try options.count("side", 224)
        guard side % 16 == 0 else { throw BenchError("--side takes a multiple of 16") }
        let count = try options.count("images", 8)
        let threads = try options.count("threads", defaultThreadCount)
        let seconds = try options.number("seconds", 2)
        let stem = try options.text("weights").map { try ConvolutionalStem.efficientNetLite0(path: $0) } ?? .builtIn()
        let generator = PhantomGenerator(seed: 1, site: .a, side: max(64, side))
        let pixels = (0..<count).flatMap { number in
            generator.makeCase(number).image.resized(width: side, height: side).samples.map { Float($0) * (1 / 65_535) }
        }
        let blockCount = stem.blocks.count
        let outputSide = stem.side(after: blockCount, of: side)
        let features = ParameterBuffer(count: count * outputSide * outputSide * stem.channels(after: blockCount))
        let workspaces = (0..<threads).map { _ in Workspace() }
        let input = ParameterBuffer(count: pixels.count)
        for (index, pixel) in pixels.enumerated() { input.pointer[index] = pixel }
        let pass: @Sendable () -> Void = {
            parallelRanges(count, threads: threads) { range, worker in
                stem.features(
                    of: input.pointer + range.lowerBound * side * side, count: range.count, side: side,
                    into: features.pointer + range.lowerBound * (features.count / count), workspaces[worker])
            }
        }
        let rate = EncoderBench.rate(count, seconds, BenchInputs.clock(options), pass)
        if let folder = options.text("write") {
            for (name, buffer) in [("pixels.f32", input), ("features.f32", features)] {
                // Safety: the buffer holds `count` floats and outlives the write.
                let bytes = UnsafeRawBufferPointer(start: buffer.pointer, count: 4 * buffer.count)
                try FileIO.writeAtomically("\(folder)/\(name)", Data(bytes))
            }
        }
        if options.has("json") {
            print(
                AnnBench.line([
                    "event": .text("stem"), "side": .integer(side), "threads": .integer(threads),
                    "images_per_s": .number(rate), "kernels": .text(NetworkKernels.set),
                ]))
        } else {
            print(String(format: "stem, %d pixels, %d threads: %.1f images a second", side, threads, rate))
        }
    }
}
