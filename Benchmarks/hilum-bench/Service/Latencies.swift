/// What the requests of a load took.
struct Latencies: Sendable {
    /// Of each request, in seconds; in no order until `sort`.
    private(set) var values: [Float] = []
    /// What the daemon says that each took, in microseconds (`us=`).
    private(set) var own: [Float] = []
    /// How long the load lasted.
    var seconds = 0.0
    /// Requests that were refused, and what the first refusal said.
    var refusedCount = 0
    var refusal: String?

    /// Requests a second.
    var rate: Double { seconds > 0 ? Double(values.count) / seconds : 0 }

    mutating func add(_ seconds: Double, own microseconds: Float? = nil) {
        values.append(Float(seconds))
        if let microseconds { own.append(microseconds) }
    }

    /// Adds those of another load, after it or beside it.
    mutating func add(_ other: Latencies, isBeside: Bool) {
        values += other.values
        own += other.own
        seconds = isBeside ? max(seconds, other.seconds) : seconds + other.seconds
        refusedCount += other.refusedCount
        refusal = refusal ?? other.refusal
    }

    /// Puts the values in order, as the percentiles want them.
    mutating func sort() {
        values.sort()
        own.sort()
    }

    /// The milliseconds that a share of the requests stays within; nan without any.
    func milliseconds(at share: Double) -> Double { 1000 * Self.value(of: values, at: share) }

    /// The same of what the daemon itself measured, in microseconds.
    func ownMicroseconds(at share: Double) -> Double { Self.value(of: own, at: share) }

    private static func value(of values: [Float], at share: Double) -> Double {
        values.isEmpty ? .nan : Double(values[min(values.count - 1, Int(share * Double(values.count)))])
    }
}
