import HilumImaging

/// Which files are images: by name to find them, by content to choose one.
enum ImageKind {
    private static let endings: Set<String> = ["png", "jpg", "jpeg", "dcm", "dicom"]

    static func isNamedAsImage(_ name: String) -> Bool {
        guard let dot = name.lastIndex(of: ".") else { return false }
        return endings.contains(name[name.index(after: dot)...].lowercased())
    }

    /// Whether a file that begins with `head` is of a kind that can be decoded.
    static func isImage(_ head: [UInt8]) -> Bool { ImageDecoder.format(of: head) != nil }
}
