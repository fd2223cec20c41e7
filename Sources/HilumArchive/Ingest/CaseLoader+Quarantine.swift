import Foundation
import HilumImaging

/// Images into which words may be written are set aside before the case is stored, until a person has looked at them.
///
///     tags say so ─────────────────────────────────────────────► set aside
///     text near the border, where names are hidden (`require`) ─► set aside
///     text near the border, where they are masked ─────────────► stored, and counted
///
/// Most text in real films names no patient (`AP ERECT`, `PORTABLE`), and the rule cannot tell: where the archive only masks, a third of
/// ordinary films would wait for a person. `Sources/DECISIONS.md` has the figures.
extension CaseLoader {
    /// An image of the case that stays in it; decoded where it was looked at.
    struct Picture {
        var bytes: [UInt8]
        var decoded: DecodedImage?
    }

    /// What is said of a case of which images were set aside.
    static func quarantineNote(_ count: Int) -> String {
        count == 1
            ? "an image was set aside, as words may be written into it; `hilum quarantine` shows it"
            : "\(count) images were set aside, as words may be written into them; `hilum quarantine` shows them"
    }

    /// Takes the images out of the case that a person has to look at first, and those that a person dropped.
    ///
    /// - Returns: the others, in their order.
    func setAside(_ prepared: inout PreparedCase, _ files: [[UInt8]]) throws(ArchiveError) -> [Picture] {
        guard privacy.isOn, !files.isEmpty else { return files.map { Picture(bytes: $0) } }
        let id = prepared.input.id
        let known = try withArchiveErrors { try knownImages(id) }
        var kept: [Picture] = []
        var images: [CaseEntry.StoredImage] = []
        var keptBytes: [[UInt8]?] = []
        for (place, bytes) in files.enumerated() {
            let image = prepared.images[place]
            var picture = Picture(bytes: bytes)
            var state = known.states[image.digest]
            if state == .dropped {
                prepared.hasDropped = true
                continue
            }
            // A person has looked at it.
            if prepared.input.releases.contains(image.digest) { state = .released }
            let isHeld = state == .held
            if isHeld || state == nil,
                let reason = try reason(
                    &picture, isBurnedIn: prepared.burnedIn.contains(place), isHeld: isHeld,
                    isStored: known.stored.contains(image.digest), id)
            {
                let entry = QuarantineEntry(
                    reason: reason, seconds: Int64(Date().timeIntervalSince1970), id: id,
                    source: prepared.input.origin?.source, image: image, place: place, fields: prepared.input.fields)
                prepared.setAside.append(ImageSetAside(entry: entry, keptBytes: prepared.keptBytes[place]))
                continue
            }
            kept.append(picture)
            images.append(image)
            keptBytes.append(prepared.keptBytes[place])
        }
        prepared.images = images
        prepared.keptBytes = keptBytes
        return kept
    }

    /// Why a person has to look at an image; nil where nobody has to.
    ///
    /// - Parameters:
    ///   - isHeld: whether it waits already.
    ///   - isStored: whether the stored case has it, so that it was looked at when it came.
    private func reason(
        _ picture: inout Picture, isBurnedIn: Bool, isHeld: Bool, isStored: Bool, _ id: String
    ) throws(ArchiveError) -> QuarantinedImage.Reason? {
        if isBurnedIn, privacy.holdsBurnedIn { return .tag }
        if isHeld { return .text }
        guard privacy.findsText, !isStored else { return nil }
        let decoded: DecodedImage
        do throws(ImagingError) {
            decoded = try ImageDecoder.decodeWithNotes(picture.bytes, fitting: side, findsText: true)
        } catch { throw refusal(error, id) }
        picture.decoded = decoded
        let hasText = decoded.notes.contains { if case .text = $0 { true } else { false } }
        return hasText && privacy.holdsText ? .text : nil
    }

    /// Refuses a case of which nothing is left.
    func refuseEmpty(_ prepared: inout PreparedCase) throws(ArchiveError) {
        guard prepared.images.isEmpty, prepared.input.report == nil, !prepared.input.keepsImages else { return }
        let id = prepared.input.id
        if !prepared.setAside.isEmpty {
            prepared.isHeldBack = true
            throw ArchiveError(.badRequest, "\(id): \(Self.quarantineNote(prepared.setAside.count))")
        }
        guard prepared.hasDropped else { return }
        throw ArchiveError(.badRequest, "\(id): a person dropped its image from the quarantine")
    }
}
