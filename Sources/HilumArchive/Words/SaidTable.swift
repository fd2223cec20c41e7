import HilumWords
import Synchronization

/// The cases whose reports say something of a finding, kept in memory for those findings that filters, facets or questions asked for.
///
/// The table of words is asked once; then every commit adds its reports and takes out those that went, so that a count costs a look.
///
/// Thread rule: any thread.
final class SaidTable: Sendable {
    /// What is asked of reports: a term of `FindingTerm`, and what they say of it.
    struct Key: Hashable, Sendable {
        let term: [UInt8]
        let assertion: WordAssertion
    }

    private struct State {
        /// Another one after every change of reports.
        var version = 0
        var sets: [Key: CaseNumbers] = [:]
    }

    /// Sets that are kept. The lexicon has about two hundred names, and each can be affirmed, denied and doubted, on three sides.
    private static let limit = 2_000

    private let state = Mutex(State())

    /// A set that is kept, or else the version at which `keep` takes a new one.
    func cases(_ key: Key) -> (cases: CaseNumbers?, version: Int) { state.withLock { ($0.sets[key], $0.version) } }

    /// Keeps a set, unless reports changed since `version`.
    func keep(_ cases: CaseNumbers, _ key: Key, madeAt version: Int) {
        state.withLock { state in
            guard state.version == version else { return }
            if state.sets.count >= Self.limit { state.sets = [:] }
            state.sets[key] = cases
        }
    }

    /// Adds reports that a commit stored.
    func insert(_ reports: [(number: UInt32, words: ReportWords)]) {
        state.withLock { state in
            state.version += 1
            guard !state.sets.isEmpty else { return }
            for report in reports {
                report.words.forEachFinding { term, assertion in
                    let key = Key(term: Array(term), assertion: assertion)
                    state.sets[key]?.insert(report.number)
                }
            }
        }
    }

    /// Takes out reports whose cases are gone.
    func remove(_ numbers: [UInt32]) {
        guard !numbers.isEmpty else { return }
        state.withLock { state in
            state.version += 1
            for key in state.sets.keys { for number in numbers { state.sets[key]?.remove(number) } }
        }
    }
}
