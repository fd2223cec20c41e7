import Foundation
import HilumImaging
import HilumEvaluation
import HilumMCR

extension PilotPage {
    // MARK: Cases that failed

    static func failures(
        _ report: PilotReport, _ study: PilotStudy, _ thumbnails: [GrayImage], showsText: Bool
    ) throws -> HTML {
        guard !report.misses.isEmpty else {
            return "<section id=\"failed\"><h2>Cases that failed</h2><p>None: every case stood first.</p></section>\n"
        }
        func picture(_ number: Int, _ heading: String) throws -> HTML {
            let pair = study.pairs[number]
            let png = try PNGEncoder.encode(thumbnails[number])
            let findings = pair.labels.isEmpty ? "" : pair.labels.joined(separator: ", ")
            let text = showsText ? excerpt(pair.report) : ""
            return """
                <figure class="case"><div class="film">\(HTML.image(png: png, alternative: "image of \(pair.id)"))</div>\
                <figcaption><span class="what">\(heading)</span><b>\(pair.id)</b><span>\(findings)</span>\
                <span class="text">\(text)</span></figcaption></figure>
                """
        }
        var cards: HTML = ""
        for miss in report.misses {
            cards += "<article><div class=\"row\">"
            cards += try picture(miss.number, "asked")
            cards += """
                <p class="ranks">Its report stood at place <b>\(place(miss.imageToReportAfter))</b> of \(miss.gallery) \
                (before fine-tuning \(place(miss.imageToReportBefore))).<br>Asked with the report, the image stood at place \
                <b>\(place(miss.reportToImageAfter))</b> (before \(place(miss.reportToImageBefore))).</p>
                """
            cards += "</div><p class=\"found\">The image found the reports of these first</p><div class=\"row\">"
            for (rank, number) in miss.imageFoundNumbers.enumerated() { cards += try picture(number, "\(rank + 1)") }
            cards += "</div><p class=\"found\">The report found these images first</p><div class=\"row\">"
            for (rank, number) in miss.reportFoundNumbers.enumerated() { cards += try picture(number, "\(rank + 1)") }
            cards += "</div></article>\n"
        }
        return """
            <section id="failed"><h2>Cases that failed</h2>
            <p>The \(report.misses.count) cases whose other half stood latest after fine-tuning, and what was found instead. It is \
            worth looking whether these are errors: what stood first may show the same.</p>
            \(cards)</section>

            """
    }

    private static func place(_ rank: Double) -> String { String(format: "%g", rank) }

    /// The beginning of a report, on one line.
    private static func excerpt(_ text: String) -> String {
        let line = text.split(whereSeparator: \.isWhitespace).joined(separator: " ")
        return line.count > 240 ? line.prefix(240) + "…" : line
    }

    // MARK: Limits and method

    static func limits(_ report: PilotReport) -> HTML {
        let summary = report.summary
        var items: [HTML] = [
            """
            The galleries are small (\(number(summary.gallery.mean)) cases). In an archive of thousands the right case stands first less \
            often; the figures compare the ways with each other, not with an archive.
            """,
            """
            The intervals say how far other patients of this kind might move a figure. They do not hold what another cut into parts or \
            another start of the training would do; ‘--seed’ tries that.
            """,
            """
            Only the same case, or one with the word-for-word same report, counts as right. Another case with the same finding counts \
            as wrong, so the figures are lower than what a reader may find useful.
            """,
            "A trial shows whether the search learns from the house's cases. It is no proof of use for any patient's care.",
        ]
        if report.data.lookalikes > 0 {
            items.append(
                """
                \(report.data.lookalikes) pairs of cases in different parts look nearly alike (correlation of 0.99 or more at \
                \(PlainPixels.side) × \(PlainPixels.side) pixels). If they show one patient, give both the same ‘patient’ or ‘group’ \
                in the manifest.
                """)
        }
        return """
            <section id="limits"><h2>What this trial cannot say</h2><ul>
            \(HTML.joined(items.map { item -> HTML in "<li>\(item)</li>\n" }))</ul></section>

            """
    }

    static func method(_ report: PilotReport, showsText: Bool) -> HTML {
        let options = report.options
        let steps = Set(report.steps).sorted().map(String.init).joined(separator: " or ")
        func percent(_ mask: MaskRatio) -> String { "\(100 * mask.numerator / mask.denominator) %" }
        let masks =
            options.unmaskedShare >= 1
            ? "no masks"
            : "masks of \(percent(options.imageMask)) (image) and \(percent(options.reportMask)) (report) with reconstruction "
                + "in the first \(number(100 * (1 - options.unmaskedShare))) % of the steps"
        return """
            <section id="method"><h2>How it was done</h2><dl>
            <dt>Cases</dt><dd>\(report.data.pairs) pairs of image and report of \(report.summary.patientCount) patients. \
            \(leftOut(report.data)) The keys ‘patient’ and ‘group’ of the manifest, and pictures that are equal to the \
            last pixel, keep cases in one part; a case without them counts as a patient of its own. No patient stands on both sides.</dd>
            <dt>Questions</dt><dd>Each case asks twice, in the part where it was unseen: its image among the reports of that part, its \
            report among the images. Pairs that were trained on are not in the gallery. Rank = 1 + better ones + half of the ties.</dd>
            <dt>Findings</dt><dd>Image among images and report among reports, against the cases of the other parts; the case's own patient \
            is never among them. A case is relevant if it shares a finding (with its side).</dd>
            <dt>Model</dt><dd>\(report.modelName), id \(report.model)</dd>
            <dt>Fine-tuning</dt><dd>Image against report (contrast) from the model's weights, nothing frozen: \(steps) steps of \
            \(options.batchSize) pairs, rate up to \(String(format: "%g", options.peakRate)), \(masks), \
            \(number(100 * options.partialReportShare)) % of the reports shown in part. The options are the same for every part.</dd>
            <dt>Without a model</dt><dd>An image takes the most similar image of the other parts by plain pixels \
            (\(PlainPixels.side) × \(PlainPixels.side), mean taken off, correlation); that case's report is looked up among the unseen \
            reports by word overlap (BM25, k₁ = \(String(format: "%g", BM25.k1)), b = \(String(format: "%g", BM25.b)); Robertson and \
            Zaragoza, 2009). A report takes the most similar report of the other parts by word overlap; that case's image is looked up among the \
            unseen images by pixels. For findings: plain pixels among images, word overlap among reports.</dd>
            <dt>Guessing</dt><dd>What a random order reaches, computed for each gallery.</dd>
            <dt>Intervals</dt><dd>The middle 95 % of \(PilotSummary.drawCount) draws of patients with replacement; changes are compared \
            case by case within a draw. The headline is judged on the first five, both directions, and on nothing else.</dd>
            <dt>Privacy</dt><dd>This page holds the ids, findings and small pictures of the cases shown above\
            \(showsText ? " and the beginnings of their reports" : "; it holds no report text"). It is a file of the house: handle it \
            like the cases.</dd>
            <dt>Program</dt><dd>hilum \(report.version), seed \(String(options.seed))</dd></dl></section>

            """
    }

    private static func leftOut(_ data: PilotReport.Data) -> HTML {
        func named(_ count: Int, _ what: String, _ names: [String]) -> HTML {
            count == 0
                ? ""
                : "Left out: \(count) \(what) (\(names.prefix(12).joined(separator: ", "))\(names.count > 12 ? ", …" : "")). "
        }
        return HTML.joined([
            named(data.withoutImage.count, "without image", data.withoutImage),
            named(data.withoutReport.count, "without report", data.withoutReport),
            named(data.refused.count, "that could not be read", data.refused.map(\.source)),
        ])
    }

    static let style: HTML = """
        body{margin:0;background:#f4f5f7;color:#1d2530;font:16px/1.5 system-ui,"Segoe UI","DejaVu Sans",sans-serif}
        main{max-width:52rem;margin:0 auto;padding:1.5rem;background:#fff}
        h1{font-size:1.9rem;line-height:1.2;margin:.2rem 0 1rem}h2{font-size:1.25rem;margin:2.2rem 0 .6rem}
        .kind{color:#56606d;margin:0}.lead{font-size:1.08rem}.note,figcaption,.found{color:#56606d;font-size:.88rem}
        figure{margin:0}svg{width:100%;height:auto;font-size:12px}svg text{fill:#1d2530}
        svg .tick,svg .value{fill:#56606d}svg .tick{text-anchor:middle}svg .name{text-anchor:end}svg .head{font-weight:600}
        svg .grid{stroke:#e2e5ea}svg .whisker{stroke:#1d2530;stroke-width:1.2}
        svg .chance{fill:#b4bac3}svg .yardstick{fill:#d9a441}svg .before{fill:#8fb3dd}svg .after{fill:#1f5fa8}
        .wide{overflow-x:auto}table{border-collapse:collapse;font-variant-numeric:tabular-nums;font-size:.92rem}
        td,th{padding:.25rem .7rem;text-align:right;vertical-align:top;border-bottom:1px solid #e2e5ea}
        th{font-weight:500}tbody th{text-align:left}.part th{font-weight:700;padding-top:1rem}
        td small{display:block;color:#56606d;white-space:nowrap}
        article{border:1px solid #e2e5ea;border-radius:6px;padding:.8rem;margin:0 0 1rem;break-inside:avoid}
        .row{display:flex;flex-wrap:wrap;gap:.8rem;align-items:flex-start}.ranks{flex:1;min-width:14rem;margin:0}
        .case{width:136px}.film{width:136px;height:136px;background:#000;display:flex;align-items:center;justify-content:center}
        .film img{max-width:132px;max-height:132px}.case figcaption{font-size:.78rem;line-height:1.3;overflow-wrap:anywhere}
        .case figcaption>*{display:block}.found{margin:.7rem 0 .3rem}dt{font-weight:600;margin-top:.6rem}dd{margin:0}
        @media print{body{background:#fff}main{max-width:none;padding:0}}
        """
}
