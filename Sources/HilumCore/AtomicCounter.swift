import Synchronization

/// A counter that any thread may advance.
public final class AtomicCounter: Sendable {
    private let value = Atomic<Int>(0)

    /// A counter at 0.
    public init() {}

    /// Adds `amount` and returns the value from before.
    @discardableResult
    public func increment(by amount: Int = 1) -> Int {
        value.add(amount, ordering: .relaxed).oldValue
    }

    /// The value now.
    public var current: Int { value.load(ordering: .relaxed) }
}

/// A flag that is raised once and seen by every thread (interruption, shutdown).
public final class AtomicFlag: Sendable {
    private let value = Atomic<Bool>(false)
    private let parent: AtomicFlag?

    /// A flag that is not raised.
    public init() { parent = nil }

    /// A flag that counts as raised where `parent` is, too.
    public init(orRaisedBy parent: AtomicFlag) { self.parent = parent }

    /// Raises the flag; it stays so.
    public func raise() { value.store(true, ordering: .releasing) }

    /// Whether the flag was raised.
    public var isRaised: Bool { value.load(ordering: .acquiring) || parent?.isRaised == true }
}
