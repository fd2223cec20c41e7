import HilumArchive
import HilumCore

/// `METRICS`: one object a family; their `text`s in a row are what Prometheus reads.
struct MetricsVerb: ReadingVerb {
    init(_ request: Request, _ handler: RequestHandler) throws(ServerError) { try request.check() }

    func reply(_ handler: RequestHandler, tag: String?) throws -> Reply {
        let families =
            handler.metrics.families + (handler.inboxLog?.families ?? [])
            + [handler.configuration.auditLog?.family].compactMap(\.self)
            + (handler.configuration.following?.families ?? []) + (try Self.families(of: handler.archive))
        var builder = ReplyBuilder(tag: tag)
        for family in families {
            builder.object { json in
                json.member("name", family.name)
                json.member("type", family.kind.rawValue)
                json.member("text", family.text)
            }
        }
        return builder.ok("families=\(families.count)")
    }

    /// The figures of the archive.
    private static func families(of archive: any ServedArchive) throws -> [MetricFamily] {
        let stats = try archive.stats()
        let kinds = VectorKind.allCases
        let estimates = kinds.map { archive.recall.estimate($0) }
        func by(_ values: [Int]) -> [MetricFamily.Sample] {
            zip(kinds, values).map { .init(Double($1), [("kind", $0.rawValue)]) }
        }
        var recalls: [MetricFamily.Sample] = []
        var bounds: [MetricFamily.Sample] = []
        for (kind, estimate) in zip(kinds, estimates) {
            for (ef, figure) in zip(RecallEstimator.measuredEfs, estimate.figures) {
                let labels = [("kind", kind.rawValue), ("ef", String(ef))]
                recalls.append(.init(figure.value, labels))
                bounds.append(.init(figure.low, labels + [("bound", "low")]))
                bounds.append(.init(figure.high, labels + [("bound", "high")]))
            }
        }
        return [
            MetricFamily("hilum_cases", .gauge, "Stored cases.", [.init(Double(stats.cases))]),
            MetricFamily("hilum_vectors", .gauge, "Stored vectors, by kind.", by([stats.images, stats.reports])),
            MetricFamily(
                "hilum_nodes", .gauge, "Distinct vectors in the graphs, by kind.",
                by([stats.imageNodes, stats.reportNodes])),
            MetricFamily(
                "hilum_store_bytes", .gauge, "Size of the store on disk, without images.",
                [.init(Double(stats.fileBytes))]),
            MetricFamily(
                "hilum_graph_bytes", .gauge, "Memory of vectors and links.", [.init(Double(stats.graphBytes))]),
            MetricFamily(
                "hilum_filter_bytes", .gauge, "Memory of what makes filters, facets and pages quick.",
                [.init(Double(stats.filterBytes))]),
            MetricFamily(
                "hilum_deletions_total", .counter, "Cases replaced or deleted since the archive was made.",
                [.init(Double(stats.deletions))]),
            MetricFamily(
                "hilum_masked_total", .counter, "Identifiers masked in cases that were stored, by kind.",
                stats.masked.byKind.map { .init(Double($0.count), [("kind", $0.kind)]) }),
            MetricFamily(
                "hilum_quarantined_images", .gauge, "Images that were set aside and wait for a person's decision.",
                [.init(Double(stats.quarantined))]),
            MetricFamily(
                "hilum_recall", .gauge, "Recall@10 of sampled live queries against an exact scan, by graph and ef.",
                recalls),
            MetricFamily("hilum_recall_bound", .gauge, "Bounds of the 95 % interval of hilum_recall.", bounds),
            MetricFamily(
                "hilum_recall_samples_total", .counter, "Live queries that were answered again exactly, by graph.",
                by(estimates.map(\.sampleCount))),
        ]
    }
}
