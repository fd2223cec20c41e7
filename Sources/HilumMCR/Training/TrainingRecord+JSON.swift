import HilumCore

extension TrainingRecord: JSONReadable, JSONWritable {
    /// A line of `training.jsonl`.
    public init(json: JSON) throws(JSON.Mismatch) {
        step = try json.member("step")
        epoch = try json.member("epoch")
        phase = try json.member("phase")
        contrastLoss = try json.member("contrastLoss")
        imageLoss = try json.member("imageLoss")
        reportLoss = try json.member("reportLoss")
        rate = try json.member("rate")
        inverseTemperature = try json.member("inverseTemperature")
        pairsPerSecond = try json.member("pairsPerSecond")
        seconds = try json.member("seconds")
        validation = try json.optionalMember("validation")
    }

    /// What a line of `training.jsonl` holds.
    public var json: JSON {
        JSON(members: [
            "step": step, "epoch": epoch, "phase": phase, "contrastLoss": contrastLoss, "imageLoss": imageLoss,
            "reportLoss": reportLoss, "rate": rate, "inverseTemperature": inverseTemperature,
            "pairsPerSecond": pairsPerSecond, "seconds": seconds, "validation": validation,
        ])
    }
}

extension TrainingRecord.Validation: JSONReadable, JSONWritable {
    /// The member `validation` of a line.
    public init(json: JSON) throws(JSON.Mismatch) {
        count = try json.member("count")
        imageToReportR1 = try json.member("imageToReportR1")
        imageToReportR10 = try json.member("imageToReportR10")
        reportToImageR1 = try json.member("reportToImageR1")
        reportToImageR10 = try json.member("reportToImageR10")
    }

    /// An object with all figures.
    public var json: JSON {
        JSON(members: [
            "count": count, "imageToReportR1": imageToReportR1, "imageToReportR10": imageToReportR10,
            "reportToImageR1": reportToImageR1, "reportToImageR10": reportToImageR10,
        ])
    }
}
