import HilumImaging

/// What turns images and reports into unit vectors of one common space; `MCRModel` of HilumMCR is the built-in one.
///
/// Thread rule: any number of threads may embed at once.
public protocol Embedder: Sendable {
    /// SHA-256 over weights, vocabulary, preprocessing and dimension: 64 hexadecimal digits.
    var modelID: String { get }
    /// Floats a vector.
    var dimension: Int { get }
    /// What of a vector pictures and reports share; nil where they share all of it.
    var vectorParts: VectorParts? { get }

    /// Side of the square that images are fitted into before they are encoded; nil when it is not known.
    ///
    /// An image and its `resizedToFit(side:)` of this side have the same vector, so that nobody needs to keep large ones.
    var imageSide: Int? { get }
    /// How many images one pass of one thread takes at best.
    var imagesPerPass: Int { get }

    /// `[images.count, dimension]` row-major, each row of length 1. The row of an image does not depend on the others.
    func embed(images: [GrayImage], threads: Int) throws -> [Float]

    /// `[reports.count, dimension]` row-major, each row of length 1. The row of a report does not depend on the others.
    func embed(reports: [String], threads: Int) throws -> [Float]

    /// Whether the model knows enough of the words of a report that its vector tells it from others.
    ///
    /// An archive asks for reports in which its lexicon knows no word; one that is unknown to both gets no vector.
    func knowsWords(of report: String) -> Bool
}

extension Embedder {
    /// All is shared.
    public var vectorParts: VectorParts? { nil }
    /// Not known.
    public var imageSide: Int? { nil }
    /// One.
    public var imagesPerPass: Int { 1 }
    /// True: without a vocabulary nobody can tell.
    public func knowsWords(of report: String) -> Bool { true }
}
