import HilumCore

extension PreparedCase {
    /// Takes over what the stored case of the same source holds beyond the files, unless they may be another patient's.
    ///
    /// - Parameters:
    ///   - tags: the fields by the tags of the images; empty for images without tags.
    ///   - otherPatients: further spellings of the patient of `tags`.
    ///   - isTelling: whether a picture that the stored case has too shows whose it is.
    /// - Returns: the places of stored images that stay.
    /// - Throws: `.exists` where the case must be neither mixed nor replaced.
    mutating func takeOver(
        _ carried: CarriedFields, tags: CaseFields, otherPatients: Set<String>,
        isTelling: (_ path: String) throws(ArchiveError) -> Bool
    ) throws(ArchiveError) -> Set<String> {
        guard carried.isMore(than: input) else { return [] }
        let read = input.keepsImages ? [] : images.map { (path: $0.path, digest: hexadecimal($0.digest)) }
        switch try carried.decision(images: read, tags: tags, otherPatients: otherPatients, isTelling: isTelling) {
        case .carry:
            carried.complete(&input, with: tags)
            journal?.marks.isLoose = !carried.isTied
            return carried.imagePaths
        case .leave: break
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
