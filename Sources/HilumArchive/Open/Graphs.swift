import HilumCore
import HilumIndex

/// The two graphs of an archive. Items are case numbers, and numbers of further images; the distance is 1 − cosine.
///
/// Thread rule: that of `HNSWIndex`; the archive's `writing` lock makes one writer.
struct Graphs: Sendable {
    var image: StoredGraph
    var report: StoredGraph

    subscript(kind: VectorKind) -> StoredGraph {
        get { kind == .image ? image : report }
        set { if kind == .image { image = newValue } else { report = newValue } }
    }

    var byKind: [VectorKind: StoredGraph] { [.image: image, .report: report] }

    package var codeAndLinkByteCounts: (codes: Int, links: Int) {
        let (images, reports) = (image.codeAndLinkByteCounts, report.codeAndLinkByteCounts)
        return (images.codes + reports.codes, images.links + reports.links)
    }
}
