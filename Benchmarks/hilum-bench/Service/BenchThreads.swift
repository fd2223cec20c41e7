import Foundation
import Synchronization

/// Threads of which each has a core or waits for one, however many there are: a load of 64 clients needs 64.
enum BenchThreads {
    private final class Results<Value: Sendable>: Sendable {
        private let values: Mutex<[Int: Value]> = Mutex([:])

        func set(_ value: Value, at place: Int) { values.withLock { $0[place] = value } }

        var inOrder: [Value] { values.withLock { values in values.sorted { $0.key < $1.key }.map(\.value) } }
    }

    /// What `body` returns for each number below `count`, each called by a thread of its own, all at once.
    static func map<Value: Sendable>(_ count: Int, _ body: @escaping @Sendable (Int) -> Value) -> [Value] {
        let results = Results<Value>()
        let group = DispatchGroup()
        for number in 0..<count {
            group.enter()
            let thread = Thread {
                results.set(body(number), at: number)
                group.leave()
            }
            thread.stackSize = 1 << 20
            thread.start()
        }
        group.wait()
        return results.inOrder
    }
}
