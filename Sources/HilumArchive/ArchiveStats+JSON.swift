import HilumCore

extension ArchiveStats: JSONWritable {
    /// All figures, by the names of the properties.
    public var json: JSON {
        JSON(members: [
            "cases": cases, "images": images, "reports": reports, "imageNodes": imageNodes, "reportNodes": reportNodes,
            "dimension": dimension, "model": model, "generation": generation, "mapBytes": mapBytes,
            "fileBytes": fileBytes, "graphBytes": graphBytes, "filterBytes": filterBytes,
            "checkpoint": checkpoint,
            "changesSinceCheckpoint": changesSinceCheckpoint, "deletions": deletions, "formatVersion": formatVersion,
            "deid": deidentification, "dates": dates, "quarantined": quarantined,
            "masked": JSON.object(masked.byKind.map { ($0.kind, .integer($0.count)) }),
        ])
    }
}
