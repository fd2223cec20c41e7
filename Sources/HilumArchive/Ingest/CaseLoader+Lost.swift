import HilumCore
import HilumImaging

/// One image that cannot be read takes neither the others of its case nor the report with it.
extension CaseLoader {
    /// Takes the images out of a case that cannot be decoded.
    ///
    /// - Parameters:
    ///   - files: the bytes of each.
    ///   - error: why the case was refused.
    /// - Returns: the bytes of the others.
    /// - Throws: `.badImage` where none is left, and where the stored case has a picture of such a file, which would go for one that nobody
    ///   can see; `.io` and `.notReady` where the decoder may do better the next time.
    func leaveOutUnreadable(
        _ prepared: inout PreparedCase, _ files: [[UInt8]], _ error: ArchiveError
    ) throws -> [[UInt8]] {
        let id = prepared.input.id
        var lost: [LostImage] = []
        var staying: [Int] = []
        for (place, bytes) in files.enumerated() {
            do throws(ImagingError) {
                _ = try ImageDecoder.decodeWithNotes(bytes, fitting: side)
                if ImageDecoder.format(of: bytes) == .dicom {
                    _ = try ImageDecoder.description(of: bytes, fitting: side)
                }
                staying.append(place)
            } catch {
                let refusal = refusal(error, id)
                guard refusal.code == .badImage, !prepared.images[place].isKept else { throw refusal }
                lost.append(LostImage(path: prepared.images[place].path, reason: "\(error)"))
            }
        }
        guard let first = lost.first else { throw error }
        let isRow = prepared.input.origin?.source.hasSuffix("#" + id) ?? false
        guard !staying.isEmpty else {
            let count = files.count + prepared.input.lostImages.count
            guard count > 1 || isRow else { throw error }
            let what = count > 1 ? "none of its \(count) images can be read: " : ""
            throw ArchiveError(.badImage, "\(what)\(first.path): \(first.reason)")
        }
        let bytes = Dictionary(
            zip(prepared.images.map(\.path), files).map { ($0, $1) }, uniquingKeysWith: { first, _ in first })
        try settleLost(lost, in: &prepared) { bytes[$0].flatMap { DICOMHeader($0) } }
        prepared.images = staying.map { prepared.images[$0] }
        prepared.keptBytes = staying.map { prepared.keptBytes[$0] }
        prepared.input.lostImages += lost
        return staying.map { files[$0] }
    }

    /// Sees to images that are left out: what the stored case has of them stays, and whom their tags name is masked.
    ///
    /// - Parameter header: of the file at a path; nil for one that is no DICOM file.
    /// - Throws: `.badImage` where the stored case has a picture of such a file, which would go for one that nobody can see; and where a DICOM
    ///   file does not say whom it names any more, while the case has texts that may.
    func settleLost(
        _ lost: [LostImage], in prepared: inout PreparedCase,
        header: (String) -> DICOMHeader? = { DICOMHeader(path: $0) }
    ) throws {
        guard !lost.isEmpty else { return }
        let stored = prepared.input.origin?.mayReplace == true ? [] : try knownImages(prepared.input.id).paths
        if let known = lost.first(where: { stored.contains($0.path) }) {
            throw ArchiveError(
                .badImage,
                "\(known.path): \(known.reason); the stored case keeps the picture that lay there, "
                    + "and `hilum index --replace` takes what can be read")
        }
        for image in lost {
            let found = header(image.path)
            // Names of persons stand between the class of the object and the size of the picture.
            if let found, found.description[.objectClass] != nil, found.pixelCount > 0 {
                prepared.lostTags.append(found.description)
            } else if found != nil || DICOMGlance.isNamedAsDICOM(image.path), privacy.isOn, prepared.input.hasTexts {
                throw ArchiveError(
                    .badImage,
                    "\(image.path): \(image.reason); its tags say whom the texts of the case may not name, and cannot be read: "
                        + "copy it again, whole")
            }
        }
    }
}
