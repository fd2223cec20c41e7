import Foundation
import HilumCore
import HilumPrivacy

/// What a member of a record says, to be compared with what another record of the case says under the same key.
///
/// Blanks around it do not count. Of dates the days count, however they are written and as far as both say them; of names the words; a study is
/// told from others by UIDs, numbers, words of time, kinds of exams and parts of the body, as people describe each view in words of their own.
/// Thread rule: a value.
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

    /// Words by which exams of one patient differ; those of one row say the same.
    private static let timeWords: [String: Int] = numbered([
        ["baseline", "initial", "first", "erstaufnahme", "初回"],
        ["followup", "follow", "fu", "control", "kontrolle", "verlauf", "verlaufskontrolle", "経過", "フォロー"],
        ["prior", "previous", "old", "voraufnahme", "前回"], ["current", "today", "new", "今回"],
        ["pre", "preop", "preoperative", "preoperativ", "präop", "präoperativ", "術前"],
        ["post", "postop", "postoperative", "postoperativ", "術後"],
        ["before", "vor", "vorher", "avant", "antes", "prima"],
        ["after", "nach", "nachher", "après", "después", "dopo"],
        ["admission", "aufnahme", "入院時"], ["discharge", "entlassung", "退院時"], ["second"], ["third"], ["last"],
    ])

    /// Kinds of exams.
    private static let kindWords: [String: Int] = numbered([
        ["xr", "xray", "cr", "dx", "dr", "radiograph", "röntgen", "radiographie", "レントゲン"],
        ["ct", "cta", "hrct", "tomography"], ["mr", "mri", "mra", "mrt", "irm"],
        ["us", "ultrasound", "sonography", "sono", "echo"],
        ["pet", "petct"], ["mg", "mammography", "mammogram", "mammographie"], ["angiography", "dsa"], ["nm", "spect"],
        ["fluoroscopy"],
    ])

    /// Parts of the body.
    private static let bodyWords: [String: Int] = numbered([
        ["chest", "thorax", "cxr", "lung", "lungs", "胸部"], ["abdomen", "abdominal", "腹部"], ["pelvis", "becken", "骨盤"],
        ["brain", "head", "skull", "schädel", "kopf", "頭部"], ["neck", "hals", "頸部"],
        ["spine", "wirbelsäule", "cspine", "lspine", "tspine"], ["hip", "hips", "hüfte"],
        ["knee", "knees", "knie"], ["ankle", "sprunggelenk"], ["foot", "feet", "fuss", "fuß"], ["hand", "hands"],
        ["wrist", "handgelenk"], ["elbow", "ellenbogen"], ["shoulder", "schulter"], ["breast", "mamma", "乳房"],
        ["heart", "herz"], ["liver", "leber"], ["kidney", "kidneys", "niere"], ["femur"], ["tibia"], ["humerus"],
        ["forearm"], ["leg", "legs"], ["arm", "arms"],
    ])

    private static func numbered(_ rows: [[String]]) -> [String: Int] {
        var numbers: [String: Int] = [:]
        for (number, row) in rows.enumerated() { for word in row { numbers[word] = number } }
        return numbers
    }

    private static func isUID(_ text: String) -> Bool {
        text.contains(".") && text.allSatisfy { $0.isNumber || $0 == "." }
    }

    /// Whether two descriptions may be of one exam, or one is a UID and the other describes it. Words that no list knows tell nothing: views are
    /// described in any language.
    private static func isOneStudy(_ one: String, _ other: String) -> Bool {
        if isUID(one) != isUID(other) { return isDescription(isUID(one) ? other : one) }
        guard isDescription(one), isDescription(other) else { return false }
        let (first, second) = (parts(of: one), parts(of: other))
        guard numbers(first) == numbers(second), rows(first, timeWords) == rows(second, timeWords) else { return false }
        return [kindWords, bodyWords].allSatisfy { words in
            let (left, right) = (rows(first, words), rows(second, words))
            return left.isSubset(of: right) || right.isSubset(of: left)
        }
    }

    /// The words of a description, with what a hyphen or a blank parts in others joined: `follow-up`, `pre op`.
    private static func parts(of text: String) -> [String] {
        var parts: [String] = []
        for word in words(text) {
            let joined = (parts.last ?? "") + word
            if ["followup", "preop", "postop", "preoperative", "postoperative", "xray", "petct"].contains(joined) {
                parts[parts.count - 1] = joined
            } else {
                parts.append(word)
            }
        }
        return parts
    }

    private static func rows(_ parts: [String], _ words: [String: Int]) -> Set<Int> {
        // Japanese has no blanks between words.
        func isSaid(_ word: String) -> Bool {
            let isWide = !word.utf8.allSatisfy { $0 < 0x80 }
            return parts.contains { $0 == word || isWide && $0.contains(word) }
        }
        return Set(words.filter { isSaid($0.key) }.values)
    }

    /// The numbers in words, but those that count views.
    private static func numbers(_ parts: [String]) -> [String] {
        parts.indices.flatMap { index -> [String] in
            let next = index + 1 < parts.count ? parts[index + 1] : ""
            if parts[index].count < 3, ["view", "views", "projection", "projections"].contains(next) { return [] }
            return parts[index].split { !$0.isNumber }.map(String.init)
        }
    }

    /// Whether a text is words, and no number by which a study is called.
    private static func isDescription(_ text: String) -> Bool {
        let words = words(text)
        return words.contains { $0.count > 2 && !viewWords.contains($0) && $0.allSatisfy(\.isLetter) }
    }
}
