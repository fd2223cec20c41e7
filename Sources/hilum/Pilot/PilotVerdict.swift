import Foundation
import HilumEvaluation

/// The conclusions of a pilot in sentences. It makes no claim that the intervals do not support.
struct PilotVerdict {
    let headline: String
    /// The summary in one paragraph.
    let summary: String
    /// What to do next.
    let advice: String

    init(_ report: PilotReport) {
        let summary = report.summary
        let before = Self.share(summary, .before)
        let after = Self.share(summary, .after)
        let yardstick = Self.share(summary, .yardstick)
        let change = summary.change.both.r5
        headline =
            switch summary.gain {
            case .better: "Fine-tuning on the house's own cases helps"
            case .worse: "Fine-tuning made the search worse"
            case .none: "No measurable gain from fine-tuning"
            }
        let pairs = Int(summary.gallery.trainingMean.rounded())
        let gallery = Int(summary.gallery.mean.rounded())
        var text = """
            \(summary.pairCount) pairs of image and report of \(summary.patientCount) patients were cut into \
            \(summary.foldCount) parts. Each part was searched with the model as it was, and again after the model had been \
            fine-tuned on the other parts (about \(pairs) pairs). Asked with an image for its report, and with a report for its \
            image, among \(gallery) unseen cases, the right one stood among the first five in \(percentText(before.value)) of the \
            questions before and in \(percentText(after.value)) after fine-tuning; guessing gives \(percentText(summary.chance.r5)). \
            The change is \(Self.points(change)). 
            """
        switch summary.gain {
        case .better: text += "Since the interval lies above zero, the gain is more than the luck of these patients. "
        case .worse: text += "Since the interval lies below zero, the loss is more than the luck of these patients. "
        case .none where before.value > 0.95:
            text += "The model found nearly all before, so there was hardly anything left to gain. "
        case .none:
            text += """
                Since the interval holds zero, this trial does not show that fine-tuning helps; a change of less than about \
                \(Self.pointsText((change.high - change.low) / 2)) could not be seen with so few patients. 
                """
        }
        text += Self.order(summary)
        text +=
            "After fine-tuning, the model \(summary.overChance.isAboveZero ? "is better than" : "cannot be told from") guessing. "
        text += "A way without any model (the most similar picture or wording lends its other half) reaches "
        let over = summary.overYardstick.both.r5
        let compared =
            over.isAboveZero
            ? "is better than that" : over.isBelowZero ? "is worse than that" : "cannot be told from that"
        text += "\(percentText(yardstick.value)); the fine-tuned model \(compared) (difference \(Self.points(over)))."
        self.summary = text
        advice = Self.advice(summary, over: over)
    }

    private static func advice(_ summary: PilotSummary, over: PilotSummary.Estimate) -> String {
        switch (summary.gain, over.isAboveZero, summary.overChance.isAboveZero) {
        case (.better, true, true):
            return
                "It is worth going on: fine-tune on all pairs (‘--keep’ does that), gather more, and try again on cases that "
                + "were not part of this trial."
        case (.better, false, _):
            return
                "There is something to learn from these cases, but at this size the model does not yet do more than a way "
                + "without a model. Gather more pairs before it is put to use."
        case (.none, _, true) where summary.beforeOverChance.isAboveZero:
            return
                "The model is of some use as it is, and these pairs do not change that measurably. Gather more pairs, or use "
                + "the model without fine-tuning."
        case (.worse, _, _):
            return
                "Do not use the fine-tuned model. Fewer steps or a lower rate may keep what the model knew; more pairs help "
                + "more."
        default:
            return
                "Do not put the model to use on the strength of this trial. Many more pairs are needed, or a start model that "
                + "was trained on radiographs like these."
        }
    }

    /// What the ranks of all cases say; they show smaller differences than the first five hits.
    private static func order(_ summary: PilotSummary) -> String {
        let change = summary.change.both.wrongBefore
        let figures = { (method: PilotMethod) in summary.methods[method.rawValue]?.both.wrongBefore.value ?? 0 }
        let told =
            change.isBelowZero ? "which is a gain" : change.isAboveZero ? "which is a loss" : "no measurable change"
        return """
            Of the wrong cases, \(percentText(figures(.before))) stood before the right one before and \
            \(percentText(figures(.after))) after fine-tuning (guessing 50 %): \(told). 
            """
    }

    private static func share(_ summary: PilotSummary, _ method: PilotMethod) -> PilotSummary.Estimate {
        summary.methods[method.rawValue]?.both.r5 ?? PilotSummary.Estimate.zero
    }

    /// `+12.3 points (95 % interval +4.0 to +20.1)`
    static func points(_ estimate: PilotSummary.Estimate) -> String {
        "\(pointsText(estimate.value, signed: true)) "
            + "(95 % interval \(number(estimate.low, signed: true)) to \(number(estimate.high, signed: true)))"
    }

    static func pointsText(_ fraction: Double, signed: Bool = false) -> String {
        "\(number(fraction, signed: signed)) points"
    }

    private static func number(_ fraction: Double, signed: Bool) -> String {
        String(format: signed ? "%+.1f" : "%.1f", fraction * 100)
    }
}
