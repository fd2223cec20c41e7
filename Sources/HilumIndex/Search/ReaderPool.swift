import Synchronization

/// Hands out search scratch and tells the writer which readers may still hold a node that it took out.
///
/// The clock advances by one with each retirement. A reader notes the clock when it begins; something retired at time `t` may be
/// reused once every reader at work noted a time after `t`, for those began after it could no longer be reached
/// (epoch-based reclamation: Fraser, "Practical lock-freedom", 2004, section 5.2.3). Every scratch ever made stays on a list that
/// only grows, as long as the largest number of threads that were here at once; nothing waits for a lock.
///
/// Thread rule: `enter` and `leave` from any thread, `retire` and `oldestReader` by the one writer.
final class ReaderPool: Sendable {
    /// The address of the scratch made last, which leads to the others; 0 while there is none.
    private let head = Atomic<UInt>(0)
    private let clock = Atomic<UInt64>(1)
    private let dimension: Int

    init(dimension: Int) { self.dimension = dimension }

    deinit {
        var address = head.load(ordering: .acquiring)
        while let scratch = Self.scratch(at: address) {
            address = scratch.next
            Unmanaged.passUnretained(scratch).release()
        }
    }

    // Safety: an address on the list is that of a scratch that `make` retained, which is released by `deinit` alone.
    private static func scratch(at address: UInt) -> Scratch? {
        UnsafeRawPointer(bitPattern: address).map { Unmanaged<Scratch>.fromOpaque($0).takeUnretainedValue() }
    }

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
        var address = head.load(ordering: .acquiring)
        while let scratch = Self.scratch(at: address) {
            if scratch.take() { return scratch }
            address = scratch.next
        }
        return make()
    }

    func giveBack(_ scratch: Scratch) { scratch.giveBack() }

    /// A new scratch, taken by the caller.
    private func make() -> Scratch {
        let scratch = Scratch(dimension: dimension)
        _ = scratch.take()
        let address = UInt(bitPattern: Unmanaged.passRetained(scratch).toOpaque())
        var first = head.load(ordering: .acquiring)
        while true {
            scratch.next = first
            let (exchanged, now) = head.compareExchange(
                expected: first, desired: address, ordering: .acquiringAndReleasing)
            if exchanged { return scratch }
            first = now
        }
    }

    /// The time of a retirement; what is retired must be out of reach for new readers already.
    func retire() -> UInt64 { clock.add(1, ordering: .acquiringAndReleasing).oldValue }

    /// The time that the oldest reader at work noted; what was retired before it is out of every reader's hands.
    var oldestReader: UInt64 {
        var oldest = UInt64.max
        // As in `enter`: a reader whose scratch is not on the list yet will see what the writer changed.
        var address = head.add(0, ordering: .acquiringAndReleasing).oldValue
        while let scratch = Self.scratch(at: address) {
            let noted = scratch.epoch.add(0, ordering: .acquiringAndReleasing).oldValue
            if noted != 0 { oldest = min(oldest, noted) }
            address = scratch.next
        }
        return oldest
    }
}
