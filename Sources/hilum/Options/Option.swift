/// An option of a verb as help shows it and `OptionParser` reads it.
struct Option: Sendable {
    /// Long name without the dashes.
    let name: String
    /// One letter, if the option has a short form.
    let letter: Character?
    /// How help calls the value (`N`, `FILE`); nil for a switch.
    let value: String?
    /// What it does, in one line or two.
    let help: String
    /// The environment variable that is read when the option is not given.
    let environment: String?

    /// An option that takes a value.
    static func value(
        _ name: String, _ value: String, _ help: String, letter: Character? = nil, environment: String? = nil
    ) -> Option {
        Option(name: name, letter: letter, value: value, help: help, environment: environment)
    }

    /// An option that is there or not.
    static func flag(_ name: String, _ help: String, letter: Character? = nil) -> Option {
        Option(name: name, letter: letter, value: nil, help: help, environment: nil)
    }

    static let json = Option.flag("json", "print JSON: one object, or one a line for lists")
    static let quiet = Option.flag("quiet", "no progress on standard error", letter: "q")
    static let help = Option.flag("help", "show this text", letter: "h")
    static let version = Option.flag("version", "show the version")
}
