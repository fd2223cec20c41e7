import Synchronization

/// Hands out search scratch and tells the writer which readers may still hold a node that it took out.
///
/// The clock advances by one with each retirement. A reader notes the clock when it begins; something retired at time `t` may be
/// reused once every reader at work noted a time after `t`, for those began after it could no longer be reached
/// (epoch-based reclamation: Fraser, "Practical lock-freedom", 2004, section 5.2.3).
///
/// Thread rule: `enter` and `leave` from any thread, `retire` and `canReuse` by the one writer.
final class ReaderPool: Sendable {
    private struct State {
        var idle: [Scratch] = []
        var all: [Scratch] = []
    }

    private let state = Mutex(State())
    private let clock = Atomic<UInt64>(1)
    private let dimension: Int

    init(dimension: Int) { self.dimension = dimension }

    /// Scratch for one search. Nothing the writer retires from now on is reused before `leave`.
    func enter() -> Scratch {
        let scratch = borrow()
        // Safety: a read-modify-write on both sides orders the two: either the writer sees this reader, or this reader sees every
        // link that the writer changed before it looked.
        _ = scratch.epoch.exchange(clock.load(ordering: .acquiring), ordering: .acquiringAndReleasing)
        return scratch
    }

    func leave(_ scratch: Scratch) {
        scratch.epoch.store(0, ordering: .releasing)
        giveBack(scratch)
    }

    /// Scratch for the writer itself, which needs no protection from its own changes.
    func borrow() -> Scratch {
        state.withLock { state in
            if let scratch = state.idle.popLast() { return scratch }
            let scratch = Scratch(dimension: dimension)
            state.all.append(scratch)
            return scratch
        }
    }

    func giveBack(_ scratch: Scratch) { state.withLock { $0.idle.append(scratch) } }

    /// The time of a retirement; what is retired must be out of reach for new readers already.
    func retire() -> UInt64 { clock.add(1, ordering: .acquiringAndReleasing).oldValue }

    /// Whether no reader can still hold what was retired at `time`.
    func canReuse(retiredAt time: UInt64) -> Bool {
        state.withLock { state in
            for scratch in state.all {
                let noted = scratch.epoch.add(0, ordering: .acquiringAndReleasing).oldValue
                if noted != 0 && noted <= time { return false }
            }
            return true
        }
    }
}
