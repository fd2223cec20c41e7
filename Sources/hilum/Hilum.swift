import Foundation
import HilumCore
import HilumServer

/// The program `hilum`: finds the verb, reads its options, runs it and turns what happened into a sentence and a status.
///
/// ```
/// words → Command (Command+Verb.swift) → Arguments (OptionParser, getopt_long) → run → ExitStatus
/// ```
/// | file | what |
/// | --- | --- |
/// | `Command.swift`, `Command+….swift` | the verbs, one a file |
/// | `Option.swift`, `OptionParser.swift`, `Arguments.swift` | options, their parser, checked access to them |
/// | `Help.swift` | overview and pages |
/// | `Output.swift`, `JSON.swift` | standard output, tables, JSON |
/// | `Interruption.swift` | Ctrl-C during long work |
/// | `PilotInput.swift`, `PilotReport.swift`, `PilotVerdict.swift` | a trial: its cases, its figures, its sentences |
/// | `PilotPage.swift`, `PilotChart.swift`, `HTML.swift` | the page of a trial |
@main
struct Hilum {
    static func main() {
        // A parent may have blocked signals, and a child inherits that: a daemon would then not hear SIGTERM.
        var none = sigset_t()
        sigemptyset(&none)
        pthread_sigmask(SIG_SETMASK, &none, nil)
        // A peer or reader that goes away shows as an error of the write, never as a signal.
        signal(SIGPIPE, SIG_IGN)
        exit(run(Array(CommandLine.arguments.dropFirst())).rawValue)
    }

    /// Runs one call; everything it has to say is written before it returns.
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
            standardOutputLine("hilum \(Help.version)")
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
            standardError("hilum \(command.name): \(error)\(hint)\n")
            return error.status
        } catch {
            standardError("hilum \(command.name): \(sentence(for: error))\n")
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
        if Command.unavailable.contains(verb) {
            standardError("hilum: '\(verb)' is not available in this release; 'hilum help' lists what is\n")
        } else if verb.hasPrefix("-") {
            standardError("hilum: unknown option '\(verb)'; a call begins with a verb, see 'hilum help'\n")
        } else {
            let near = nearest(to: verb, among: Command.all.map(\.name)).map { "; did you mean '\($0)'?" } ?? ""
            standardError("hilum: unknown verb '\(verb)'\(near.isEmpty ? ";" : near) see 'hilum help'\n")
        }
        return .usage
    }

    /// What an error says; Foundation's own errors say it in `localizedDescription`.
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
