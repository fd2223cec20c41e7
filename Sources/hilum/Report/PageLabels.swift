import HilumCore

/// The texts of a page in one language, from the file that the page of `hilum view` reads too.
struct PageLabels {
    /// The languages that it is written in.
    enum Language: String, CaseIterable {
        case en, ja

        /// That of the user, as the environment says it.
        init(environment: [String: String]) {
            let locale = ["LC_ALL", "LC_MESSAGES", "LANG"].lazy.compactMap { environment[$0] }.first { !$0.isEmpty }
            self = locale?.hasPrefix("ja") == true ? .ja : .en
        }
    }

    let language: Language
    private let json: JSON

    /// - Throws: `CommandError` where the file is no JSON.
    init(_ language: Language, json bytes: [UInt8], path: String) throws {
        self.language = language
        do { json = try JSON(parsing: bytes[...]) } catch { throw CommandError(.failed, "\(path): \(error)") }
    }

    /// The label of that name, with `{parts}` filled in.
    func word(_ name: String, _ parts: [String: String] = [:]) -> String {
        guard var text = pair("labels", name) else { preconditionFailure("labels.json has no label \(name)") }
        for (part, value) in parts { text = text.replacing("{\(part)}", with: value) }
        return text
    }

    /// What a key of the metadata is called.
    func keyName(_ key: String) -> String { pair("keys", key) ?? key.replacing("_", with: " ") }

    /// A finding with its side: `effusion left`, or `左胸水`.
    func findingName(_ text: String, side: String? = nil) -> String {
        var parts = text.split(separator: " ").map(String.init)
        var side = side
        if side == nil, parts.count > 1, let last = parts.last, pair("sides", last) != nil { side = parts.popLast() }
        let name = parts.joined(separator: " ").replacing("-", with: " ")
        let sideName = side.map { pair("sides", $0) ?? $0 }
        guard language == .ja else { return sideName.map { "\(name) \($0)" } ?? name }
        return (sideName ?? "") + (json["findings"]?[name.replacing(" ", with: "-")]?.string ?? name)
    }

    private func pair(_ group: String, _ name: String) -> String? {
        guard let texts = json[group]?[name]?.array, texts.count == 2 else { return nil }
        return texts[language == .ja ? 1 : 0].string
    }
}
