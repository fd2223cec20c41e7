/// One verb of the program: how it is called, what its help says and what runs.
///
/// Each verb stands in a file of its own, `Command+Verb.swift`.
struct Command: Sendable {
    let name: String
    /// One line for the list of verbs.
    let summary: String
    /// What follows the name in a call, one form a line.
    let usage: [String]
    /// The operands a call must have, by the names in `usage`.
    let operands: [String]
    /// Whether more operands than those may follow.
    var allowsMoreOperands = false
    /// How many of `operands`, from the end, may be left out.
    var optionalOperandCount = 0
    let options: [Option]
    /// Sentences below the usage: what it does, what it prints, how it exits.
    let details: String
    /// Each a whole call that can be pasted, with a line on what it does.
    let examples: [(call: String, meaning: String)]
    let run: @Sendable (Arguments) throws -> ExitStatus

    /// Every verb of this release, in the order of help.
    static let all: [Command] = [
        .phantom, .train, .model, .embed, .initialise, .index, .search, .serve, .query, .eval, .explain, .pilot, .get,
        .delete,
        .stats,
        .check,
        .demo, .help,
    ]

    /// Verbs that the design names and this release does not have.
    static let unavailable = ["import", "export", "reembed", "compact", "snapshot", "restore"]

    static func named(_ name: String) -> Command? {
        all.first { $0.name == name }
    }
}

/// How the program ends; the numbers are part of the contract of the command line.
enum ExitStatus: Int32, Sendable {
    case done = 0
    case failed = 1
    case usage = 2
    case partlyDone = 3
    case notFound = 4
    case unreachable = 5
    case interrupted = 130
}

/// A sentence for standard error and the status the program ends with.
struct CommandError: Error, CustomStringConvertible {
    let status: ExitStatus
    let description: String

    init(_ status: ExitStatus, _ description: String) {
        self.status = status
        self.description = description
    }

    /// A call that is wrong by itself; the program adds where help stands.
    static func usage(_ description: String) -> CommandError {
        CommandError(.usage, description)
    }
}
