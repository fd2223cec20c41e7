import HilumCore

// The figures of a trial in the JSON of `hilum pilot`.

extension PilotSummary: JSONWritable {
    /// All figures; those that were not measured are left out.
    public var json: JSON {
        JSON(members: [
            "pair_count": pairCount, "patient_count": patientCount, "fold_count": foldCount, "gallery": gallery,
            "chance": chance, "methods": methods, "change": change, "over_yardstick": overYardstick,
            "over_chance": overChance, "before_over_chance": beforeOverChance, "labels": labels, "gain": gain,
        ])
    }
}

extension PilotSummary.Estimate: JSONWritable {
    /// The mean and both ends of its interval.
    public var json: JSON { JSON(members: ["value": value, "low": low, "high": high]) }
}

extension PilotSummary.Figures: JSONWritable {
    /// The figures; a difference has no median rank.
    public var json: JSON {
        JSON(members: [
            "r1": r1, "r5": r5, "r10": r10, "wrong_before": wrongBefore, "median_rank": medianRank,
        ])
    }
}

extension PilotSummary.Directions: JSONWritable {
    /// Both directions and their mean.
    public var json: JSON {
        JSON(members: ["image_to_report": imageToReport, "report_to_image": reportToImage, "both": both])
    }
}

extension PilotSummary.PrecisionEstimates: JSONWritable {
    /// The precision at each depth.
    public var json: JSON { JSON(members: ["p1": p1, "p5": p5, "p10": p10]) }
}

extension PilotSummary.Labels: JSONWritable {
    /// The precision of both modalities, by method.
    public var json: JSON {
        JSON(members: [
            "count": count, "chance": chance, "image": image, "report": report, "image_change": imageChange,
            "report_change": reportChange,
        ])
    }
}

extension PilotSummary.Gallery: JSONWritable {
    /// The sizes of the galleries.
    public var json: JSON {
        JSON(members: ["smallest": smallest, "largest": largest, "mean": mean, "training_mean": trainingMean])
    }
}

extension PilotSummary.Chance: JSONWritable {
    /// The recall of a random order.
    public var json: JSON { JSON(members: ["r1": r1, "r5": r5, "r10": r10]) }
}

extension PilotSummary.Gain: JSONWritable {}
