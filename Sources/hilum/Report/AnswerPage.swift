import Foundation
import HilumCore

/// The page of `hilum report`: the question, and each case that was found as the page of `hilum view` shows an open one.
struct AnswerPage {
    let call: SearchCall
    let answer: AnsweredQuestion
    /// Whose evidence lies over the images; nil for none.
    let words: String?
    /// What was asked, as people call it: the name of the archive.
    let archive: String
    let resources: PageResources

    private var labels: PageLabels { resources.labels }

    /// The page.
    ///
    /// - Parameter date: stands on it.
    func html(date: Date) -> String {
        let title = call.text.isEmpty ? labels.word("reportTitle") : call.text
        let cards = HTML.joined(answer.hits.map { CaseCard(hit: $0, labels: labels).html })
        let body: HTML = """
            <header>
            <h1>\(labels.word("reportTitle"))</h1>
            <p class="quiet">Hilum \(Release.version)</p>
            </header>
            <main>
            <section class="question">
            <dl class="facts-list">\(facts(date))</dl>
            \(askedPictures)
            <p class="status">\(statusText)</p>
            \(legend)
            </section>
            <ol class="cases">
            \(cards)</ol>
            <p class="quiet note">\(labels.word("notForCare"))</p>
            </main>
            """
        return resources.page(title: "\(title) – Hilum", verb: "report", body)
    }

    // MARK: The question

    private func facts(_ date: Date) -> HTML {
        var rows: [(String, String)] = []
        var asked: [String] = []
        if !call.text.isEmpty { asked.append(call.text) }
        if call.imageBytes != nil { asked.append(labels.word("yourImage")) }
        asked += call.ids.map { "\(labels.word("like")) \($0)" } + call.unlike.map { "\(labels.word("unlike")) \($0)" }
        rows.append((labels.word("asked"), asked.joined(separator: " · ")))
        if !call.filterText.isEmpty { rows.append((labels.word("filtersOn"), call.filterText)) }
        rows.append((labels.word("askedWith"), call.summary))
        rows.append((labels.word("archiveOf"), archive))
        let format = DateFormatter()
        format.locale = Locale(identifier: "en_US_POSIX")
        format.dateFormat = "yyyy-MM-dd HH:mm:ss ZZZZZ"
        rows.append((labels.word("made"), format.string(from: date)))
        return HTML.joined(rows.map { "<div><dt>\($0.0)</dt><dd>\($0.1)</dd></div>" })
    }

    private var askedPictures: HTML {
        guard !answer.asked.isEmpty else { return "" }
        let figures = answer.asked.map { id, picture in
            let caption = id.map { labels.word("exampleImage", ["id": $0]) } ?? labels.word("queryImage")
            return PictureFigure(picture: picture, caption: caption, kind: "query", labels: labels).html
        }
        return "<div class=\"figures\">\(HTML.joined(figures))</div>"
    }

    private var statusText: String {
        let count = answer.hits.count
        var parts = [
            count == 0
                ? labels.word("foundNone")
                : count == 1 ? labels.word("caseFound") : labels.word("casesFound", ["n": String(count)])
        ]
        let fields = answer.status.fields
        if fields["short"] == "filter" { parts.append(labels.word("shortFilter")) }
        if fields["short"] == "group" { parts.append(labels.word("shortGroup")) }
        if let unknown = unknownWords { parts.append(labels.word("unknown", ["words": unknown])) }
        return parts.joined(separator: " · ")
    }

    /// Words of the question that no report contains; nil for none.
    private var unknownWords: String? {
        var reader = ArgumentReader(Array(answer.status.text.utf8)[...])
        while let item = reader.next() {
            if case .argument(let argument) = item, argument.key == "unknown" { return argument.value }
        }
        return nil
    }

    private var legend: HTML {
        guard let words else { return "" }
        let pictures = answer.asked.map(\.picture) + answer.hits.flatMap { $0.pictures.compactMap(\.self) }
        let evidence = pictures.compactMap(\.evidence)
        guard !evidence.isEmpty else { return "" }
        guard evidence.contains(where: { $0.overlay != nil }) else {
            return "<p class=\"quiet\">\(labels.word("heatOfNone", ["words": words]))</p>"
        }
        return """
            <p class="quiet"><span class="legend"></span>\(labels.word("heatOf", ["words": words])) (\(labels.word("heatLegend")))</p>
            """
    }
}
