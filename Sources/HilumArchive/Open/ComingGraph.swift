import Dispatch
import Foundation
import HilumCore
import HilumIndex
import LMDB
import Synchronization

/// A graph that a thread of its own reads into memory, while searches compare the codes of its checkpoint.
///
/// Thread rule: any thread.
final class ComingGraph: Sendable {
    private struct State {
        var index: HNSWIndex?
        var isMadeAgain = false
        var failure: (any Error)?
    }

    /// As the checkpoint has it.
    let size: GraphSize
    private let state = Mutex(State())
    private let arrival = DispatchGroup()
    private let empty: HNSWIndex
    private static let stackByteCount = 8 << 20
    /// Above 0, but not by much: as long as it is not there each search compares all codes.
    private static let niceness: Int32 = 5

    /// - Parameters:
    ///   - size: of the graph that comes.
    ///   - empty: an index of the same shape without vectors, which stands in for a graph that can neither be read nor made.
    ///   - read: opens the graph, in a transaction of its own.
    ///   - make: makes it again from the vectors of the store; called where what the checkpoint holds cannot be used.
    init(
        _ size: GraphSize, empty: HNSWIndex, read: @escaping @Sendable () throws -> HNSWIndex,
        make: @escaping @Sendable () throws -> HNSWIndex
    ) {
        self.size = size
        self.empty = empty
        arrival.enter()
        let thread = Thread { [self] in
            // On Linux this is the thread alone, and those that it starts. Searches meanwhile come first.
            _ = setpriority(__priority_which_t(PRIO_PROCESS.rawValue), 0, Self.niceness)
            take(read: read, make: make)
            arrival.leave()
        }
        thread.name = "hilum-graph"
        thread.stackSize = Self.stackByteCount
        thread.start()
    }

    private func take(read: () throws -> HNSWIndex, make: () throws -> HNSWIndex) {
        do {
            let index = try read()
            state.withLock { $0.index = index }
        } catch let fault where Opening.meansUnusable(fault) {
            Log.warning("a stored graph cannot be used and is made again: \(fault)")
            do {
                let index = try make()
                state.withLock { ($0.index, $0.isMadeAgain) = (index, true) }
            } catch { fail(error) }
        } catch { fail(error) }
    }

    private func fail(_ error: any Error) {
        state.withLock { $0.failure = error }
        // Whoever closed the archive meanwhile wants no graph.
        if (error as? LMDBError)?.code != .closed { Log.error("a graph can neither be read nor made: \(error)") }
    }

    /// The graph, unless it is still on its way or does not come at all.
    var indexIfHere: HNSWIndex? { state.withLock { $0.index } }

    /// The graph; waits for it. An empty one where it does not come, which `failure` tells: then nothing may be written.
    var index: HNSWIndex {
        if let index = indexIfHere { return index }
        arrival.wait()
        return indexIfHere ?? empty
    }

    /// Why it does not come; nil while it may.
    var failure: (any Error)? { state.withLock { $0.failure } }

    /// Whether it was made from vectors, so that no checkpoint has it.
    var isMadeAgain: Bool { state.withLock { $0.isMadeAgain } }
}
