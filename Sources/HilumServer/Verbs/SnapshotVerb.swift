import HilumArchive
import HilumCore

/// `SNAPSHOT`: a copy of the archive in a new folder, while it is served.
struct SnapshotVerb: ReadingVerb {
    let target: String

    init(_ request: Request, _ handler: RequestHandler) throws(ServerError) {
        try request.check(allowed: ["to"])
        guard let target = try request.words("to") else {
            throw .refused(.badRequest, "SNAPSHOT needs to=, a new folder for the copy")
        }
        // The daemon's current folder is nothing that a client knows.
        guard FilePath.isAbsolute(target) else {
            throw .refused(.badRequest, "to= takes an absolute path")
        }
        self.target = target
    }

    func reply(_ handler: RequestHandler, tag: String?) throws -> Reply {
        let summary = try handler.archive.snapshot(to: target, interrupted: handler.isStopping)
        let lost = summary.lostImageCount > 0 ? " lost_images=\(summary.lostImageCount)" : ""
        return ReplyBuilder(tag: tag).ok(
            "bytes=\(summary.byteCount) sha256=\(summary.sha256) cases=\(summary.cases) "
                + "images=\(summary.imageCount)\(lost)")
    }
}
