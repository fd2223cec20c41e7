import Foundation
import HilumCore
import HilumPrivacy

/// Takes identifiers out of cases before they are stored, as the settings of the archive say.
///
///     fields, tags ──► pseudonyms, shifted dates, masked texts ──┐
///     report ──► filter of the user's ──► rules, known names ────┴──► CaseLoader goes on with what is left
///
/// Thread rule: an immutable value; any number of threads.
struct Deidentifier: Sendable {
    /// Nothing is taken out.
    static let off = Deidentifier()

    let settings: PrivacySettings
    private let filter: ReportFilter?
    private let key: ArchiveKey?

    private init() {
        settings = .ofEarlierReleases
        filter = nil
        key = nil
    }

    /// - Parameters:
    ///   - filter: a program that each report goes through first, also where nothing else is taken out.
    ///   - willStore: whether cases will come, so that missing lists of words are told at once. Reading them takes as long as a search.
    /// - Throws: `.io` where the lists of words are missing.
    init(
        _ settings: PrivacySettings, key: ArchiveKey, filter: ReportFilter?, willStore: Bool
    ) throws(ArchiveError) {
        self.settings = settings
        self.filter = filter
        self.key = key
        if willStore { try checkLists() }
    }

    /// - Throws: `.io` where the lists of words are missing that storing would need.
    func checkLists() throws(ArchiveError) { _ = try masking() }

    /// Nil where texts stay as they are.
    private func masking() throws(ArchiveError) -> ReportMasking? {
        guard isOn else { return nil }
        do throws(PrivacyError) { return try ReportMasking.shared() } catch {
            throw ArchiveError(.io, error.description)
        }
    }

    /// Whether reports and metadata are changed before they are stored.
    var isOn: Bool { settings.deidentification != .off }
    private var isStrict: Bool { settings.deidentification == .require }

    /// Whether a picture is set aside because its tags say that its device wrote words into it.
    var holdsBurnedIn: Bool { isOn }
    /// Whether text near the border of a picture is looked for.
    var findsText: Bool { isOn }
    /// Whether a picture with such text is set aside; elsewhere it is counted.
    var holdsText: Bool { isStrict }

    /// The fingerprint of a source as it was read under these settings: a source is read again when they or the rules change.
    func stamped(_ fingerprint: [UInt8]) -> [UInt8] {
        guard isOn || filter != nil || settings.dates != .keep else { return fingerprint }
        var hash = SHA256()
        fingerprint.withUnsafeBytes { hash.update($0) }
        hash.update(
            "deid \(settings.deidentification.rawValue) \(settings.dates.rawValue) \(ReportMasking.version) \(filter?.command ?? "")"
        )
        return hash.finish()
    }

    // MARK: Reports

    /// The report as it may be stored.
    ///
    /// - Parameter id: of the case, for the refusal.
    /// - Throws: `.badRequest` when the filter refuses it, `.notReady` when the filter fails.
    func masked(
        _ report: String, _ persons: CasePersons, id: String, _ counts: inout MaskCounts
    ) throws(ArchiveError) -> String {
        var text = report
        if let filter {
            do throws(PrivacyError) { text = try filter.program.filter(text) } catch {
                throw ArchiveError(error.code == .filterRefused ? .badRequest : .notReady, "\(id): \(error)")
            }
        }
        return try mask(text, persons.known, &counts)
    }

    private func mask(
        _ text: String, _ known: KnownIdentifiers, _ counts: inout MaskCounts
    ) throws(ArchiveError) -> String {
        guard let masking = try masking() else { return text }
        let masked = masking.mask(text, known: known)
        counts += masked.counts
        return masked.text
    }

    // MARK: Fields

    /// Brings fields into the form in which they may be stored.
    ///
    /// - Parameters:
    ///   - person: whose case it is, as its files or its row say it; nil where it is not known, and then no date can be shifted.
    ///   - fromTags: whether they are of a DICOM file, whose patient and number are hashes by the key of the archive already.
    /// - Returns: whether a date went that was to move.
    /// - Throws: `.io` without the key.
    @discardableResult
    func apply(
        to fields: inout CaseFields, of person: String?, _ persons: CasePersons, fromTags: Bool,
        _ counts: inout MaskCounts
    ) throws(ArchiveError) -> Bool {
        let isLost = try applyDates(to: &fields, of: person)
        guard isOn else { return isLost }
        if isStrict {
            let key = try pseudonyms()
            if !fromTags, let patient = fields.patient { fields.patient = key.id(patient) }
            if let site = fields.site { fields.site = key.id(site) }
        }
        let known = persons.known
        for place in fields.findings.indices where !Self.isCode(fields.findings[place]) {
            fields.findings[place] = try mask(fields.findings[place], known, &counts)
        }
        for (key, value) in fields.metadata {
            if fromTags, key == CaseFields.patientNumberKey { continue }
            fields.metadata[key] = try stored(value, of: key, known, &counts)
        }
        return isLost
    }

    /// The forms in which a stored case may have a value under a key: as it is, and as it is hidden.
    func spellings(of value: String, as key: String) throws(ArchiveError) -> Set<String> {
        guard isOn else { return [value] }
        if key == CaseFields.Text.patient.rawValue { return isStrict ? [value, try pseudonyms().id(value)] : [value] }
        var counted = MaskCounts()
        return [value, try stored(value, of: key, KnownIdentifiers(), &counted)]
    }

    private func stored(
        _ value: String, of key: String, _ known: KnownIdentifiers, _ counts: inout MaskCounts
    ) throws(ArchiveError) -> String {
        if let kind = IdentifyingKeys.kind(of: key) {
            let name = try pseudonyms().id(value)
            if name != value { counts[kind] += 1 }
            return name
        }
        if IdentifyingKeys.isUID(key) { return isStrict ? try pseudonyms().uid(value) : value }
        if key == "age", let years = Int(value), years > 89 {
            counts[.age] += years > 90 ? 1 : 0
            return "90"
        }
        // Dates are settled by their own rule.
        if IdentifyingKeys.coded.contains(key) || Filter.Condition.isDate(key) { return value }
        guard Self.isCode(value) else { return try mask(value, known, &counts) }
        // A code that tells cases apart, such as a group: no text, but it may be somebody's number.
        var counted = MaskCounts()
        let masked = try mask(value, known, &counted)
        guard masked != value else { return value }
        var uncounted = MaskCounts()
        let isKnown = try mask(value, KnownIdentifiers(), &uncounted) != masked
        guard isStrict || isKnown else { return value }
        let name = try pseudonyms().id(value)
        if name != value { counts += counted }
        return name
    }

    /// Whether a value is one word of ASCII without the marks of addresses.
    private static func isCode(_ value: String) -> Bool {
        value.utf8.allSatisfy { $0 > 32 && $0 < 127 && $0 != UInt8(ascii: "@") && $0 != UInt8(ascii: "/") }
    }

    /// - Returns: whether a date went that was to move.
    private func applyDates(to fields: inout CaseFields, of person: String?) throws(ArchiveError) -> Bool {
        guard settings.dates != .keep else { return false }
        let shift = DateShift(settings.dates, key: try pseudonyms())
        var dates: [(key: String, text: String)] = []
        fields.forEachDate { dates.append(($0, $1)) }
        var isLost = false
        for (key, text) in dates {
            let moved = shift.apply(to: text, of: person)
            if let name = CaseFields.Text(rawValue: key) { fields[name] = moved } else { fields.metadata[key] = moved }
            isLost = isLost || moved == nil && settings.dates == .shift
        }
        return isLost
    }

    private func pseudonyms() throws(ArchiveError) -> PseudonymKey {
        guard let key else { throw ArchiveError(.io, "there is no key for pseudonyms") }
        return try key.get(makes: true)
    }

    // MARK: Questions

    /// A filter that finds what is stored under pseudonyms by the names that these stand for, too.
    func settled(_ filter: Filter) throws(ArchiveError) -> Filter {
        guard isOn else { return filter }
        var settled = filter
        for index in settled.conditions.indices {
            let name = settled.conditions[index].key
            let isUID = isStrict && IdentifyingKeys.isUID(name)
            guard isStrict || IdentifyingKeys.kind(of: name) != nil else { continue }
            let key = try pseudonyms()
            settled.conditions[index].values += settled.conditions[index].values.compactMap { value -> Filter.Value? in
                guard case .equal(let text) = value else { return nil }
                return .equal(isUID ? key.uid(text) : key.id(text))
            }
        }
        return settled
    }
}
