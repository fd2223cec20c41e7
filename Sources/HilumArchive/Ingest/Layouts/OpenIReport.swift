/// What an XML file of Open-i says: `AbstractText` by its `Label`, the `id` of each `parentImage`, `MeSH/major`.
///
/// Only these three elements are looked for, and none of them holds another. Everything else of XML is passed over.
struct OpenIReport {
    private(set) var sections: [(name: String, text: String?)] = []
    private(set) var images: [String] = []
    private(set) var findings: [String] = []

    /// Whether the file is a report of that collection.
    var isReport: Bool { !sections.isEmpty || !images.isEmpty }

    init(_ text: String) {
        for element in Self.elements("AbstractText", in: text) {
            sections.append((Self.attribute("Label", of: element.tag)?.uppercased() ?? "REPORT", element.content))
        }
        images = Self.elements("parentImage", in: text).compactMap { Self.attribute("id", of: $0.tag) }
        // `Opacity/lung/base/left` is an opacity.
        findings = Self.elements("major", in: text).compactMap {
            $0.content.split(separator: "/").first.map(String.init)
        }
    }

    /// The elements of a name: what stands in the opening tag, and what follows up to the closing one.
    private static func elements(_ name: String, in text: String) -> [(tag: Substring, content: String)] {
        var found: [(tag: Substring, content: String)] = []
        for part in text.split(separator: "<\(name)", omittingEmptySubsequences: false).dropFirst() {
            guard let end = part.firstIndex(of: ">") else { continue }
            let tag = part[..<end]
            // Another element may begin with this name.
            guard tag.isEmpty || tag.first?.isWhitespace == true || tag == "/" else { continue }
            let rest = part[part.index(after: end)...]
            let content = tag.hasSuffix("/") ? "" : rest.split(separator: "</\(name)", maxSplits: 1).first ?? ""
            found.append((tag, unescaped(content)))
        }
        return found
    }

    private static func attribute(_ name: String, of tag: Substring) -> String? {
        for quote in ["\"", "'"] {
            let parts = tag.split(separator: " \(name)=\(quote)", maxSplits: 1, omittingEmptySubsequences: false)
            if parts.count == 2 {
                return parts[1].split(separator: quote, omittingEmptySubsequences: false).first.map(unescaped)
            }
        }
        return nil
    }

    private static func unescaped(_ text: Substring) -> String {
        guard text.contains("&") else { return String(text) }
        var result = String(text)
        for (name, character) in [("lt", "<"), ("gt", ">"), ("quot", "\""), ("apos", "'"), ("amp", "&")] {
            result = result.replacing("&\(name);", with: character)
        }
        return result
    }
}
