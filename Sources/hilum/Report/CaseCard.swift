import Foundation
import HilumCore

/// A case that was found: images, findings, report with marks, and why it was found.
///
/// It says what `hits.js` and `case.js` of the page of `hilum view` say, in the same words.
struct CaseCard {
    let hit: AnsweredQuestion.Hit
    let labels: PageLabels

    private static let mostChips = 40

    private var json: JSON { hit.json }

    private func text(_ key: String) -> String? { json[key]?.string }

    var html: HTML {
        let id = text("id") ?? ""
        let report: HTML =
            text("report").map { "<p class=\"report whole\">\(MarkedText($0, of: json).html)</p>" }
            ?? "<p class=\"quiet\">\(labels.word("noReport"))</p>"
        return """
            <li class="card case">
            <h2><span class="rank">\(json["rank"]?.integer ?? 0)</span> \(id)</h2>
            <p class="facts">\(facts)</p>
            <div class="halves">
            <div class="figures">\(figures(id))</div>
            <div>
            \(chips.map { section("findings", $0) } ?? "")
            \(section("report", report))
            \(section("why", why))
            \(metadata.map { section("facts", $0) } ?? "")
            </div>
            </div>
            </li>

            """
    }

    private func section(_ name: String, _ content: HTML) -> HTML {
        "<section><h3>\(labels.word(name))</h3>\(content)</section>"
    }

    /// Date, view and the like, in one line.
    private var facts: String {
        let views = (json["images"]?.array ?? []).compactMap { $0["view"]?.string }
        var seen: Set<String> = []
        let joined = views.filter { seen.insert($0).inserted }.joined(separator: " + ")
        let view = views.count > 1 ? joined : text("image_view") ?? text("view") ?? views.first
        var parts = [text("date"), view, text("modality"), text("site")].compactMap(\.self).filter { !$0.isEmpty }
        if let patient = text("patient") { parts.append("\(labels.word("patientIs")) \(patient)") }
        if let group = json["group"], group["by"]?.string == "patient", let others = group["others"]?.integer,
            others > 0
        {
            parts.append(labels.word("others", ["n": String(others)]))
        }
        return parts.joined(separator: " · ")
    }

    /// Findings: affirmed first, then uncertain, then denied; nil for none.
    private var chips: HTML? {
        let order = ["present", "uncertain", "absent"]
        let marks = ["present": "", "uncertain": "? ", "absent": "− "]
        var seen: Set<String> = []
        var chips: [HTML] = []
        let said = json["said"]?.array ?? []
        for assertion in order {
            for item in said where item["assertion"]?.string == assertion {
                let name = labels.findingName(item["name"]?.string ?? "", side: item["side"]?.string)
                guard seen.insert(name).inserted else { continue }
                chips.append(chip(assertion, (marks[assertion] ?? "") + name, unseen: labels.word(assertion)))
            }
        }
        if chips.isEmpty {
            chips = (json["findings"]?.array ?? []).compactMap(\.string).map {
                chip("present", labels.findingName($0), unseen: nil)
            }
        }
        guard !chips.isEmpty else { return nil }
        return "<ul class=\"chips\">\(HTML.joined(chips.prefix(Self.mostChips)))</ul>"
    }

    private func chip(_ assertion: String, _ name: String, unseen: String?) -> HTML {
        let said: HTML = unseen.map { "<span class=\"unseen\">\($0): </span>" } ?? ""
        return "<li class=\"chip \(assertion)\">\(said)\(name)</li>"
    }

    /// The ranks and scores that brought the case here.
    private var why: HTML {
        let via = text("via") == "image" ? labels.word("viaImage") : labels.word("viaReport")
        func decimal(_ value: Double?, _ places: Int) -> String { String(format: "%.\(places)f", value ?? 0) }
        func row(_ name: String, _ rank: Int?, _ rest: String) -> HTML {
            let found = rank.map { "\(labels.word("rank", ["n": String($0)])) · \(rest)" } ?? labels.word("notFound")
            return "<div><dt>\(labels.word(name))</dt><dd>\(found)</dd></div>"
        }
        let score = json["score"]?.double
        guard json["fused"] != nil else {
            let cosine = labels.word("cosine", ["x": decimal(score, 3)])
            return "<dl class=\"why\">\(row("byMeaning", json["rank"]?.integer, "\(cosine) · \(via)"))</dl>"
        }
        let (vector, words) = (json["vector"], json["words"])
        let cosine = labels.word("cosine", ["x": decimal(vector?["score"]?.double ?? score, 3)])
        let points = labels.word("points", ["x": decimal(words?["score"]?.double, 1)])
        return """
            <dl class="why">\(row("byMeaning", vector?["rank"]?.integer, "\(cosine) · \(via)"))\
            \(row("byWords", words?["rank"]?.integer, points))</dl>
            """
    }

    private var metadata: HTML? {
        guard !hit.metadata.isEmpty else { return nil }
        let rows = hit.metadata.map { key, value -> HTML in
            "<div><dt>\(labels.keyName(key))</dt><dd>\(value)</dd></div>"
        }
        return "<dl class=\"facts-list\">\(HTML.joined(rows))</dl>"
    }

    private func figures(_ id: String) -> HTML {
        guard !hit.pictures.isEmpty else { return "<p class=\"no-picture\">\(labels.word("noImage"))</p>" }
        let views = (json["images"]?.array ?? []).map { $0["view"]?.string }
        return HTML.joined(
            hit.pictures.enumerated().map { place, picture -> HTML in
                guard let picture else { return "<p class=\"no-picture\">\(labels.word("imageGone"))</p>" }
                let name = labels.word("imageOf", ["n": String(place + 1), "id": id])
                let view = views.indices.contains(place) ? views[place] : nil
                let caption = view.map { "\($0) · \(name)" } ?? name
                return PictureFigure(picture: picture, caption: caption, kind: "found", labels: labels).html
            })
    }
}
