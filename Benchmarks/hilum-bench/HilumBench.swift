import Foundation

/// The benchmarks. `--help` prints the usage of each.
///
/// | verb | what it measures or does |
/// | --- | --- |
/// | `ann` | one index, as `tools/bench-index` calls it |
/// | `churn` | an index while vectors come and go |
/// | `archive` | opening an archive: time to the first answer, and memory |
/// | `serve` | a running daemon: latency and requests a second |
/// | `index` | `hilum index` beside the encoder alone |
/// | `encode`, `train` | the encoders and their training, as `tools/bench-encoders` calls them |
/// | `stem` | the convolutional stem, as `tools/bench-encoders` calls it |
/// | `contrast` | the products of a contrast, by OpenBLAS and by Hilum's kernels |
/// | `inputs` | writes what the linear ways read, for `tools/solve-ways` |
/// | `explain` | where heat maps point |
/// | `findings` | what reports are read to say, against labels, and how fast |
/// | `plot` | draws figures in JSON as line plots |
@main
struct HilumBench {
    static func main() {
        var arguments = Array(CommandLine.arguments.dropFirst())
        if arguments.first == "explain" {
            do {
                exit(try ExplainBench(Array(arguments.dropFirst())).run() ? 0 : 1)
            } catch {
                FileHandle.standardError.write(Data("hilum-bench: \(error)\n\(ExplainBench.usage)".utf8))
                exit(2)
            }
        }
        if arguments.first == "findings" {
            do {
                exit(try FindingsBench(Array(arguments.dropFirst())).run() ? 0 : 1)
            } catch {
                FileHandle.standardError.write(Data("hilum-bench: \(error)\n\(FindingsBench.usage)".utf8))
                exit(2)
            }
        }
        if arguments.first == "archive" {
            do {
                var bench = try ArchiveBench(Array(arguments.dropFirst()))
                exit(try bench.run() ? 0 : 1)
            } catch {
                FileHandle.standardError.write(Data("hilum-bench: \(error)\n\(ArchiveBench.usage)".utf8))
                exit(2)
            }
        }
        if arguments.first == "serve" {
            do {
                var bench = try ServeBench(Array(arguments.dropFirst()))
                exit(try bench.run() ? 0 : 1)
            } catch {
                FileHandle.standardError.write(Data("hilum-bench: \(error)\n\(ServeBench.usage)".utf8))
                exit(2)
            }
        }
        if arguments.first == "plot" { plot(Array(arguments.dropFirst())) }
        let verb: String
        // The driver of the index benchmark calls a program with the options alone.
        if let first = arguments.first,
            ["ann", "encode", "stem", "train", "contrast", "index", "inputs", "churn"].contains(first)
        {
            verb = first
            arguments.removeFirst()
        } else if arguments.first?.hasPrefix("--") == true && arguments.first != "--help" {
            verb = "ann"
        } else {
            let usages = [
                AnnBench.usage, ChurnBench.usage, EncoderBench.usage, StemBench.usage, TrainingBench.usage,
                ContrastBench.usage, WayInputsBench.usage,
                IndexBench.usage, ArchiveBench.usage, ServeBench.usage, ExplainBench.usage,
                FindingsBench.usage,
                PlotCommand.usage,
            ]
            FileHandle.standardError.write(Data(usages.joined().utf8))
            exit(arguments.isEmpty || arguments.first == "--help" ? 0 : 2)
        }
        do {
            switch verb {
            case "encode": try EncoderBench(arguments).run()
            case "index": try IndexBench(arguments).run()
            case "stem": try StemBench(arguments).run()
            case "inputs": try WayInputsBench(arguments).run()
            case "train": try TrainingBench(arguments).run()
            case "contrast": try ContrastBench(arguments).run()
            case "churn": try ChurnBench(arguments).run()
            default: try AnnBench(arguments).run()
            }
        } catch {
            // A phase that fails says so on its line.
            print(AnnBench.line(["event": .text("error"), "error": .text("\(error)")]))
            FileHandle.standardError.write(Data("hilum-bench: \(error)\n".utf8))
            exit(1)
        }
    }

    private static func plot(_ words: [String]) -> Never {
        do {
            try PlotCommand(words).run()
            exit(0)
        } catch {
            FileHandle.standardError.write(Data("hilum-bench plot: \(error)\n".utf8))
            if words.isEmpty { FileHandle.standardError.write(Data(PlotCommand.usage.utf8)) }
            exit(words.isEmpty ? 2 : 1)
        }
    }
}
