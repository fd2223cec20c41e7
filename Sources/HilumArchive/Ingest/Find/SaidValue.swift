import Foundation
import HilumCore
import HilumPrivacy

/// What a member of a record says, to be compared with what another record of the case says under the same key.
///
/// Blanks around it do not count. Of dates the days count, however they are written and as far as both say them; of names the words; a study is
/// told from others by UIDs, numbers and words of time, as people describe each view in its own words. Thread rule: a value.
struct SaidValue {
    private let key: String
    /// More than one for a list.
    private let texts: [String]

    /// - Parameters:
    ///   - key: in any spelling.
    ///   - value: of a member.
    init(_ value: JSON, of key: String) {
        self.key = ReportKeys.plain(key)
        texts = Self.texts(of: value)
    }

    private static func texts(of value: JSON) -> [String] {
        switch value {
        case .array(let values): return values.flatMap(texts)
        case .string(let text), .numeral(let text):
            let trimmed = text.trimmingCharacters(in: .whitespacesAndNewlines)
            return trimmed.isEmpty ? [] : [trimmed]
        case .bool(let value): return [value ? "true" : "false"]
        case .null, .object: return []
        }
    }

    /// Whether both say the same.
    func isSame(as other: SaidValue) -> Bool {
        texts.count == other.texts.count && zip(texts, other.texts).allSatisfy { isSame($0, $1) }
    }

    private func isSame(_ one: String, _ other: String) -> Bool {
        if one == other { return true }
        if key.hasSuffix("date") {
            return Self.days(one).contains { day in
                Self.days(other).contains { day.hasPrefix($0) || $0.hasPrefix(day) }
            }
        }
        if key.hasSuffix("name") { return Self.words(one).sorted() == Self.words(other).sorted() }
        return key == "study" && Self.isOneStudy(one, other)
    }

    /// The digits of a date from the year on, in each order of day and month that its form allows.
    private static func days(_ text: String) -> [String] {
        func digits(_ text: String) -> String { String(text.filter(\.isNumber).prefix(8)) }
        do throws(DateText.Fault) { return [digits(try DateText(text).iso)] } catch {
            guard error == .ambiguous else { return [digits(text)] }
        }
        return [DateText.Order.dayFirst, .monthFirst].compactMap { order in
            let orders = Dictionary(uniqueKeysWithValues: "/-.".utf8.map { ($0, order) })
            return (try? DateText(text, orders: orders)).map { digits($0.iso) }
        }
    }

    private static func words(_ text: String) -> [String] {
        text.lowercased().split { !$0.isLetter && !$0.isNumber }.map(String.init)
    }

    // MARK: Studies

    /// Words by which views of one exam differ.
    private static let viewWords: Set<String> = [
        "pa", "ap", "lat", "lateral", "frontal", "oblique", "obl", "left", "right", "l", "r", "ll", "rl", "lao", "rao",
        "lpo", "rpo", "cc", "mlo", "axial", "sagittal", "coronal", "erect", "upright", "supine", "prone", "decubitus",
        "portable", "standing", "view", "views", "projection",
    ]

    /// Words by which exams of one patient differ.
    private static let timeWords: Set<String> = [
        "baseline", "initial", "follow", "followup", "prior", "previous", "current", "today", "pre", "post",
        "preoperative", "postoperative", "admission", "discharge",
    ]

    private static func isUID(_ text: String) -> Bool {
        text.contains(".") && text.allSatisfy { $0.isNumber || $0 == "." }
    }

    /// Whether two descriptions differ in no year, number of an order or word of time, or one is a UID and the other describes it.
    private static func isOneStudy(_ one: String, _ other: String) -> Bool {
        if isUID(one) != isUID(other) { return isDescription(isUID(one) ? other : one) }
        guard isDescription(one), isDescription(other) else { return false }
        // Views are described in any language.
        func telling(_ text: String) -> [String] {
            words(text).filter { $0.count(where: \.isNumber) > 3 || timeWords.contains($0) }
        }
        return telling(one) == telling(other)
    }

    /// Whether a text is words, and no number by which a study is called.
    private static func isDescription(_ text: String) -> Bool {
        let words = words(text)
        return words.contains { $0.count > 2 && !viewWords.contains($0) && $0.allSatisfy(\.isLetter) }
    }
}
