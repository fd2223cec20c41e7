import HilumCore
import HilumImaging

/// The images of a stored case and the vector of each.
struct StoredImages: Sendable {
    var images: [CaseEntry.StoredImage]
    var vectors: [[Float]]
}

/// Checks a case, reads its images, and, unless the same are stored, decodes them and reads the words of its report.
///
/// Thread rule: any number of threads at once, as far as `isStored` allows.
struct CaseLoader: Sendable {
    /// Side of the square that an image is fitted into; nil leaves it as large as it is.
    let side: Int?
    /// Whether the images and the report of the case are stored already, so that it needs no vectors.
    let isStored: @Sendable (PreparedCase) throws -> Bool
    /// The images of the stored case of an id, and their vectors; nil when there is none.
    let storedImages: @Sendable (String) throws -> StoredImages?
    /// Whether the model knows the words of a report in which the lexicon knows none.
    let knowsWords: @Sendable (String) -> Bool
    /// What a case keeps in place of a patient's number in DICOM files; nil keeps nothing.
    let patientKey: @Sendable (String) -> String?

    /// - Returns: the case, with a refusal if something is wrong with it, and the images to be embedded.
    func load(_ given: PreparedCase) -> (PreparedCase, [GrayImage]) {
        var prepared = given
        guard prepared.refusal == nil else { return (prepared, []) }
        do {
            try prepared.input.settle()
            let files = try read(&prepared)
            try describe(&prepared, files)
            if !prepared.input.keepsImages {
                prepared.imageVectors = [[Float]?](repeating: nil, count: files.count)
            }
            prepared.isStored = try isStored(prepared)
            if prepared.isStored { return (prepared, []) }
            if let report = prepared.input.report {
                let words = ReportWords(report, try ReportWords.sharedReader())
                prepared.lacksReportVector = !words.saysSomething && !knowsWords(report)
                prepared.words = words
            }
            let decoded: [DecodedImage]
            do throws(ImagingError) {
                decoded = try files.map { (bytes) throws(ImagingError) in
                    try ImageDecoder.decodeWithNotes(bytes, fitting: side)
                }
            } catch { throw refusal(error, prepared.input.id) }
            prepared.imageNotes = decoded.flatMap(\.notes)
            return (prepared, decoded.map(\.image))
        } catch {
            prepared.refusal = ArchiveError.wrapping(error)
            return (prepared, [])
        }
    }

    /// Moves the images of the input to `images` and `keptBytes`.
    ///
    /// - Returns: the bytes of each.
    private func read(_ prepared: inout PreparedCase) throws(ArchiveError) -> [[UInt8]] {
        if prepared.input.keepsImages {
            try keepImages(&prepared)
            return []
        }
        var files: [[UInt8]] = []
        for image in prepared.input.images {
            let bytes: [UInt8]
            switch image.source {
            case .bytes(let given):
                bytes = given
                prepared.keptBytes.append(given)
                prepared.images.append(.init(digest: ImageStore.digest(given), path: "", view: image.view))
            case .file(let path):
                do { bytes = try FileIO.read(path, limitInBytes: ArchiveLimits.imageByteCount) } catch {
                    throw ArchiveError(.badImage, error.description)
                }
                prepared.keptBytes.append(nil)
                prepared.images.append(.init(digest: ImageStore.digest(bytes), path: path, view: image.view))
            }
            files.append(bytes)
        }
        prepared.input.images = []
        return files
    }

    /// Takes images and vectors from the stored case.
    private func keepImages(_ prepared: inout PreparedCase) throws(ArchiveError) {
        let id = prepared.input.id
        guard let stored = try withArchiveErrors({ try storedImages(id) }), !stored.images.isEmpty else {
            throw ArchiveError(.notFound, "\(id): there is no stored image to keep")
        }
        prepared.images = stored.images
        prepared.keptBytes = stored.images.map { _ in nil }
        prepared.imageVectors = stored.vectors
    }

    /// A picture that cannot be read stays so; a decoder that is missing or was stopped may be there the next time.
    private func refusal(_ error: ImagingError, _ id: String) -> ArchiveError {
        let text = "\(id): \(error)"
        return switch error.code {
        case .decoderMissing: ArchiveError(.notReady, text)
        case .decoderLost, .outOfMemory: ArchiveError(.io, text)
        default: ArchiveError(.badImage, text)
        }
    }

    /// What the tags of a DICOM file say; some files say it only to the decoder.
    private func description(of bytes: [UInt8], _ id: String) throws(ArchiveError) -> DICOMDescription? {
        if let description = DICOMHeader(bytes)?.description, description[.objectClass] != nil { return description }
        do throws(ImagingError) { return try ImageDecoder.read(bytes, fitting: side).description } catch {
            throw refusal(error, id)
        }
    }

    /// Takes what the tags of the images say, where nothing else says it, and what the stored case of these files says beyond them.
    ///
    /// - Throws: `.badRequest` when they name two patients.
    private func describe(_ prepared: inout PreparedCase, _ files: [[UInt8]]) throws(ArchiveError) {
        var fresh = CaseFields()
        var patient: String?
        var all: [DICOMDescription] = []
        for (place, bytes) in files.enumerated() where ImageDecoder.format(of: bytes) == .dicom {
            guard let tags = try description(of: bytes, prepared.input.id) else { continue }
            if let other = tags[.patientID] {
                guard (patient ?? other) == other else {
                    throw ArchiveError(
                        .badRequest,
                        "\(prepared.input.id): its images name two patients, and a case is of one; part them by folders or names"
                    )
                }
                patient = other
            }
            if prepared.images[place].view == nil { prepared.images[place].view = tags.view }
            fresh.fill(from: tags, patientKey: patientKey)
            all.append(tags)
        }
        prepared.input.carried?.complete(&prepared.input, with: fresh)
        for tags in all { prepared.input.fields.fill(from: tags, patientKey: patientKey) }
    }
}
