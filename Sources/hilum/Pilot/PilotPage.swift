import Foundation
import HilumImaging
import HilumEvaluation

/// The report of a pilot as one HTML file with embedded images, for readers who decide and do not program.
struct PilotPage {
    let html: HTML

    /// - Parameters:
    ///   - thumbnails: a small image of each pair.
    ///   - showsText: whether the page shows the beginnings of reports.
    init(_ report: PilotReport, study: PilotStudy, thumbnails: [GrayImage], showsText: Bool) throws {
        let verdict = PilotVerdict(report)
        let sections: [HTML] = [
            Self.head(report, verdict), Self.chart(report.summary), Self.table(report.summary),
            Self.labels(report.summary, fromReports: report.data.hasLabelsFromReports),
            Self.cost(report), try Self.failures(report, study, thumbnails, showsText: showsText),
            Self.limits(report), Self.method(report, showsText: showsText),
        ]
        html = """
            <!DOCTYPE html>
            <html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
            \(HTML(stringLiteral: OutputFile.pageMark(PilotReport.program)))
            <meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; style-src 'unsafe-inline'">
            <title>Trial of similar-case search: \(verdict.headline)</title>
            <style>\(Self.style)</style></head><body><main>
            \(HTML.joined(sections))</main></body></html>

            """
    }

    private static func head(_ report: PilotReport, _ verdict: PilotVerdict) -> HTML {
        """
        <header><p class="kind">Trial of similar-case search on \(report.data.pairs) cases of the house, begun \(report.date)</p>
        <h1>\(verdict.headline)</h1></header>
        <section id="summary"><p class="lead">\(verdict.summary)</p>
        <p><b>What it means.</b> \(verdict.advice)</p></section>

        """
    }

    // MARK: Figures

    private static let kinds: [(PilotChart.Kind, PilotMethod, String)] = [
        (.yardstick, .yardstick, "without a model"), (.before, .before, "before"),
        (.after, .after, "after fine-tuning"),
    ]

    private static func chart(_ summary: PilotSummary) -> HTML {
        func group(_ name: String, _ chance: Double, _ key: KeyPath<PilotSummary.Figures, PilotSummary.Estimate>)
            -> PilotChart.Group
        {
            let bars = kinds.compactMap { kind, method, name in
                (summary.methods[method.rawValue]?.both[keyPath: key]).map {
                    PilotChart.Bar(name: name, kind: kind, value: $0.value, interval: $0.low...$0.high)
                }
            }
            let guess = PilotChart.Bar(name: "guessing", kind: .chance, value: chance, interval: nil)
            return PilotChart.Group(name: name, bars: [guess] + bars)
        }
        let chart = PilotChart(
            title: "Share of the questions whose right answer stands among the first 1, 5 and 10",
            groups: [
                group("The right case stands first", summary.chance.r1, \.r1),
                group("… among the first five", summary.chance.r5, \.r5),
                group("… among the first ten", summary.chance.r10, \.r10),
            ])
        return """
            <section id="result"><h2>How often the right case is found</h2>
            <figure>\(chart.svg)<figcaption>Both directions together, among \(number(summary.gallery.mean)) unseen cases on average \
            (\(summary.gallery.smallest) to \(summary.gallery.largest)). The thin lines are 95 % intervals over patients.\
            </figcaption></figure></section>

            """
    }

    private static func table(_ summary: PilotSummary) -> HTML {
        func row(_ name: String, _ figures: PilotSummary.Figures?, signed: Bool = false) -> HTML {
            guard let figures else { return "" }
            let cells = [figures.r1, figures.r5, figures.r10, figures.wrongBefore].map { cell($0, signed: signed) }
            let median = figures.medianRank.map { String(format: "%g", $0) } ?? ""
            return "<tr><th>\(name)</th>\(HTML.joined(cells))<td>\(median)</td></tr>\n"
        }
        func body(_ title: String, _ key: KeyPath<PilotSummary.Directions, PilotSummary.Figures>) -> HTML {
            let chance = summary.chance
            var rows: HTML = "<tr class=\"part\"><th colspan=\"6\">\(title)</th></tr>\n"
            rows += "<tr><th>guessing</th>"
            for share in [chance.r1, chance.r5, chance.r10, 0.5] { rows += "<td>\(percentText(share))</td>" }
            rows += "<td></td></tr>\n"
            for (_, method, name) in kinds { rows += row(name, summary.methods[method.rawValue]?[keyPath: key]) }
            rows += row("change by fine-tuning, points", summary.change[keyPath: key], signed: true)
            rows += row("after, over no model, points", summary.overYardstick[keyPath: key], signed: true)
            return rows
        }
        return """
            <section id="figures"><h2>Figures</h2><div class="wide"><table><thead><tr><th></th><th>first</th><th>first five</th>\
            <th>first ten</th><th>wrong ones before it</th><th>median rank</th></tr></thead><tbody>
            \(body("An image asks for its report", \.imageToReport))\
            \(body("A report asks for its image", \.reportToImage))\
            \(body("Both together", \.both))</tbody></table></div>
            <p class="note">Small: the 95 % interval. “Wrong ones before it” is the share of the wrong cases that stand before the \
            right one: 0 % is perfect, 50 % is guessing; it uses all of the order and so needs the fewest cases to show a difference; there, a change below zero is a gain. \
            A change whose interval holds zero is no measurable change.</p></section>

            """
    }

    private static func labels(_ summary: PilotSummary, fromReports: Bool) -> HTML {
        guard let labels = summary.labels else {
            return """
                <section id="findings"><h2>Similar cases by finding</h2><p>The cases name no findings (keys ‘findings’ or ‘labels’ \
                of the manifest) and their reports say of none whether it is there, so whether similar cases share a finding was not measured.</p></section>

                """
        }
        func rows(
            _ title: String, _ figures: [String: PilotSummary.PrecisionEstimates],
            _ change: PilotSummary.PrecisionEstimates,
            _ without: String
        ) -> HTML {
            func row(_ name: String, _ figures: PilotSummary.PrecisionEstimates?, signed: Bool = false) -> HTML {
                guard let figures else { return "" }
                let cells = [figures.p1, figures.p5, figures.p10].map { cell($0, signed: signed) }
                return "<tr><th>\(name)</th>\(HTML.joined(cells))</tr>\n"
            }
            var rows: HTML = "<tr class=\"part\"><th colspan=\"4\">\(title)</th></tr>\n<tr><th>guessing</th>"
            for _ in 0..<3 { rows += "<td>\(percentText(labels.chance))</td>" }
            rows += "</tr>\n"
            for (kind, method, name) in kinds {
                rows += row(kind == .yardstick ? without : name, figures[method.rawValue])
            }
            rows += row("change by fine-tuning, points", change, signed: true)
            return rows
        }
        let source: HTML =
            fromReports
            ? "Labels from reports: the cases name no findings, so what their reports affirm stands in for them. " : ""
        return """
            <section id="findings"><h2>Similar cases by finding</h2>
            <p>\(source)Each of \(labels.count) cases with findings was compared with the cases of the other parts, as a new case is compared \
            with an archive. Counted is how many of the nearest share a finding with it.</p>
            <div class="wide"><table><thead><tr><th></th><th>nearest</th><th>nearest five</th><th>nearest ten</th></tr></thead><tbody>
            \(rows("Image among images", labels.image, labels.imageChange, "plain pixels"))\
            \(rows("Report among reports", labels.report, labels.reportChange, "word overlap (BM25)"))</tbody></table></div>
            <p class="note">Where one finding is frequent, guessing is often right too: compare with that row.</p></section>

            """
    }

    static func cell(_ estimate: PilotSummary.Estimate, signed: Bool) -> HTML {
        func text(_ value: Double) -> String { String(format: signed ? "%+.1f" : "%.1f", value * 100) }
        return """
            <td>\(text(estimate.value))\(signed ? "" : " %")<small>\(text(estimate.low)) to \(text(estimate.high))</small></td>
            """
    }

    static func number(_ value: Double) -> String { String(format: "%.0f", value) }

    // MARK: Cost

    private static func cost(_ report: PilotReport) -> HTML {
        let cost = report.cost
        func minutes(_ seconds: Double) -> String { String(format: seconds < 600 ? "%.1f" : "%.0f", seconds / 60) }
        let folds = zip(cost.foldSeconds, cost.trainingSeconds).enumerated().map { number, pair -> HTML in
            "<tr><th>part \(number + 1)</th><td>\(minutes(pair.0))</td><td>\(minutes(pair.1))</td></tr>\n"
        }
        return """
            <section id="cost"><h2>Cost in minutes</h2>
            <p>The whole trial took about <b>\(minutes(cost.totalSeconds)) minutes</b> on \(cost.processor) with \(cost.cores) cores \
            (\(cost.threads) threads used). Fine-tuning saw \(String(format: "%.0f", cost.pairsPerSecond)) pairs a second; fine-tuning on \
            all \(report.summary.pairCount) pairs would take about <b>\(minutes(cost.allPairsSeconds)) minutes</b>. No graphics \
            card and no network were used, and nothing left the machine.</p>
            <table><thead><tr><th></th><th>minutes</th><th>of these, fine-tuning</th></tr></thead><tbody>
            <tr><th>reading the cases</th><td>\(minutes(cost.readSeconds))</td><td></td></tr>
            \(HTML.joined(folds))</tbody></table></section>

            """
    }
}
