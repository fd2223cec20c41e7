import HilumCore

extension TrainingOptions: JSONReadable, JSONWritable {
    /// What `json` wrote; every option has to be there.
    public init(json: JSON) throws(JSON.Mismatch) {
        objective = try json.member("objective")
        epochCount = try json.member("epochCount")
        stepCount = try json.optionalMember("stepCount")
        minutes = try json.optionalMember("minutes")
        batchSize = try json.member("batchSize")
        microBatchSize = try json.optionalMember("microBatchSize")
        peakRate = try json.member("peakRate")
        warmup = try json.member("warmup")
        decay = try json.member("decay")
        clip = try json.member("clip")
        imageMask = try json.member("imageMask")
        reportMask = try json.member("reportMask")
        unmaskedShare = try json.member("unmaskedShare")
        partialReportShare = try json.member("partialReportShare")
        partialImageShare = try json.optionalMember("partialImageShare") ?? 0
        labelShare = try json.member("labelShare")
        augmentation = try json.optionalMember("augmentation") ?? 0
        averaging = try json.optionalMember("averaging")
        keepsBest = try json.optionalMember("keepsBest") ?? false
        contrastWeight = try json.member("contrastWeight")
        imageWeight = try json.member("imageWeight")
        reportWeight = try json.member("reportWeight")
        seed = try json.member("seed")
        threads = try json.member("threads")
        checkpointInterval = try json.member("checkpointInterval")
    }

    /// All options, in camel case; one that is nil is left out.
    public var json: JSON {
        JSON(members: [
            "objective": objective, "epochCount": epochCount, "stepCount": stepCount, "batchSize": batchSize,
            "microBatchSize": microBatchSize, "peakRate": peakRate, "warmup": warmup, "decay": decay, "clip": clip,
            "imageMask": imageMask, "reportMask": reportMask, "unmaskedShare": unmaskedShare,
            "partialReportShare": partialReportShare, "labelShare": labelShare, "contrastWeight": contrastWeight,
            "imageWeight": imageWeight, "reportWeight": reportWeight, "seed": seed, "threads": threads,
            "checkpointInterval": checkpointInterval, "augmentation": augmentation == 0 ? nil : augmentation,
            "keepsBest": keepsBest ? true : nil, "averaging": averaging, "minutes": minutes,
            "partialImageShare": partialImageShare == 0 ? nil : partialImageShare,
        ])
    }
}
