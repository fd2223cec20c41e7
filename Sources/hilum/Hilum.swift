import Foundation
import HilumCore
import HilumServer

/// The program `hilum`: finds the verb, parses its options, runs it, and reports the outcome as a sentence and an exit status.
///
/// ```
/// words → Command (Command+Verb.swift) → Arguments (OptionParser, getopt_long) → run → ExitStatus
/// ```
/// | folder, file | contents |
/// | --- | --- |
/// | `Command.swift` | what a verb is; exit statuses; the list of verbs |
/// | `Interruption.swift` | Ctrl-C during long work |
/// | `Verbs/` | the verbs, one per file |
/// | `Options/` | options, their parser, validated access to them, help |
/// | `Access/` | opening archives and loading models |
/// | `Output/` | standard output, tables, JSON, HTML, NumPy files; `OutputFile`, through which verbs write |
/// | `MCP/` | the Model Context Protocol: its tools, and the bridge to a daemon |
/// | `Pilot/` | a pilot: its cases, results, conclusions and page |
@main
struct Hilum {
    static func main() {
        // A child inherits blocked signals from its parent. A daemon would then ignore SIGTERM.
        var none = sigset_t()
        sigemptyset(&none)
        pthread_sigmask(SIG_SETMASK, &none, nil)
        // A closed pipe or socket should be an error of the write, never a signal.
        signal(SIGPIPE, SIG_IGN)
        exit(run(Array(CommandLine.arguments.dropFirst())).rawValue)
    }

    /// Runs one command. All output is written before it returns.
    static func run(_ words: [String]) -> ExitStatus {
        guard let verb = words.first else {
            standardError(Help.overview)
            return .usage
        }
        switch verb {
        case "--help", "-h":
            standardOutput(Help.overview)
            return .done
        case "--version", "-V":
            standardOutputLine("hilum \(Release.version)")
            return .done
        default: break
        }
        guard let command = Command.named(verb) else { return complain(unknown: verb) }
        let rest = Array(words.dropFirst())
        do {
            return try run(command, rest)
        } catch let error as CommandError {
            let stop = error.description.hasSuffix("?") ? "" : ";"
            let hint = error.status == .usage ? "\(stop) see 'hilum help \(command.name)'" : ""
            standardError(onOneLine("hilum \(command.name): \(error)\(hint)") + "\n")
            return error.status
        } catch {
            standardError(onOneLine("hilum \(command.name): \(sentence(for: error))") + "\n")
            return status(for: error)
        }
    }

    private static func run(_ command: Command, _ words: [String]) throws -> ExitStatus {
        let parser = OptionParser(options: command.options + [.help])
        let arguments = try parser.parse(words, environment: ProcessInfo.processInfo.environment)
        if arguments.has("help") {
            standardOutput(Help.page(command))
            return .done
        }
        let count = arguments.operands.count
        let neededCount = command.operands.count - command.optionalOperandCount
        if count < neededCount { throw CommandError.usage("\(command.operands[count]) is missing") }
        if count > command.operands.count && !command.allowsMoreOperands {
            throw CommandError.usage("'\(arguments.operands[command.operands.count])' is one operand too many")
        }
        return try command.run(arguments)
    }

    private static func complain(unknown verb: String) -> ExitStatus {
        if verb.hasPrefix("-") {
            standardError(
                onOneLine("hilum: unknown option '\(verb)'; a call begins with a verb, see 'hilum help'") + "\n")
        } else {
            let near = nearest(to: verb, among: Command.all.map(\.name)).map { "; did you mean '\($0)'?" } ?? ""
            standardError(
                onOneLine("hilum: unknown verb '\(verb)'\(near.isEmpty ? ";" : near) see 'hilum help'") + "\n")
        }
        return .usage
    }

    /// The text of an error. Foundation's own errors keep it in `localizedDescription`.
    static func sentence(for error: any Error) -> String {
        switch error {
        case is CocoaError, is POSIXError, is URLError: error.localizedDescription
        default: String(describing: error)
        }
    }

    private static func status(for error: any Error) -> ExitStatus {
        if let error = error as? ServerError, error.code == .unreachable { return .unreachable }
        return .failed
    }
}
