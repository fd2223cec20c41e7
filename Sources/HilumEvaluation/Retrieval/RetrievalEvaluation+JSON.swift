import HilumCore

// The answer of `hilum eval --json`.

extension RetrievalEvaluation: JSONWritable {
    /// Every key of the contract, in order. A figure that was not measured is null; one that nobody asked for is left out.
    public var json: JSON {
        JSON(members: [
            "n": n, "model": model, "text": text, "image_to_report": imageToReport, "report_to_image": reportToImage,
            "label_precision": labelPrecision?.json ?? JSON.null,
            "label_precision_from_reports": labelPrecisionFromReports, "label_chance_from_reports": chanceFromReports,
            "chance": chance, "index": index?.json ?? JSON.null,
            "dedup": dedup, "mask": mask, "missing_information": missingInformation, "short_queries": shortQueries,
        ]).sorted
    }
}

extension RetrievalEvaluation.Direction: JSONWritable {
    /// Recall, median rank and intervals.
    public var json: JSON {
        JSON(members: [
            "r1": r1, "r5": r5, "r10": r10, "median_rank": medianRank, "ci95_r1": ci95R1, "ci95_r10": ci95R10,
        ])
    }
}

extension RetrievalEvaluation.PrecisionAtDepths: JSONWritable {
    /// The precision at each depth.
    public var json: JSON { JSON(members: ["p1": p1, "p5": p5, "p10": p10]) }
}

extension RetrievalEvaluation.LabelPrecision: JSONWritable {
    /// The precision of both modalities together and of each.
    public var json: JSON {
        JSON(members: ["p1": p1, "p5": p5, "p10": p10, "image": image, "report": report, "n": n])
    }
}

extension RetrievalEvaluation.Chance: JSONWritable {
    /// What a random order reaches; without labels there is no `p`.
    public var json: JSON { JSON(members: ["r1": r1, "r5": r5, "r10": r10, "p": p]) }
}

extension RetrievalEvaluation.Index: JSONWritable {
    /// The recall of the index.
    public var json: JSON { JSON(members: ["recall10": recall10]) }
}

extension QueryMask: JSONWritable {
    /// Both shares.
    public var json: JSON { JSON(members: ["image": image, "report": report]) }
}

extension MissingInformation: JSONWritable {
    /// The hidden share and recall in both directions.
    public var json: JSON {
        JSON(members: [
            "hidden": hidden, "image_to_report_r1": imageToReportR1, "image_to_report_r10": imageToReportR10,
            "report_to_image_r1": reportToImageR1, "report_to_image_r10": reportToImageR10,
        ])
    }
}

extension ShortQueries: JSONWritable {
    /// What each kind of query found; without labels there are no queries of one finding.
    public var json: JSON {
        JSON(members: ["n": n, "source": source, "one_finding": oneFinding, "three_words": threeWords])
    }
}

extension ShortQueries.Figures: JSONWritable {
    /// What was found, beside chance.
    public var json: JSON {
        JSON(members: ["r10": r10, "p10": p10, "chance_r10": chanceR10, "chance_p10": chanceP10])
    }
}
