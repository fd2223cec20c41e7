import Foundation

/// Benchmarks: `ann` speaks the contract of the side-by-side driver for nearest-neighbour indexes, `encode` and `train` that of
/// `tools/bench-encoders`.
@main
struct HilumBench {
    static func main() {
        var arguments = Array(CommandLine.arguments.dropFirst())
        let verb: String
        // The driver of the index benchmark calls a program with the options alone.
        if let first = arguments.first, ["ann", "encode", "train"].contains(first) {
            verb = first
            arguments.removeFirst()
        } else if arguments.first?.hasPrefix("--") == true && arguments.first != "--help" {
            verb = "ann"
        } else {
            let usage = AnnBench.usage + EncoderBench.usage + TrainingBench.usage
            FileHandle.standardError.write(Data(usage.utf8))
            exit(arguments.isEmpty || arguments.first == "--help" ? 0 : 2)
        }
        do {
            switch verb {
            case "encode": try EncoderBench(arguments).run()
            case "train": try TrainingBench(arguments).run()
            default: try AnnBench(arguments).run()
            }
        } catch {
            // A phase that fails says so on its line.
            print(AnnBench.line(["event": .text("error"), "error": .text("\(error)")]))
            FileHandle.standardError.write(Data("hilum-bench: \(error)\n".utf8))
            exit(1)
        }
    }
}
