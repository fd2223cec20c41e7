/// An option of a verb, for help and for `OptionParser`.
struct Option: Sendable {
    /// Long name without the dashes.
    let name: String
    /// One letter, if the option has a short form.
    let letter: Character?
    /// The name of the value in help (`N`, `FILE`); nil for a switch.
    let value: String?
    /// What it does, in one or two lines.
    let help: String
    /// The environment variable that is read if the option is not given.
    let environment: String?

    /// An option that takes a value.
    static func value(
        _ name: String, _ value: String, _ help: String, letter: Character? = nil, environment: String? = nil
    ) -> Option {
        Option(name: name, letter: letter, value: value, help: help, environment: environment)
    }

    /// A switch without a value.
    static func flag(_ name: String, _ help: String, letter: Character? = nil) -> Option {
        Option(name: name, letter: letter, value: nil, help: help, environment: nil)
    }

    static let json = Option.flag("json", "print JSON: one object, or one a line for lists")
    static let force = Option.flag("force", "replace an output file that is there already")
    static let quiet = Option.flag("quiet", "no progress on standard error", letter: "q")
    static let reportFilter = Option.value(
        "report-filter", "CMD",
        "a program that each report goes through before it is stored, a line of JSON in and out; see the README",
        environment: "HILUM_REPORT_FILTER")
    static let help = Option.flag("help", "show this text", letter: "h")
    static let version = Option.flag("version", "show the version")
}
