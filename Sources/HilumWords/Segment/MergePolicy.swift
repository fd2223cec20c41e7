/// Which segments to merge: eight of one level become one of the next, so that a document is written once a level and an
/// index of n commits has at most 7 log₈ n segments.
///
/// Thread rule: an immutable value.
public struct MergePolicy: Sendable, Equatable {
    /// What a merge takes and makes.
    public struct Merge: Sendable, Equatable {
        /// The segments, by their numbers.
        public let segments: [WordSegment]
        /// The level of the segment that comes of it.
        public let level: UInt8

        /// A merge that nobody chose, such as one that only reads.
        public init(segments: [WordSegment], level: UInt8) {
            self.segments = segments
            self.level = level
        }
    }

    /// Segments of one level that are merged.
    public var fanIn: Int
    /// No merge makes a segment larger than this, as far as the sizes of its parts tell.
    public var byteLimit: Int
    /// A segment of which less than this share is live is written anew by itself.
    public var liveShare: Double

    /// A policy.
    public init(fanIn: Int = 8, byteLimit: Int = 1 << 30, liveShare: Double = 0.5) {
        precondition(fanIn > 1, "a merge takes at least two segments")
        self.fanIn = fanIn
        self.byteLimit = byteLimit
        self.liveShare = liveShare
    }

    /// The next merge, the smallest level first; nil when there is nothing to do.
    ///
    /// - Parameters:
    ///   - segments: of the head, by their numbers.
    ///   - liveCount: the live documents of a segment; nil where nobody counted them.
    public func next(in segments: [WordSegment], liveCount: (WordSegment) -> Int? = { _ in nil }) -> Merge? {
        for level in Set(segments.map(\.level)).sorted() {
            let same = segments.filter { $0.level == level && $0.byteCount <= byteLimit / fanIn }
            if same.count >= fanIn { return Merge(segments: Array(same.prefix(fanIn)), level: level &+ 1) }
        }
        for segment in segments {
            guard let live = liveCount(segment) else { continue }
            if Double(live) < liveShare * Double(segment.documentCount) {
                return Merge(segments: [segment], level: segment.level)
            }
        }
        return nil
    }
}
