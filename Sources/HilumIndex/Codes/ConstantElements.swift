import CHilumKernels

/// The elements that are equal in all of many vectors, as the elements that an encoder has for pictures are 0 in vectors of reports.
///
/// Codes can do without them (`ScalarQuantizer.kept`): then there is less to read, to keep and to compare.
public struct ConstantElements: Sendable {
    private let dimension: Int
    /// Those that are equal so far, ascending.
    private var places: [Int]
    private var values: [Float] = []

    /// - Parameter dimension: floats a vector.
    public init(dimension: Int) {
        self.dimension = dimension
        places = Array(0..<dimension)
    }

    /// Looks at one more vector of `dimension` floats.
    ///
    /// - Complexity: O(elements that are equal so far)
    public mutating func note(_ vector: some Collection<Float>) {
        precondition(vector.count == dimension, "the vector has another dimension")
        let isDone: ()? = vector.withContiguousStorageIfAvailable { vector in
            if values.isEmpty { values = Array(vector) }
            guard places.contains(where: { vector[$0] != values[$0] }) else { return }
            places.removeAll { vector[$0] != values[$0] }
        }
        if isDone == nil { note(Array(vector)) }
    }

    /// The elements that codes must hold, ascending; nil for all of them, and where codes would not be shorter.
    var rest: [Range<Int>]? {
        var kept: [Range<Int>] = []
        var first = 0
        for place in places + [dimension] {
            if place > first { kept.append(first..<place) }
            first = place + 1
        }
        // A code has one element at least.
        if kept.isEmpty { kept = [0..<1] }
        let count = kept.reduce(0) { $0 + $1.count }
        return hilum_code_width(count) < hilum_code_width(dimension) ? kept : nil
    }

    /// Calls `body` with each element and its value.
    func forEach(_ body: (_ element: Int, _ value: Float) -> Void) {
        guard !values.isEmpty else { return }
        for place in places { body(place, values[place]) }
    }
}
