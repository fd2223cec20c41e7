import Foundation

/// Benchmarks: `hilum-bench ann …` speaks the contract of the side-by-side driver for nearest-neighbour indexes.
@main
struct HilumBench {
    static func main() {
        var arguments = Array(CommandLine.arguments.dropFirst())
        // The driver calls a program with the options alone.
        if arguments.first == "ann" {
            arguments.removeFirst()
        } else if arguments.first?.hasPrefix("--") != true {
            FileHandle.standardError.write(Data(AnnBench.usage.utf8))
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
}
