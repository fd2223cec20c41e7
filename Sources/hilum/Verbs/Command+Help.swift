import HilumCore

extension Command {
    static let help = Command(
        name: "help",
        summary: "this list, or the page of a verb",
        usage: ["[VERB]"],
        operands: ["VERB"],
        optionalOperandCount: 1,
        options: [],
        details: "Shows the list of verbs, or the usage, options and examples of one.",
        examples: [("hilum help search", "shows how to search")],
        run: { arguments in
            guard let verb = arguments.operands.first else {
                standardOutput(Help.overview)
                return .done
            }
            if let command = Command.named(verb) {
                standardOutput(Help.page(command))
                return .done
            }
            let near = nearest(to: verb, among: Command.all.map(\.name)).map { "; did you mean '\($0)'?" } ?? ""
            throw CommandError.usage("there is no verb '\(verb)'\(near)")
        })
}
