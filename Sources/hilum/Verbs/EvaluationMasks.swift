import Foundation
import HilumCore
import HilumImaging
import HilumEvaluation
import HilumMCR

/// What `hilum eval` hides of the queries.
struct MaskPlan {
    static let sweepPercents = [0, 25, 50, 75]

    /// Percentage of patches hidden in image queries; nil if not requested.
    let image: Int?
    /// Percentage of words hidden in report queries; nil if not requested.
    let report: Int?
    let isSweep: Bool
    let seed: UInt64

    init(_ arguments: Arguments, seed: UInt64) throws {
        image = try arguments.integer("mask-image", in: 0...95)
        report = try arguments.integer("mask-report", in: 0...95)
        isSweep = arguments.has("mask-sweep")
        self.seed = seed
    }

    /// Nothing is hidden.
    init() {
        image = nil
        report = nil
        isSweep = false
        seed = 1
    }

    /// The percentages above 0 that each side needs.
    var imagePercents: [Int] { percents(image) }
    var reportPercents: [Int] { percents(report) }

    private func percents(_ asked: Int?) -> [Int] {
        Set((isSweep ? Self.sweepPercents : []) + (asked.map { [$0] } ?? [])).filter { $0 > 0 }.sorted()
    }

    /// The masks for the output; nil if nothing is hidden.
    var stated: QueryMask? {
        if image == nil && report == nil { return nil }
        return QueryMask(image: Double(image ?? 0) / 100, report: Double(report ?? 0) / 100)
    }
}

extension EvaluationSet {
    /// Adds recall against the hidden share, and short queries.
    func addSweep(to evaluation: inout RetrievalEvaluation, _ model: MCRModel, _ masks: MaskPlan) throws {
        evaluation.missingInformation = try MaskPlan.sweepPercents.map { percent in
            try MissingInformation(
                hidden: Double(percent) / 100, imageQueries: maskedImages[percent] ?? cases.images,
                reportQueries: maskedReports[percent] ?? cases.reports, cases: cases)
        }
        evaluation.shortQueries = try ShortQueries.measure(cases: cases, reports: texts, seed: masks.seed) {
            try model.embed(reports: $0, threads: defaultThreadCount)
        }
    }

    /// Plots R@10 against the hidden share for both directions and chance.
    func writeSweep(_ rows: [MissingInformation], to file: OutputFile, _ evaluation: RetrievalEvaluation) throws {
        func series(_ name: String, _ value: (MissingInformation) -> Double) -> LinePlot.Series {
            LinePlot.Series(name, points: rows.map { (100 * $0.hidden, 100 * value($0)) })
        }
        var plot = LinePlot(
            title: "Missing information, \(cases.count) cases", xLabel: "hidden of the query, %", yLabel: "R@10, %",
            series: [
                series("image to report") { $0.imageToReportR10 }, series("report to image") { $0.reportToImageR10 },
                series("chance") { _ in evaluation.chance.r10 },
            ])
        plot.yRange = 0...100
        try file.write(picture: plot.render(), isPrivate: false)
        standardError("plot: \(file.path)\n")
    }
}

/// The figures on missing information as tables; empty if none were measured.
func missingText(of evaluation: RetrievalEvaluation) -> String {
    var text = ""
    if let mask = evaluation.mask {
        text += "\nhidden of the queries: \(percentText(mask.image)) of an image's patches, "
        text += "\(percentText(mask.report)) of a report's words; the gallery is whole\n"
    }
    if let rows = evaluation.missingInformation {
        var table = TextTable([
            ("hidden of the query", .left), ("image to report R@1", .right), ("R@10", .right),
            ("report to image R@1", .right), ("R@10", .right),
        ])
        for row in rows {
            table.append([
                percentText(row.hidden), percentText(row.imageToReportR1), percentText(row.imageToReportR10),
                percentText(row.reportToImageR1), percentText(row.reportToImageR10),
            ])
        }
        let (r1, r10) = (percentText(evaluation.chance.r1), percentText(evaluation.chance.r10))
        table.append(["chance", r1, r10, r1, r10])
        text += "\n" + table.text
    }
    if let short = evaluation.shortQueries {
        var table = TextTable([
            ("short query for an image", .left), ("R@10", .right), ("chance", .right), ("P@10", .right),
            ("chance", .right),
        ])
        for (name, figures) in [("one finding", short.oneFinding), ("three words", short.threeWords)] {
            guard let figures else { continue }
            table.append([
                name, percentText(figures.r10), percentText(figures.chanceR10), percentText(figures.p10),
                percentText(figures.chanceP10),
            ])
        }
        text += "\n" + table.text + "\(short.n) queries from \(short.source)\n"
    }
    return text
}
