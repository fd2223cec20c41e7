import HilumCore
import HilumImaging

/// Looks at the pictures that imported lines name, in an archive that takes identifiers out: a picture into which words may be written does
/// not come in by a line, as nothing could be set aside of it that a person gives back later.
///
/// Thread rule: an immutable value; any number of threads.
struct PictureGate: Sendable {
    /// A picture that was looked at.
    struct Picture {
        var digest: [UInt8]
        /// What its tags say, if it is a DICOM file.
        var tags: DICOMDescription?
    }

    private let archive: Archive
    private let privacy: Deidentifier
    /// What was decided of pictures that were set aside, by SHA-256 and id of the case as it is shown.
    private let decided: [[UInt8]: [String: QuarantineEntry.State]]

    /// Whether pictures were looked at in the archive that the lines come from; what was decided of them here still counts.
    private let isOpen: Bool

    /// - Throws: `.damaged`, `.io`.
    init(_ archive: Archive, isOpen: Bool = false) throws {
        self.archive = archive
        self.isOpen = isOpen
        privacy = archive.privacy
        var decided: [[UInt8]: [String: QuarantineEntry.State]] = [:]
        if privacy.isOn {
            for entry in try archive.store.environment.read({ try archive.store.quarantine($0) }) {
                decided[entry.image.digest, default: [:]][archive.store.shownID(entry.id)] = entry.state
            }
        }
        self.decided = decided
    }

    /// The picture at `path`; nil where it cannot be read, or not be looked at though it must be.
    ///
    /// - Parameters:
    ///   - id: of its case.
    ///   - isStored: whether the stored case has a picture of this digest, which was looked at when it came.
    /// - Throws: `.badRequest` for one that a person has to look at, or dropped.
    func picture(
        at path: String, of id: String, isStored: ([UInt8]) -> Bool
    ) throws(ArchiveError) -> Picture? {
        guard privacy.isOn else {
            guard let file = try? FileIO.digest(path), let digest = bytes(ofHexadecimal: file.sha256) else {
                return nil
            }
            return Picture(digest: digest)
        }
        guard let bytes = try? FileIO.read(path, limitInBytes: ArchiveLimits.imageByteCount) else { return nil }
        var picture = Picture(digest: ImageStore.digest(bytes))
        if ImageDecoder.format(of: bytes) == .dicom {
            guard let tags = try? ImageDecoder.description(of: bytes) else { return nil }
            picture.tags = tags
        }
        let known = decided[picture.digest] ?? [:]
        if known[archive.store.shownID(CaseID.canonical(id))] == .released { return picture }
        // Whatever case it was dropped from, or waits for.
        if known.values.contains(.dropped) { throw refusal("a person dropped its picture from the quarantine") }
        if known.values.contains(.held) { throw refusal("its picture waits in the quarantine (`hilum quarantine`)") }
        if isOpen { return picture }
        if picture.tags?.saysBurnedIn == true, privacy.holdsBurnedIn { throw mayHoldWords }
        guard privacy.holdsText, !isStored(picture.digest) else { return picture }
        guard let decoded = try? ImageDecoder.decodeWithNotes(bytes, fitting: nil, findsText: true) else { return nil }
        if decoded.notes.contains(where: { if case .text = $0 { true } else { false } }) { throw mayHoldWords }
        return picture
    }

    private var mayHoldWords: ArchiveError {
        refusal("words may be written into its picture; `hilum index` sets it aside until a person has looked at it")
    }

    private func refusal(_ reason: String) -> ArchiveError {
        ArchiveError(.badRequest, reason + "; without the picture's path the line is taken")
    }

    private func bytes(ofHexadecimal text: String) -> [UInt8]? {
        let digits = Array(text.utf8)
        guard digits.count == 64 else { return nil }
        let bytes = stride(from: 0, to: 64, by: 2).compactMap {
            UInt8(String(decoding: digits[$0..<($0 + 2)], as: UTF8.self), radix: 16)
        }
        return bytes.count == 32 ? bytes : nil
    }
}
