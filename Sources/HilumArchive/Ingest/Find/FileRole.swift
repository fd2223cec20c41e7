/// What a file is taken for, by its name alone.
package enum FileRole: Sendable, Equatable {
    /// PNG, JPEG or DICOM, or a file without an ending, as DICOM files often are; the content decides.
    case image
    /// A report.
    case text
    /// JSON beside an image or a report: what is known about the case.
    case record
    /// `cases.jsonl` or `cases.csv`.
    case manifest
    /// Another table, which may be one of a known data set; also one that gzip packed.
    case table
    /// XML, which may be a report of Open-i.
    case markup
    /// Reports as other systems send them: messages of HL7, or, by its content, a structured report of DICOM.
    case message
    /// No case, and why.
    case passedOver(String)

    private static let images: Set<String> = ["png", "jpg", "jpeg", "dcm", "dicom"]
    /// Pictures that are not read, by their endings.
    private static let otherPictures = [
        "webp": "WEBP", "tif": "TIFF", "tiff": "TIFF", "gif": "GIF", "heic": "HEIC", "heif": "HEIC", "avif": "AVIF",
        "bmp": "BMP", "jp2": "JPEG 2000", "j2k": "JPEG 2000", "jxl": "JPEG XL",
    ]
    private static let unfinished: Set<String> = [
        "tmp", "part", "partial", "crdownload", "swp", "filepart", "download",
    ]
    private static let documents: Set<String> = [
        "readme", "read_me", "license", "licence", "copying", "copyright", "notice", "changelog", "changes", "authors",
        "contributing", "citation", "requirements", "index", "sha256sums", "sha1sums", "md5sums", "checksums",
        "robots", "makefile", "dockerfile", "dicomdir", "version",
    ]
    /// What file managers, NAS devices and archivers leave behind.
    private static let litter: Set<String> = [
        "thumbs.db", "desktop.ini", "@eadir", "__macosx", "#recycle", "$recycle.bin", "lost+found",
        "system volume information",
    ]

    /// A file of this name.
    package init(name: String) {
        if let reason = Self.reasonToSkip(name) {
            self = .passedOver(reason)
            return
        }
        let ending = Self.ending(of: name)
        let stem = Self.stem(of: name).lowercased()
        if ["txt", "csv", "tsv", "json", "xml", "jsonl", "ndjson", ""].contains(ending), Self.documents.contains(stem) {
            self = .passedOver("document")
            return
        }
        switch ending {
        case "txt": self = .text
        case "json": self = .record
        case "jsonl", "ndjson", "csv", "tsv":
            self = stem == "cases" && ["jsonl", "csv"].contains(ending) ? .manifest : .table
        case "gz" where ["csv", "tsv"].contains(Self.ending(of: Self.stem(of: name))): self = .table
        case "xml": self = .markup
        case "hl7", "oru": self = .message
        case "": self = .image
        case _ where Self.images.contains(ending): self = .image
        default:
            let picture = Self.otherPictures[ending].map { "\($0) picture; convert it to PNG or JPEG" }
            self = .passedOver(picture ?? "other kind (.\(ending))")
        }
    }

    /// Why a file or folder of this name is not looked at; nil for one that is.
    package static func reasonToSkip(_ name: String) -> String? {
        let lower = name.lowercased()
        if name.isEmpty || name.hasPrefix(".") || litter.contains(lower) { return "hidden" }
        if name.hasSuffix("~") || lower.contains(".tmp-") || unfinished.contains(ending(of: name)) {
            return "unfinished"
        }
        return nil
    }

    /// What follows the last dot, in lower case; empty without one. Digits are part of the name, as in `1.2.840.10008`.
    static func ending(of name: String) -> String {
        guard let dot = name.lastIndex(of: "."), dot != name.startIndex else { return "" }
        let ending = name[name.index(after: dot)...].lowercased()
        return ending.isEmpty || ending.allSatisfy(\.isNumber) ? "" : ending
    }

    /// The name without its ending.
    static func stem(of name: String) -> String {
        let ending = ending(of: name)
        return ending.isEmpty ? name : String(name.dropLast(ending.count + 1))
    }

    /// Whether a file of this name is an image by its ending.
    static func isNamedAsImage(_ name: String) -> Bool { images.contains(ending(of: name)) }
}
