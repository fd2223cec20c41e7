import HilumCore
import HilumDocuments

extension PreparedCase {
    /// Settles a report of a message with the report of the stored case, both as they may be stored: which version counts, and what an
    /// addendum adds to.
    ///
    /// - Throws: `.exists` for another signed version, where the archive keeps no time of the stored one.
    mutating func joinReports() throws(ArchiveError) {
        guard let document = input.document, let carried = input.carried, let stored = carried.storedReport,
            let report = input.report, !leavesRest
        else { return }
        let fields = input.fields.metadata
        let known = carried.identity.metadata
        let status = known[ReportKeys.status].flatMap(ReportDocument.Status.init)
        let isAddendumAlone = known[ReportKeys.status] == ReportDocument.addendumMark
        func keepStored(_ text: String) {
            input.report = text
            for key in [ReportKeys.status, ReportKeys.date] { input.fields.metadata[key] = known[key] }
        }
        if document.isAddendum {
            return keepStored(stored.contains(report) ? stored : ReportDocument.text(stored, withAddendum: report))
        }
        if isAddendumAlone {
            input.report = ReportDocument.text(report, withAddendum: stored)
            return
        }
        var dated = document
        dated.writtenAt = fields[ReportKeys.date]
        let isNewer = dated.isNewer(thanStatus: status, writtenAt: known[ReportKeys.date])
        let isSameVersion = dated.mark == known[ReportKeys.status] && dated.writtenAt == known[ReportKeys.date]
        // Without times the one that comes last may be the older one.
        let isUndated = dated.writtenAt == nil || known[ReportKeys.date] == nil
        if isUndated, let status, !stored.hasPrefix(report) {
            let bothAreCorrected = status == .corrected && document.status == .corrected
            guard !bothAreCorrected else {
                throw ArchiveError(.exists, "\(input.id): \(ReportKeys.undatedCorrections)")
            }
            guard status == .preliminary || document.status != .final else {
                throw ArchiveError(.exists, "\(input.id): \(ReportKeys.undated)")
            }
        }
        // The same version may have got an addendum meanwhile.
        if !isNewer || isSameVersion && stored.hasPrefix(report) { keepStored(stored) }
    }

    /// Takes over what the stored case of the same source holds beyond the files, unless they may be another patient's.
    ///
    /// - Parameters:
    ///   - tags: what the tags of the images and the message of the report say of whose they are.
    ///   - isTelling: whether a picture that the stored case has too shows whose it is.
    /// - Returns: the places of stored images that stay.
    /// - Throws: `.exists` where the case must be neither mixed nor replaced.
    mutating func takeOver(
        _ carried: CarriedFields, tags: Whose, isTelling: (_ path: String) throws(ArchiveError) -> Bool
    ) throws(ArchiveError) -> Set<String> {
        guard carried.isMore(than: input) else { return [] }
        let read = input.keepsImages ? [] : images.map { (path: $0.path, digest: hexadecimal($0.digest)) }
        switch try carried.decision(images: read, tags: tags, isTelling: isTelling) {
        case .carry:
            carried.complete(&input, with: tags.fields)
            journal?.marks.isLoose = !carried.isTied
            return carried.imagePaths
        case .leave: break
        case .refuse where carried.isWaiting:
            // The report of somebody else goes on waiting.
            input.origin?.former.removeAll { carried.waitingID == $0.id }
            input.carried = nil
            return []
        case .refuse(let reason) where input.origin?.joins == true:
            throw ArchiveError(.exists, "\(input.id): \(reason)")
        case .refuse(let reason):
            // Somebody asked that what is there replaces the case.
            guard input.origin?.mayReplace == true, !input.keepsImages else {
                throw ArchiveError(
                    .exists,
                    "\(input.id): \(reason); bring back what has left, give the files another name, or let "
                        + "`hilum index --replace` take what is there alone")
            }
        }
        leavesRest = true
        return []
    }
}
