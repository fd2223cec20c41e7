/// A first-in-first-out queue whose items bear the number of their arrival.
struct ArrivalQueue<Element> {
    private var items: [(number: Int, element: Element)?] = []
    private var head = 0

    /// Items taken are dropped from the array together, so that taking one costs no shifting.
    private static var takenLimit: Int { 256 }

    /// Items that wait.
    var count: Int { items.count - head }

    /// Of the oldest item; nil where there is none.
    var firstNumber: Int? { head < items.count ? items[head]?.number : nil }

    /// - Parameter number: above those of all items before.
    mutating func append(_ element: Element, number: Int) { items.append((number, element)) }

    /// The oldest item.
    mutating func take() -> Element? {
        guard head < items.count, let item = items[head] else { return nil }
        items[head] = nil
        head += 1
        if head == items.count || head >= Self.takenLimit {
            items.removeFirst(head)
            head = 0
        }
        return item.element
    }
}
