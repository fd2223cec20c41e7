/// A queue in which users take turns, and the processes of a user among themselves; what one process asked for keeps its order.
///
/// A client has a connection for each question that it wants answered at once. So turns go by who connects, not by connections: whoever opens
/// forty of them waits like everybody else.
struct TurnQueue<Element> {
    private struct Item {
        let user: UInt32
        let process: Int32
        let element: Element
    }

    /// Users and processes that asked once are forgotten beyond so many.
    private static var rememberedCount: Int { 1024 }

    /// In the order of their arrival.
    private var items: [Item] = []
    private var turn = 0
    /// When each had its last turn.
    private var lastOfUser: [UInt32: Int] = [:]
    private var lastOfProcess: [Int32: Int] = [:]

    mutating func append(_ element: Element, of peer: Peer) {
        items.append(Item(user: peer.user, process: peer.process, element: element))
    }

    /// The oldest item of the process that has waited longest for its turn, of the user that has.
    ///
    /// - Complexity: O(items), which connections bound.
    mutating func take() -> Element? {
        func turns(_ item: Item) -> (Int, Int) {
            (lastOfUser[item.user, default: 0], lastOfProcess[item.process, default: 0])
        }
        // The first of equals is the oldest.
        guard let place = items.indices.min(by: { turns(items[$0]) < turns(items[$1]) }) else { return nil }
        let item = items.remove(at: place)
        if lastOfUser.count >= Self.rememberedCount { lastOfUser = [:] }
        if lastOfProcess.count >= Self.rememberedCount { lastOfProcess = [:] }
        turn += 1
        lastOfUser[item.user] = turn
        lastOfProcess[item.process] = turn
        return item.element
    }
}
