import HilumCore

extension PilotFold: JSONReadable, JSONWritable {
    /// What `json` wrote.
    public init(json: JSON) throws(JSON.Mismatch) {
        self.init(
            fold: try json.member("fold"), test: try json.member("test"),
            trainingCount: try json.member("trainingCount"))
        ranks = try json.member("ranks")
        chance = try json.member("chance")
        precision = try json.member("precision")
        chanceOfLabels = try json.member("chanceOfLabels")
        imageFinds = try json.member("imageFinds")
        reportFinds = try json.member("reportFinds")
        yardstickSeconds = try json.member("yardstickSeconds")
        evaluationSeconds = try json.member("evaluationSeconds")
        trainingSeconds = try json.member("trainingSeconds")
    }

    /// All that the fold gave.
    public var json: JSON {
        JSON(members: [
            "fold": fold, "test": test, "trainingCount": trainingCount, "ranks": ranks, "chance": chance,
            "precision": precision, "chanceOfLabels": chanceOfLabels, "imageFinds": imageFinds,
            "reportFinds": reportFinds, "yardstickSeconds": yardstickSeconds,
            "evaluationSeconds": evaluationSeconds, "trainingSeconds": trainingSeconds,
        ])
    }
}

extension PilotFold.Ranks: JSONReadable, JSONWritable {
    /// What `json` wrote.
    public init(json: JSON) throws(JSON.Mismatch) {
        imageToReport = try json.member("imageToReport")
        reportToImage = try json.member("reportToImage")
    }

    /// The ranks of both directions.
    public var json: JSON { JSON(members: ["imageToReport": imageToReport, "reportToImage": reportToImage]) }
}
