import HilumCore
import Synchronization

/// The key by which an archive hides names.
extension Archive {
    private static let keyFile = "log.key"
    /// Two threads of one process make one key.
    private static let making = Mutex<Void>(())

    /// What a case keeps in place of a patient's number: a hash by the key of this archive, which also names cases in its log.
    ///
    /// It groups the cases of a patient and tells nobody who that is. Nil if the key can neither be read nor be made.
    @Sendable
    func patientKey(_ number: String) -> String? {
        let file = "\(path)/\(Self.keyFile)"
        let names = Self.making.withLock { _ -> LogNames? in
            if let names = try? LogNames(file: file) { return names }
            let made = LogNames()
            do { try made.save(to: file) } catch {
                Log.warning("\(error); patients in DICOM files are left out")
                return nil
            }
            return made
        }
        return names.map { String($0.name(number).dropFirst()) }
    }
}
