import HilumCore

/// The key by which an archive hides names.
extension Archive {
    /// What a case keeps in place of a patient's number: a hash by the key of this archive, which also names cases in its log.
    ///
    /// It groups the cases of a patient and tells nobody who that is. Nil if the key can neither be read nor be made.
    @Sendable
    func patientKey(_ number: String) -> String? {
        do throws(ArchiveError) { return String(try store.key.logNames().name(number).dropFirst()) } catch {
            Log.warning("\(error); patients in DICOM files are left out")
            return nil
        }
    }

    /// How the log of the archive at `path` names cases: by the key in `log.key`, which is made where it is missing.
    ///
    /// - Throws: `.io` where there is one that cannot be used, and where none can be made.
    public static func logNames(at path: String) throws(ArchiveError) -> LogNames {
        try ArchiveKey(archive: path).logNames()
    }
}
