/// An argument that a verb takes, as one row of the table that parser, refusals, HELP and the README's reference share.
struct RequestOption: Sendable, Equatable {
    /// Before the equals sign.
    let name: String
    /// What stands behind it, for people.
    let value: String
    /// One sentence without a full stop.
    let meaning: String
    /// What other programs call it; whoever writes that is told the name.
    let otherNames: [String]
    /// Whether it may stand more than once.
    let isRepeatable: Bool

    init(
        _ name: String, _ value: String, _ meaning: String, otherNames: [String] = [], isRepeatable: Bool = false
    ) {
        self.name = name
        self.value = value
        self.meaning = meaning
        self.otherNames = otherNames
        self.isRepeatable = isRepeatable
    }

    /// Every request may have it.
    static let deadline = RequestOption(
        Request.deadlineKey, "N", "past so many milliseconds the reply is ERR DEADLINE")
    static let id = RequestOption("id", "ID", "the case")
}
