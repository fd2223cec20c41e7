import Foundation
import HilumCore
import Testing

@testable import HilumEvaluation

@Suite("Missing information")
struct MissingInformationTests {
    private func cases(labels: [Set<String>]) -> RetrievalCases {
        // Four studies on the axes.
        let rows: [Float] = [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1]
        return RetrievalCases(
            images: rows, reports: rows, dimension: 4, reportHashes: [1, 2, 3, 4], labels: labels)
    }

    @Test("Masked queries are ranked against the whole gallery")
    func maskedQueries() throws {
        var set = cases(labels: [[], [], [], []])
        let whole = try RetrievalEvaluation(of: set, model: "m", resamples: 10)
        #expect(whole.imageToReport.r1 == 1 && whole.mask == nil)
        // Two of four image queries point elsewhere.
        set.imageQueries = [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 1, 0, 0, 1, 0]
        let masked = try RetrievalEvaluation(of: set, model: "m", resamples: 10)
        #expect(masked.imageToReport.r1 == 0.5 && masked.reportToImage.r1 == 1)
        set.imageQueries = [1, 0]
        #expect(throws: EvaluationError.self) { try RetrievalEvaluation(of: set, model: "m", resamples: 10) }
    }

    @Test("Queries equal to the gallery change no figure")
    func sameQueries() throws {
        var set = cases(labels: [["a"], ["a"], ["b"], ["b"]])
        let whole = try RetrievalEvaluation(of: set, model: "m", resamples: 10)
        set.imageQueries = set.images
        set.reportQueries = set.reports
        #expect(try RetrievalEvaluation(of: set, model: "m", resamples: 10) == whole)
    }

    @Test("The figures go through JSON and are left out when nothing was asked")
    func json() throws {
        let set = cases(labels: [["effusion left"], ["normal"], [], []])
        var figures = try RetrievalEvaluation(of: set, model: "m", resamples: 10)
        #expect(!figures.json.text.contains("mask") && !figures.json.text.contains("short_queries"))
        figures.mask = QueryMask(image: 0.5, report: 0)
        figures.missingInformation = [
            try MissingInformation(
                hidden: 0.5, imageQueries: set.images, reportQueries: set.reports, cases: set)
        ]
        figures.shortQueries = try ShortQueries.measure(cases: set, reports: [], seed: 1) { texts in
            texts.flatMap { $0.lowercased().contains("effusion") ? [1, 0, 0, 0] : [0, 1, 0, 0] as [Float] }
        }
        let text = figures.json.text
        #expect(text.contains("\"mask\":{\"image\":0.5,\"report\":0}"))
        #expect(text.contains("\"missing_information\":[{\"hidden\":0.5"))
        let short = try #require(figures.shortQueries)
        let missing = try #require(figures.missingInformation?.first)
        let written = try JSON(parsing: text)
        let back = try #require(written["missing_information"]?.array?.first)
        #expect(back["hidden"]?.double == missing.hidden)
        #expect(back["image_to_report_r1"]?.double == missing.imageToReportR1)
        #expect(back["image_to_report_r10"]?.double == missing.imageToReportR10)
        #expect(back["report_to_image_r1"]?.double == missing.reportToImageR1)
        #expect(back["report_to_image_r10"]?.double == missing.reportToImageR10)
        let queries = try #require(written["short_queries"])
        #expect(queries["n"]?.integer == short.n && queries["source"]?.string == short.source)
        for (key, figures) in [("one_finding", short.oneFinding), ("three_words", short.threeWords)] {
            let found = try #require(queries[key])
            #expect(found["r10"]?.double == figures?.r10 && found["p10"]?.double == figures?.p10)
            #expect(found["chance_r10"]?.double == figures?.chanceR10)
            #expect(found["chance_p10"]?.double == figures?.chanceP10)
        }
        #expect(short.n == 2 && short.source == "findings" && short.threeWords.r10 == 1)
        #expect(abs(short.threeWords.p10 - 0.25) < 1e-12 && abs(short.threeWords.chanceP10 - 0.25) < 1e-12)
    }

    @Test("A label is asked for with its side first, in a phrase and in three words")
    func labelTexts() {
        #expect(ShortQueries.phrase(for: "effusion left") == "Left effusion is seen.")
        #expect(ShortQueries.threeWords(for: "effusion left") == "left effusion seen")
        #expect(ShortQueries.threeWords(for: "chest tube right") == "right chest tube")
        #expect(ShortQueries.threeWords(for: "cardiomegaly") == "cardiomegaly is seen")
        #expect(ShortQueries.phrase(for: "normal") == "The study is normal.")
    }

    @Test("Without labels three words in a row of each report are asked for")
    func wordsOfReports() throws {
        var asked: [String] = []
        let reports = ["No acute cardiopulmonary disease.", "Left lower lobe opacity", "a b", "is of the"]
        let short = try ShortQueries.measure(cases: cases(labels: [[], [], [], []]), reports: reports, seed: 1) {
            asked = $0
            return [0, 1, 0, 0, 1, 0, 0, 0]
        }
        #expect(asked.count == 2 && asked[0] == "acute cardiopulmonary disease")
        #expect(["left lower lobe", "lower lobe opacity"].contains(asked[1]))
        #expect(short?.source == "report words" && short?.oneFinding == nil && short?.n == 2)
    }
}
