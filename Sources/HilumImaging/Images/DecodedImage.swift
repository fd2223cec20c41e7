/// An image, and what is worth knowing of how it was read.
public struct DecodedImage: Sendable, Equatable {
    /// What is worth knowing of a picture that was read.
    public enum Note: Sendable, Equatable, CustomStringConvertible {
        /// All of it is one even grey.
        case blank
        /// The decoder found something odd, but every pixel is there; the text is the decoder's.
        case warning(String)
        /// Text stands near its border, so many letters in the longest line (`BorderText`); looked for only where that is asked.
        case text(letters: Int)

        /// A part of a sentence for the user.
        public var description: String {
            switch self {
            case .blank: "the picture is one even grey, and nothing can be seen in it"
            case .warning(let reason): "the decoder warned (\(reason)), but the picture is whole"
            case .text(let letters): "text stands near its border (a line of \(letters) letters)"
            }
        }
    }

    /// The image.
    public let image: GrayImage
    /// In no order; most often none.
    public let notes: [Note]

    /// With a note if it is blank.
    func notingBlank() -> DecodedImage { image.isBlank ? DecodedImage(image: image, notes: notes + [.blank]) : self }

    /// With a note if text stands near its border.
    func notingText() -> DecodedImage {
        guard let line = BorderText.lines(in: image).first else { return self }
        return DecodedImage(image: image, notes: notes + [.text(letters: line.letterCount)])
    }
}
