/// One verb of the program: its usage, its help and its implementation.
///
/// Each verb has a file of its own, `Verbs/Command+Verb.swift`.
struct Command: Sendable {
    let name: String
    /// One line in the list of verbs.
    let summary: String
    /// What follows the name, one form per line.
    let usage: [String]
    /// The required operands, by their names in `usage`.
    let operands: [String]
    /// Whether more operands may follow.
    var allowsMoreOperands = false
    /// How many of the last `operands` are optional.
    var optionalOperandCount = 0
    let options: [Option]
    /// The text below the usage: what it does, what it prints, how it exits.
    let details: String
    /// Complete commands, each with a line on what it does.
    let examples: [(call: String, meaning: String)]
    let run: @Sendable (Arguments) throws -> ExitStatus

    /// Every verb of this release, in the order of the help.
    static let all: [Command] = [
        .phantom, .train, .federate, .model, .embed, .initialise, .index, .search, .view, .report, .quarantine, .serve,
        .follow,
        .query,
        .eval, .explain, .pilot,
        .findings, .get,
        .delete,
        .stats, .facet,
        .check,
        .reembed, .importVectors, .export, .snapshot, .restore, .compact, .mcp,
        .demo, .help,
    ]

    static func named(_ name: String) -> Command? {
        all.first { $0.name == name }
    }
}

/// The exit status of the program. Scripts rely on these numbers.
enum ExitStatus: Int32, Sendable {
    case done = 0
    case failed = 1
    case usage = 2
    case partlyDone = 3
    case notFound = 4
    case unreachable = 5
    case interrupted = 130
}

/// A sentence for standard error and the exit status.
struct CommandError: Error, CustomStringConvertible {
    let status: ExitStatus
    let description: String

    init(_ status: ExitStatus, _ description: String) {
        self.status = status
        self.description = description
    }

    /// A usage error; the program adds a hint to the help.
    static func usage(_ description: String) -> CommandError {
        CommandError(.usage, description)
    }
}
