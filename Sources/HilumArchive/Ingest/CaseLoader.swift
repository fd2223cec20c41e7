import Foundation
import HilumCore
import HilumDocuments
import HilumImaging
import HilumPrivacy

/// The images of a stored case and the vector of each.
struct StoredImages: Sendable {
    var images: [CaseEntry.StoredImage]
    var vectors: [[Float]]
}

/// An image that was read, or one of the stored case, which has its vector.
private struct Joined {
    var image: CaseEntry.StoredImage
    var bytes: [UInt8]?
    var vector: [Float]?
    /// Among those that were read; nil for one of the stored case.
    var place: Int?
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
    /// Whether another case than that of an id has a picture, by its digest.
    var hasOther: @Sendable (_ digest: [UInt8], _ id: String) throws -> Bool = { _, _ in false }
    /// Whether the model knows the words of a report in which the lexicon knows none.
    let knowsWords: @Sendable (String) -> Bool
    /// What a case keeps in place of a patient's number in DICOM files; nil keeps nothing.
    let patientKey: @Sendable (String) -> String?
    /// Takes identifiers out of the case before it is compared with what is stored.
    var privacy = Deidentifier.off
    /// What is known of the images of a case before they are read.
    var knownImages: @Sendable (String) throws -> KnownImages = { _ in KnownImages() }
    /// Marks a case by what its files hold, and finds out whether it was deleted.
    var recognise: @Sendable (inout PreparedCase) throws -> Void = { _ in }

    /// - Returns: the case, with a refusal if something is wrong with it, and the images to be embedded, each with its place in the case.
    func load(_ given: PreparedCase) -> (PreparedCase, [(place: Int, image: GrayImage)]) {
        var prepared = given
        guard prepared.refusal == nil else { return (prepared, []) }
        if prepared.input.document != nil { prepared.given = prepared.input }
        do {
            try prepared.input.settle()
            if !prepared.input.isDeidentified { prepared.dateFault = prepared.input.fields.dateFault }
            let files = try read(&prepared)
            try recognise(&prepared)
            if prepared.wasDeleted { return (prepared, []) }
            try settleLost(prepared.input.lostImages, in: &prepared)
            let whole = prepared
            do {
                let images = try decode(&prepared, files)
                return (prepared, images)
            } catch {
                let error = ArchiveError.wrapping(error)
                guard error.code == .badImage, whole.input.origin != nil, !files.isEmpty else { throw error }
                prepared = whole
                let rest = try leaveOutUnreadable(&prepared, files, error)
                let images = try decode(&prepared, rest)
                return (prepared, images)
            }
        } catch {
            prepared.refusal = ArchiveError.wrapping(error)
            return (prepared, [])
        }
    }

    /// Does what comes after reading.
    ///
    /// - Parameter files: the bytes of each image.
    /// - Returns: the images to be embedded; none for a case that is stored already.
    private func decode(
        _ prepared: inout PreparedCase, _ files: [[UInt8]]
    ) throws -> [(place: Int, image: GrayImage)] {
        var persons = CasePersons()
        let staying = try describe(&prepared, files, &persons)
        if let report = prepared.input.report {
            prepared.input.report = try privacy.masked(report, persons, id: prepared.input.id, &prepared.maskCounts)
            try prepared.joinReports()
        }
        let pictures = try setAside(&prepared, files)
        var places = Array(pictures.indices)
        if !prepared.input.keepsImages {
            prepared.imageVectors = [[Float]?](repeating: nil, count: pictures.count)
            places = try addImages(at: staying, to: &prepared)
        }
        try refuseEmpty(&prepared)
        prepared.isStored = try isStored(prepared)
        if prepared.isStored { return [] }
        if let report = prepared.input.report {
            let words = ReportWords(report, try ReportWords.sharedReader())
            prepared.lacksReportVector = !words.saysSomething && !knowsWords(report)
            prepared.words = words
        }
        let decoded: [DecodedImage]
        do throws(ImagingError) {
            decoded = try pictures.map { (picture) throws(ImagingError) in
                if let decoded = picture.decoded { return decoded }
                return try ImageDecoder.decodeWithNotes(picture.bytes, fitting: side)
            }
        } catch { throw refusal(error, prepared.input.id) }
        prepared.imageNotes = decoded.flatMap(\.notes)
        return zip(places, decoded).map { ($0, $1.image) }
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
        var failure: ArchiveError?
        for image in prepared.input.images {
            let bytes: [UInt8]
            switch image.source {
            case .bytes(let given):
                bytes = given
                let kept = try scrubbed(given, prepared.input.id)
                prepared.keptBytes.append(kept)
                prepared.images.append(.init(digest: ImageStore.digest(kept), path: "", view: image.view))
            case .file(let path):
                do { bytes = try FileIO.read(path, limitInBytes: ArchiveLimits.imageByteCount) } catch {
                    // Rights, a disk, a share and too many open files are no fault of the picture, and may pass; so may a link, which
                    // people replace by the file without another name or time.
                    if error.mayPass || error.code == .system(errno: ELOOP) {
                        throw ArchiveError(.io, error.description)
                    }
                    failure = failure ?? ArchiveError(.badImage, error.description)
                    prepared.input.lostImages.append(LostImage(path: path, reason: error.description))
                    continue
                }
                prepared.keptBytes.append(nil)
                prepared.images.append(.init(digest: ImageStore.digest(bytes), path: path, view: image.view))
            }
            files.append(bytes)
        }
        // Whoever puts a case by hand hears that it is not whole.
        if let failure, files.isEmpty || prepared.input.origin == nil { throw failure }
        prepared.input.images = []
        return files
    }

    /// The bytes that the archive keeps of an image that came as bytes: the picture alone, where identifiers are taken out.
    private func scrubbed(_ given: [UInt8], _ id: String) throws(ArchiveError) -> [UInt8] {
        guard privacy.isOn else { return given }
        do throws(ImagingError) { return try PictureScrubber.scrubbed(given) } catch { throw refusal(error, id) }
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

    /// Puts stored images that stay among those that were read: in the order of the stored case where it has all of them, and otherwise as
    /// `CaseFinder` orders them.
    ///
    /// - Returns: where each of those that were read is now.
    private func addImages(at staying: Set<String>, to prepared: inout PreparedCase) throws(ArchiveError) -> [Int] {
        let new = Array(prepared.images.indices)
        let id = prepared.input.id
        guard !staying.isEmpty, let stored = try withArchiveErrors({ try storedImages(id) }) else { return new }
        // A file that was moved is the same picture.
        let read = Set(prepared.images.map(\.digest))
        let kept = stored.images.indices.filter { place in
            staying.contains(stored.images[place].path) && !read.contains(stored.images[place].digest)
        }
        guard !kept.isEmpty else { return new }
        guard kept.count + new.count <= ArchiveLimits.imageCount else {
            throw ArchiveError(
                .limit,
                "\(id): with those whose files have left it has more than \(ArchiveLimits.imageCount) images; "
                    + "`hilum index --replace` takes what is there alone")
        }
        var all: [Joined] = []
        for place in new {
            all.append(Joined(image: prepared.images[place], bytes: prepared.keptBytes[place], place: place))
        }
        for place in kept { all.append(Joined(image: stored.images[place], vector: stored.vectors[place])) }
        let places = Dictionary(stored.images.enumerated().map { ($1.path, $0) }, uniquingKeysWith: min)
        let isKnown = all.allSatisfy { places[$0.image.path] != nil }
        all.sort { left, right in
            guard !isKnown else {
                return (places[left.image.path] ?? 0) < (places[right.image.path] ?? 0)
            }
            let (first, second) = (left.image, right.image)
            return CaseFinder.order(first.view, first.path) < CaseFinder.order(second.view, second.path)
        }
        prepared.images = all.map(\.image)
        prepared.imageVectors = all.map(\.vector)
        prepared.keptBytes = all.map(\.bytes)
        prepared.keptPlaces = Set(all.indices.filter { all[$0].place == nil })
        var result = new
        for (now, item) in all.enumerated() { if let place = item.place { result[place] = now } }
        return result
    }

    /// A picture that cannot be read stays so; a decoder that is missing or was stopped may be there the next time.
    func refusal(_ error: ImagingError, _ id: String) -> ArchiveError {
        let text = "\(id): \(error)"
        return switch error.code {
        case .decoderMissing: ArchiveError(.notReady, text)
        case .decoderLost, .outOfMemory: ArchiveError(.io, text)
        default: ArchiveError(.badImage, text)
        }
    }

    /// Takes what the tags of the images say, where nothing else says it, and what the stored case of these files says beyond them.
    ///
    /// - Returns: the places of stored images that stay.
    /// - Throws: `.badRequest` when they name two patients.
    private func describe(
        _ prepared: inout PreparedCase, _ files: [[UInt8]], _ persons: inout CasePersons
    ) throws(ArchiveError) -> Set<String> {
        var fresh = CaseFields()
        var patient: DICOMPatient?
        var all: [DICOMDescription] = []
        for (place, bytes) in files.enumerated() where ImageDecoder.format(of: bytes) == .dicom {
            let said: DICOMDescription?
            do throws(ImagingError) { said = try ImageDecoder.description(of: bytes, fitting: side) } catch {
                throw refusal(error, prepared.input.id)
            }
            guard let tags = said else { continue }
            if let other = DICOMPatient(tags) {
                guard patient?.mayBe(other) ?? true else { throw twoPatients(prepared.input.id) }
                patient = patient?.merged(with: other) ?? other
            }
            if tags.saysBurnedIn { prepared.burnedIn.insert(place) }
            if prepared.images[place].view == nil { prepared.images[place].view = tags.view }
            fresh.fill(from: tags, patientKey: patientKey)
            persons.add(tags)
            all.append(tags)
        }
        for tags in prepared.lostTags {
            if let other = DICOMPatient(tags) {
                guard patient?.mayBe(other) ?? true else { throw twoPatients(prepared.input.id) }
                patient = patient?.merged(with: other) ?? other
            }
            fresh.fill(from: tags, patientKey: patientKey)
            persons.add(tags)
            all.append(tags)
        }
        let document = prepared.input.document
        let tagged = fresh
        let place = prepared.images.first.flatMap { FilePlace.patient(of: $0.path) }
        let isNamedByPlace = place != nil && prepared.input.fields.patient == place
        if let document {
            persons.add(document)
            try match(&patient, with: document, prepared.input)
        }
        let patientText = patient.flatMap { patientKey($0.text) }
        if let patientText { fresh.patient = patientText }
        if let document { fresh.fill(from: document, of: patient, patientKey: patientKey) }
        try hide(in: &prepared, patient, &persons)
        // A text that comes later may name the patient whom the row of the case named.
        persons.add(patient: prepared.input.carried?.identity.patient)
        let person = prepared.input.person
        if let document, prepared.input.carried == nil {
            var own = prepared.input.fields
            // All that ever lay in a folder has the patient that it is called by.
            if isNamedByPlace { own.patient = nil }
            try refuseAnother(document, patient, own, tagged, prepared.input.id, of: person, persons)
        }
        let isLost = try privacy.apply(to: &fresh, of: person, persons, fromTags: true, &prepared.maskCounts)
        prepared.hasLostDate = prepared.hasLostDate || isLost
        var staying: Set<String> = []
        if let carried = prepared.input.carried {
            var whose = Whose(fields: fresh)
            whose.patients = Set(patient?.spellings.compactMap(patientKey) ?? [])
            if let document { try describe(document, patient, &whose) }
            let (id, images) = (prepared.input.id, prepared.images)
            staying = try prepared.takeOver(carried, tags: whose) { path throws(ArchiveError) in
                guard let place = images.firstIndex(where: { $0.path == path }) else { return false }
                return try isTelling(files[place], images[place].digest, of: id)
            }
        }
        if prepared.input.fields.patient == nil { prepared.input.fields.patient = patientText }
        for tags in all {
            var own = CaseFields()
            var counted = MaskCounts()
            own.fill(from: tags, patientKey: patientKey)
            try privacy.apply(to: &own, of: person, persons, fromTags: true, &counted)
            prepared.input.fields.fill(from: own)
        }
        if document != nil {
            var own = fresh
            // Of the numbers that a message gives, one of several is that of the order; a case that has it needs no other.
            if prepared.input.fields.metadata[ReportKeys.accessions[0]] != nil {
                for key in ReportKeys.accessions { own.metadata[key] = nil }
            }
            prepared.input.fields.fill(from: own)
            for key in [ReportKeys.status, ReportKeys.date] {
                prepared.input.fields.metadata[key] = fresh.metadata[key]
            }
        }
        return staying
    }

    /// Whether a picture shows whose it is: something can be seen in it, and it is not one that several cases have.
    private func isTelling(_ file: [UInt8], _ digest: [UInt8], of id: String) throws(ArchiveError) -> Bool {
        let decoded = try? ImageDecoder.decodeWithNotes(file, fitting: side)
        guard let decoded, !decoded.notes.contains(.blank) else { return false }
        return try withArchiveErrors { try !hasOther(digest, id) }
    }

    /// Chooses among the numbers that a report gives its patient: that of the images, or of the stored case, or the first.
    ///
    /// - Throws: `.badRequest` when images and report name two patients.
    private func match(
        _ patient: inout DICOMPatient?, with document: ReportDocument, _ input: CaseInput
    ) throws(ArchiveError) {
        let numbers = document.patients.map { DICOMPatient(number: $0.number, issuer: $0.issuer) }
        guard let first = numbers.first else { return }
        if let known = patient {
            guard let same = numbers.first(where: known.mayBe) else {
                throw ArchiveError(
                    .badRequest, "\(input.id): its images and its report name two patients, and a case is of one")
            }
            patient = known.merged(with: same)
        } else {
            let stored = input.carried?.identity.patient
            patient = numbers.first { $0.spellings.compactMap(patientKey).contains { $0 == stored } } ?? first
        }
    }

    /// Refuses a report that came together with images or a row, where both cannot be of one exam.
    ///
    /// - Parameters:
    ///   - own: what the row or the place of the images says, in the form in which it is stored.
    ///   - tagged: what the tags of the images say.
    /// - Throws: `.badRequest` when they name two patients, two studies or dates too far apart.
    private func refuseAnother(
        _ document: ReportDocument, _ patient: DICOMPatient?, _ own: CaseFields, _ tagged: CaseFields, _ id: String,
        of person: String?, _ persons: CasePersons
    ) throws(ArchiveError) {
        var (tagged, said, counted) = (tagged, CaseFields(), MaskCounts())
        said.fill(from: document, of: patient, patientKey: patientKey)
        try privacy.apply(to: &tagged, of: person, persons, fromTags: true, &counted)
        try privacy.apply(to: &said, of: person, persons, fromTags: true, &counted)
        var known = own
        known.fill(from: tagged)
        var whose = Whose(fields: said)
        try describe(document, patient, &whose)
        guard Resemblance(known, tags: whose, said: CaseFields()) != .another else {
            throw ArchiveError(.badRequest, "\(id): \(ReportKeys.anotherExam)")
        }
    }

    /// What a report says of whose it is, in every form in which a stored case may say the same.
    private func describe(
        _ document: ReportDocument, _ patient: DICOMPatient?, _ whose: inout Whose
    ) throws(ArchiveError) {
        for given in document.patients {
            let one = DICOMPatient(number: given.number, issuer: given.issuer)
            whose.patients.formUnion(one.spellings.compactMap(patientKey))
            // A case of a table has the number as the table gave it.
            whose.plainPatients.formUnion(try privacy.spellings(of: given.number, as: CaseFields.Text.patient.rawValue))
            if given.issuer == nil, let key = patientKey(given.number) {
                whose.numbers.formUnion(try privacy.spellings(of: key, as: CaseFields.patientNumberKey))
            }
        }
        for accession in document.accessions {
            whose.accessions.formUnion(try privacy.spellings(of: accession, as: ReportKeys.accessions[0]))
        }
        whose.graceInDays = Resemblance.graceInDays
        for study in document.studies + document.evidence {
            whose.studies.formUnion(try privacy.spellings(of: study, as: CarriedFields.study))
        }
    }

    /// Hides in the fields of the source what may not be stored, once.
    private func hide(
        in prepared: inout PreparedCase, _ patient: DICOMPatient?, _ persons: inout CasePersons
    ) throws(ArchiveError) {
        guard !prepared.input.isDeidentified else { return }
        persons.add(prepared.input.fields)
        prepared.input.person = patient?.number ?? prepared.input.fields.patient
        prepared.hasLostDate = try privacy.apply(
            to: &prepared.input.fields, of: prepared.input.person, persons, fromTags: false, &prepared.maskCounts)
        prepared.input.isDeidentified = true
    }

    private func twoPatients(_ id: String) -> ArchiveError {
        ArchiveError(
            .badRequest, "\(id): its images name two patients, and a case is of one; part them by folders or names")
    }
}
