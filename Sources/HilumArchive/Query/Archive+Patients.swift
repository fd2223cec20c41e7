import HilumCore

/// Questions for a patient by number, which cases of DICOM files and messages hold as a hash alone.
extension Archive {
    /// The filter with those hashes beside the numbers that it names, and for each condition on `patient` what `patient_number` finds: files
    /// that say who gave a number have it in a hash with that, and the number by itself under that key.
    ///
    /// So a number finds the patients of all hospitals that gave it.
    /// - Throws: `.io` where the key cannot be read that such cases are hidden by.
    func withPatients(
        _ filter: Filter
    ) throws(ArchiveError) -> (filter: Filter, numbers: [Filter.Condition?]) {
        var hashed = filter
        var numbers = [Filter.Condition?](repeating: nil, count: filter.conditions.count)
        for (index, condition) in filter.conditions.enumerated() {
            let isPatient = condition.key == CaseFields.Text.patient.rawValue
            guard isPatient || condition.key == CaseFields.patientNumberKey else { continue }
            let hashes = try hashes(of: condition).map { Filter.Value.equal($0) }
            hashed.conditions[index].values += hashes
            guard isPatient, !hashes.isEmpty, hasPatientNumbers else { continue }
            numbers[index] = Filter.Condition(key: CaseFields.patientNumberKey, values: hashes)
        }
        return (hashed, numbers)
    }

    private var hasPatientNumbers: Bool { attributes.read { $0.keys[CaseFields.patientNumberKey] != nil } }

    private func hashes(of condition: Filter.Condition) throws(ArchiveError) -> [String] {
        let texts = condition.values.compactMap { if case .equal(let text) = $0 { text } else { nil } }
        // Without a key nothing is hidden by one.
        guard !texts.isEmpty, store.key.isThere else { return [] }
        do throws(ArchiveError) {
            let names = try store.key.logNames()
            return texts.map { String(names.name($0).dropFirst()) }
        } catch {
            // Who asks by the hash of a hit needs no key.
            guard hasPatientNumbers, !texts.allSatisfy(Resemblance.isKey) else { return [] }
            throw error
        }
    }
}
