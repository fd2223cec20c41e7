import Foundation

/// Benchmarks: `hilum-bench ann …` speaks the contract of the side-by-side driver for nearest-neighbour indexes;
/// `hilum-bench explain` measures where heat maps point;
/// `hilum-bench plot …` draws figures in JSON.
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
        if arguments.first == "plot" { plot(Array(arguments.dropFirst())) }
        // The driver calls a program with the options alone.
        if arguments.first == "ann" {
            arguments.removeFirst()
        } else if arguments.first?.hasPrefix("--") != true {
            FileHandle.standardError.write(Data((AnnBench.usage + ExplainBench.usage + PlotCommand.usage).utf8))
            exit(arguments.isEmpty ? 0 : 2)
        }
        do {
            try AnnBench(arguments).run()
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
