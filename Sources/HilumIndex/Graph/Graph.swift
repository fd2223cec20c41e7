import CHilumKernels
import Foundation
import HilumCore
import Synchronization

/// What searches read and the writer adds to: the records of the nodes, the items, the entry point, and how distances are measured.
///
/// Searches are methods of this type (`Search`). It knows no writer, so no search can touch what is the writer's own (`GraphWriter`).
///
/// Thread rule: any number of threads read; the one writer stores into what is shared, in the order that `NodeStore`, `ItemTable`,
/// `PostingList` and `ReaderPool` ask for.
final class Graph: Sendable {
    let dimension: Int
    /// Elements of a code; as many as floats, unless codes of 8 bits do not hold all of them.
    let codeDimension: Int
    let metric: Metric
    let parameters: HNSWParameters
    let precision: CodePrecision

    let kernels: DistanceKernels
    let store: NodeStore
    let readers: ReaderPool
    let items = ItemTable()
    let knownMembers = MemberMemory()
    /// Where residuals are read from that are not in memory yet; nil if all are.
    let residuals: ResidualSource?
    /// Keeps the memory behind the records as long as a search may hold a pointer into it.
    private let memory: GraphMemory

    /// `level << 32 | node + 1`; 0 while the graph is empty.
    let entryWord = Atomic<UInt64>(0)
    /// Records in use or waiting for reuse.
    let slots = Atomic<Int>(0)
    private let itemCounter = Atomic<Int>(0)
    private let nodeCounter = Atomic<Int>(0)

    init(
        dimension: Int, metric: Metric, parameters: HNSWParameters, kernels: DistanceKernels, memory: GraphMemory,
        residuals: ResidualSource?
    ) {
        self.dimension = dimension
        codeDimension = kernels.codeBook?.quantizer.codeDimension ?? dimension
        self.metric = metric
        self.parameters = parameters
        self.kernels = kernels
        self.memory = memory
        self.residuals = residuals
        store = memory.store
        precision = store.precision
        readers = ReaderPool(dimension: dimension)
    }

    deinit {
        for slot in 0..<UInt32(slots.load(ordering: .relaxed)) {
            PostingList.free(store.posting(slot).pointee.load(ordering: .relaxed))
        }
    }

    // MARK: Counts (any thread)

    /// Items in the index.
    var itemCount: Int { itemCounter.load(ordering: .relaxed) }

    /// Distinct vectors in the index.
    var nodeCount: Int { nodeCounter.load(ordering: .relaxed) }

    /// The node that searches begin at, and its level.
    @inline(__always) var entry: (node: UInt32, level: Int)? {
        let word = entryWord.load(ordering: .acquiring)
        return word == 0 ? nil : (UInt32(truncatingIfNeeded: word) &- 1, Int(word >> 32))
    }

    // MARK: Checks of vectors

    /// The squared length of a vector.
    ///
    /// - Throws: `.wrongDimension`, `.notFinite`, `.zeroLength`
    func checkedSquareLength(_ vector: UnsafeBufferPointer<Float>) throws(IndexError) -> Double {
        guard vector.count == dimension, let base = vector.baseAddress else {
            throw IndexError(.wrongDimension(expected: dimension, got: vector.count))
        }
        // Four sums, so that the additions overlap. Safety: indices are below `dimension`, the count of the buffer.
        var sums = SIMD4<Float>()
        var index = 0
        while index + 4 <= dimension {
            let part = SIMD4(base[index], base[index + 1], base[index + 2], base[index + 3])
            sums += part * part
            index += 4
        }
        var total = sums.sum()
        while index < dimension {
            total += base[index] * base[index]
            index += 1
        }
        // A square that overflows, an infinity and NaN all end up here; the factor leaves room for a difference of two vectors.
        guard total <= Float.greatestFiniteMagnitude / 8 else { throw IndexError(.notFinite) }
        if metric == .cosine && total == 0 { throw IndexError(.zeroLength) }
        return Double(total)
    }

    /// - Throws: `.wrongDimension`, `.notFinite`, `.zeroLength`, `.notUnitLength`, `.outsideCodes`
    func checkStored(_ vector: UnsafeBufferPointer<Float>) throws(IndexError) {
        let length = try checkedSquareLength(vector).squareRoot()
        guard metric == .squaredEuclidean || abs(length - 1) < 0.01 else {
            throw IndexError(.notUnitLength(length: Float(length)))
        }
        if let base = vector.baseAddress, kernels.codeBook?.covers(base) == false { throw IndexError(.outsideCodes) }
    }

    // MARK: What the writer publishes

    /// Makes a node the entry point; `absent` for none. Writer only.
    func setEntry(_ node: UInt32) {
        let word = node == absent ? 0 : UInt64(store.level(node)) << 32 | UInt64(node + 1)
        entryWord.store(word, ordering: .releasing)
    }

    /// Writer only.
    func addToItemCount(_ amount: Int) { itemCounter.add(amount, ordering: .relaxed) }
    /// Writer only.
    func addToNodeCount(_ amount: Int) { nodeCounter.add(amount, ordering: .relaxed) }

    /// The level of a slot, a pure function of seed and slot: floor(-ln(u) / ln(m)), as in section 4.1 of the paper.
    func level(ofSlot slot: UInt32) -> Int { parameters.level(ofSlot: slot) }
}
