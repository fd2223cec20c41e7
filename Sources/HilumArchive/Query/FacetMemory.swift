import Synchronization

/// The facets that were asked for since the last change of the archive.
///
/// Whoever browses asks for the same few again and again. One change makes all of them untrue, so they are forgotten together.
///
/// Thread rule: any thread.
final class FacetMemory: Sendable {
    struct Question: Hashable, Sendable {
        let key: String
        let filter: Filter
        let limit: Int
    }

    private struct State {
        var version = 0
        var facets: [Question: Facet] = [:]
        var byteCount = 0
    }

    /// Facets of so many bytes are kept, then begun anew.
    private static let byteLimit = 4 << 20

    private let state = Mutex(State())

    /// - Parameter version: of the metadata now.
    func facet(_ question: Question, at version: Int) -> Facet? {
        state.withLock { $0.version == version ? $0.facets[question] : nil }
    }

    /// - Parameter version: of the metadata before and after it was counted.
    func keep(_ facet: Facet, _ question: Question, madeAt version: Int) {
        let asked = question.filter.conditions.reduce(0) { $0 + 128 + 128 * $1.values.count }
        let written = facet.lines?.count ?? 0
        let byteCount = facet.values.reduce(512 + asked + written) { $0 + $1.value.utf8.count + 48 }
        guard byteCount <= Self.byteLimit / 4 else { return }
        state.withLock { state in
            if state.version != version || state.byteCount + byteCount > Self.byteLimit { state = State() }
            state.version = version
            state.byteCount += byteCount
            state.facets[question] = facet
        }
    }

    /// About how many bytes of memory they take.
    var byteCount: Int { state.withLock { $0.byteCount } }
}
