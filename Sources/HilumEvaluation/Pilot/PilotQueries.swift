/// The marks of every query under one method (or the difference of two), in the order of the folds.
struct PilotQueries {
    struct Marks {
        var r1: [Double]
        var r5: [Double]
        var r10: [Double]
        var wrongBefore: [Double]
        /// Empty for a difference.
        var ranks: [Double] = []

        init(ranks: [Double], gallerySizes: [Double]) {
            self.ranks = ranks
            r1 = ranks.map { $0 <= 1 ? 1 : 0 }
            r5 = ranks.map { $0 <= 5 ? 1 : 0 }
            r10 = ranks.map { $0 <= 10 ? 1 : 0 }
            wrongBefore = zip(ranks, gallerySizes).map { ($0 - 1) / max($1 - 1, 1) }
        }

        /// `self` and `other` combined number by number.
        init(_ a: Marks, _ b: Marks, _ combine: (Double, Double) -> Double) {
            r1 = zip(a.r1, b.r1).map(combine)
            r5 = zip(a.r5, b.r5).map(combine)
            r10 = zip(a.r10, b.r10).map(combine)
            wrongBefore = zip(a.wrongBefore, b.wrongBefore).map(combine)
        }

        func figures(_ draws: PatientDraws) -> PilotSummary.Figures {
            let sorted = ranks.sorted()
            return PilotSummary.Figures(
                r1: draws.estimate(r1), r5: draws.estimate(r5), r10: draws.estimate(r10),
                wrongBefore: draws.estimate(wrongBefore),
                medianRank: sorted.isEmpty ? nil : (sorted[(sorted.count - 1) / 2] + sorted[sorted.count / 2]) / 2)
        }
    }

    var imageToReport: Marks
    var reportToImage: Marks

    init(_ results: [PilotFold], _ method: PilotMethod) {
        let sizes = results.flatMap { fold in fold.test.map { _ in Double(fold.test.count) } }
        imageToReport = Marks(
            ranks: results.flatMap { $0.ranks[method.rawValue]?.imageToReport ?? [] }, gallerySizes: sizes)
        reportToImage = Marks(
            ranks: results.flatMap { $0.ranks[method.rawValue]?.reportToImage ?? [] }, gallerySizes: sizes)
    }

    var both: Marks {
        var mean = Marks(imageToReport, reportToImage) { ($0 + $1) / 2 }
        mean.ranks = imageToReport.ranks + reportToImage.ranks
        return mean
    }

    func minus(_ other: PilotQueries) -> PilotQueries {
        var difference = self
        difference.imageToReport = Marks(imageToReport, other.imageToReport) { $0 - $1 }
        difference.reportToImage = Marks(reportToImage, other.reportToImage) { $0 - $1 }
        return difference
    }

    func directions(_ draws: PatientDraws) -> PilotSummary.Directions {
        PilotSummary.Directions(
            imageToReport: imageToReport.figures(draws), reportToImage: reportToImage.figures(draws),
            both: both.figures(draws))
    }
}
