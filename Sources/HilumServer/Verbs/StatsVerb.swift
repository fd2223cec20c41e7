import Foundation
import HilumArchive

/// `STATS`: one object with the figures of the archive, and under `recall` what is known of each graph.
struct StatsVerb: ReadingVerb {
    init(_ request: Request, _ handler: RequestHandler) throws(ServerError) { try request.check() }

    func reply(_ handler: RequestHandler, tag: String?) throws -> Reply {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        let archive = handler.archive
        var builder = ReplyBuilder(tag: tag)
        builder.object(raw: Array(try encoder.encode(Statistics(stats: archive.stats(), recall: archive.recall))))
        return builder.ok()
    }
}

private struct Statistics: Encodable {
    let stats: ArchiveStats
    let recall: RecallEstimator

    private struct Key: CodingKey {
        let stringValue: String
        var intValue: Int? { nil }

        init(_ name: String) { stringValue = name }
        init?(stringValue: String) { self.init(stringValue) }
        init?(intValue: Int) { nil }
    }

    func encode(to encoder: any Encoder) throws {
        try stats.encode(to: encoder)
        var object = encoder.container(keyedBy: Key.self)
        var graphs = object.nestedContainer(keyedBy: Key.self, forKey: Key("recall"))
        for kind in VectorKind.allCases {
            let estimate = recall.estimate(kind)
            var graph = graphs.nestedContainer(keyedBy: Key.self, forKey: Key(kind.rawValue))
            try graph.encode(RecallEstimator.k, forKey: Key("k"))
            try graph.encode(estimate.sampleCount, forKey: Key("samples"))
            try graph.encode(estimate.waitingCount, forKey: Key("waiting"))
            for (ef, figure) in zip(RecallEstimator.measuredEfs, estimate.figures) {
                try graph.encode(Self.rounded(figure.value), forKey: Key("at_ef\(ef)"))
                try graph.encode([figure.low, figure.high].map(Self.rounded), forKey: Key("ci95_ef\(ef)"))
            }
        }
    }

    /// To five decimals, more than the samples tell.
    private static func rounded(_ value: Double) -> Double { (value * 1e5).rounded() / 1e5 }
}
