/// What went wrong in the viewer; the text says what to do and never holds report text, pixels or patient identifiers.
struct ViewError: Error, CustomStringConvertible, Sendable {
    /// What kind of fault it is.
    enum Code: Sendable, Equatable {
        /// A request of the page is not what the page sends.
        case badRequest
        /// An image that was sent before is not kept any more.
        case uploadGone
        /// The port cannot be had.
        case portTaken
        /// A file of the page is missing beside the program.
        case pageMissing
    }

    /// What kind of fault it is.
    let code: Code
    /// One sentence.
    let description: String

    init(_ code: Code, _ description: String) {
        self.code = code
        self.description = description
    }
}
