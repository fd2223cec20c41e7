import Foundation
import HilumCore
import HilumDocuments

/// Where the image of a case comes from.
public enum ImageSource: Sendable, Equatable {
    /// A file that stays where it is; the archive keeps its absolute path and its SHA-256.
    case file(String)
    /// The bytes of a PNG or JPEG file; the archive keeps them.
    case bytes([UInt8])
}

/// One image of a case to be stored.
public struct CaseImage: Sendable, Equatable {
    /// Where it comes from.
    public var source: ImageSource
    /// From where it was made, such as `LATERAL`; nil when only the case's own view is known.
    public var view: String?

    /// An image.
    public init(_ source: ImageSource, view: String? = nil) {
        self.source = source
        self.view = view
    }
}

/// A case to be stored: images, a report or both, and what is known about them.
public struct CaseInput: Sendable, Equatable {
    /// Names the case in the archive: 1 to 255 bytes of UTF-8 without control characters.
    public var id: String
    /// None for a case without an image; several views of one study have a vector each.
    public var images: [CaseImage]
    /// Nil for a case without a report.
    public var report: String?
    /// What else is known.
    public var fields: CaseFields
    /// The files or the row that it was read from; nil for a case that was put by itself.
    package var origin: CaseOrigin?
    /// Whether the stored case keeps its images with their vectors, which need not be readable any more; `images` is empty then.
    package var keepsImages = false
    /// What the stored case of the same source holds and these files do not; nothing of it is taken where they are another patient's.
    package var carried: CarriedFields?
    /// Whether `fields` are in the form in which they may be stored, and nothing of them is to be hidden again.
    package var isDeidentified = false
    /// Whose case it is, as its source said before that was hidden; in memory alone.
    package var person: String?
    /// What the message of its report says besides; in memory alone.
    package var document: ReportDocument?
    /// Why its files make no case, so that the archive remembers it; nil for one that may be stored.
    package var refusal: ArchiveError?
    /// Further images of it, which cannot be read; the case is stored without them.
    package var lostImages: [LostImage] = []
    /// Images of it, by SHA-256, that a person gives back to it from the quarantine; the decision is stored with the case.
    package var releases: Set<[UInt8]> = []

    /// A case; it needs an image or a report to be stored.
    public init(id: String, image: ImageSource? = nil, report: String? = nil, fields: CaseFields = CaseFields()) {
        self.id = id
        images = image.map { [CaseImage($0)] } ?? []
        self.report = report
        self.fields = fields
    }

    /// The first image; setting it replaces all of them.
    public var image: ImageSource? {
        get { images.first?.source }
        set { images = newValue.map { [CaseImage($0)] } ?? [] }
    }

    /// How many vectors the case will have, if words of its report are known.
    public var vectorCount: Int { images.count + (report == nil ? 0 : 1) }

    /// Whether it has texts that may name somebody.
    var hasTexts: Bool { report != nil || document != nil || !fields.metadata.isEmpty || !fields.findings.isEmpty }

    /// Brings the case into form (empty texts are none, paths absolute) and refuses what an archive does not take.
    ///
    /// - Throws: `.badRequest` or `.limit`, with the id of the case.
    mutating func settle() throws(ArchiveError) {
        id = CaseID.canonical(id)
        try CaseID.check(id)
        if report?.allSatisfy(\.isWhitespace) == true { report = nil }
        guard vectorCount > 0 || keepsImages else {
            throw ArchiveError(.badRequest, "\(id): a case needs an image or a report")
        }
        guard (report?.utf8.count ?? 0) <= ArchiveLimits.reportByteCount else {
            throw ArchiveError(.limit, "\(id): the report is longer than \(ArchiveLimits.reportByteCount) bytes")
        }
        guard !(report.map(ReportFile.holdsMessage) ?? false) else {
            throw ArchiveError(
                .badRequest,
                "\(id): the report is an HL7 message behind other words; give the message itself, from MSH on, as a file"
            )
        }
        guard images.count <= ArchiveLimits.imageCount else {
            throw ArchiveError(.limit, "\(id): a case may have \(ArchiveLimits.imageCount) images")
        }
        for place in images.indices {
            if images[place].view == "" { images[place].view = nil }
            guard (images[place].view?.utf8.count ?? 0) <= ArchiveLimits.fieldByteCount else {
                throw ArchiveError(.limit, "\(id): a field is longer than \(ArchiveLimits.fieldByteCount) bytes")
            }
            switch images[place].source {
            case .bytes(let bytes) where bytes.count > ArchiveLimits.imageByteCount:
                throw ArchiveError(.limit, "\(id): the image is larger than \(ArchiveLimits.imageByteCount) bytes")
            case .file(let path) where !FilePath.isAbsolute(path):
                images[place].source = .file(FileManager.default.currentDirectoryPath + "/" + path)
            default: break
            }
        }
        try fields.settle(for: id)
    }
}

/// A stored case.
public struct CaseRecord: Sendable, Equatable {
    /// Names the case in the archive.
    public var id: String
    /// Names this version of the case: never used again, and its vectors never change.
    public var number: UInt32
    /// Of the vectors; a change of model begins a new one.
    public var generation: UInt32
    /// One image.
    public struct Image: Sendable, Equatable {
        /// Where it lies: as given for a file, inside of the archive for bytes; empty where only its vector was imported.
        public var path: String
        /// SHA-256 of its bytes, or of its vector where there is no picture, 64 hexadecimal digits.
        public var digest: String
        /// From where it was made, if it is known of this image.
        public var view: String?
    }

    /// Its images, in the order in which they were given.
    public var images: [Image]
    /// Whether it has a report.
    public var hasReport: Bool
    /// The report; nil when there is none, when only its vector was imported, and when the request did not ask for it.
    public var report: String?
    /// What else is known.
    public var fields: CaseFields
    /// The files or the row that it was read from: `FOLDER/ID` or `MANIFEST#ID`; nil for a case that was put by itself, and where an
    /// older release did not note it.
    public var source: String?
    /// Whether the archive hides names, so that nobody is shown where its images lie and what it was read from; `id` is a pseudonym then.
    public var hidesNames = false

    /// Whether it has an image.
    public var hasImage: Bool { !images.isEmpty }
    /// Where the first image lies; nil where there is no picture of it.
    public var imagePath: String? { images.first.flatMap { $0.path.isEmpty ? nil : $0.path } }
}

/// What became of a case that was put.
public enum PutOutcome: Sendable, Equatable {
    /// On disk, with a vector for each image and one for the report, unless no word of it is known.
    /// `notes` say what is odd about its images, each in a part of a sentence.
    case stored(vectors: Int, notes: [String] = [])
    /// On disk in place of another version of the case; likewise.
    case replaced(vectors: Int, notes: [String] = [])
    /// The same case was there already, with so many vectors.
    case unchanged(vectors: Int)
    /// Left out: it was deleted before, and its files hold the same.
    case deleted
    /// Not stored; the error says why.
    case refused(ArchiveError)
}

/// The two kinds of vectors that a case may have; both lie in one common space.
public enum VectorKind: String, Sendable, CaseIterable {
    case image, report
}

/// What an archive takes.
public enum ArchiveLimits {
    /// UTF-8 bytes of an id.
    public static let idByteCount = 255
    /// UTF-8 bytes of a report.
    public static let reportByteCount = 1 << 20
    /// A metadata key or value, a patient, a finding ….
    public static let fieldByteCount = 4096
    /// Findings and keys of free metadata together.
    public static let fieldCount = 256
    /// Images of a case.
    public static let imageCount = 64
    /// Bytes of an image file.
    public static let imageByteCount = 64 << 20
    /// Hits of one search.
    public static let hitCount = 10_000
    /// The breadth of a graph search.
    public static let ef = 100_000
    /// Values of all conditions of a filter; each is looked up or compared with every value of its key.
    public static let filterValueCount = 256
    /// Floats a vector.
    static let dimension = 65_536
    /// Cases of one transaction.
    public static let batchCount = 64
}
