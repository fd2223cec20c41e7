/// Scratch memory of one worker: a stack of floats that grows to what a step needs and is then used again and again.
///
/// `take` hands out the next piece, `mark`/`release` give back all that was taken since, `reset` gives back everything.
/// Thread rule: one thread at a time.
public final class Workspace: @unchecked Sendable {
    // Sendable: a workspace is handed from thread to thread but used by one at a time, as the thread rule says.
    private struct Block {
        let base: FloatPointer
        let count: Int
    }

    /// A state of the stack to go back to.
    public struct Mark: Sendable {
        fileprivate let block: Int
        fileprivate let used: Int
        fileprivate let taken: Int
    }

    private var blocks: [Block] = []
    private var current = 0
    private var used = 0
    private static let smallestBlock = 1 << 22

    private var taken = 0
    private var mostTaken = 0

    /// The most bytes that were ever taken at once.
    public var peakByteCount: Int { mostTaken * 4 }
    /// Bytes of the blocks behind it, taken or not.
    var heldByteCount: Int { blocks.reduce(0) { $0 + $1.count } * 4 }
    /// How often memory was asked of the system so far; steps of one kind leave it as it is after the first two.
    private(set) var allocationCount = 0

    /// An empty workspace; memory is asked for when it is taken.
    public init() {}

    deinit {
        for block in blocks { block.base.deallocate() }
    }

    /// `count` floats, uninitialised, aligned to 64 bytes, valid until they are released.
    public func take(_ count: Int) -> FloatPointer {
        let rounded = (max(count, 1) + 15) & ~15
        taken += rounded
        mostTaken = max(mostTaken, taken)
        while current < blocks.count {
            let block = blocks[current]
            if used + rounded <= block.count {
                let pointer = block.base + used
                used += rounded
                return pointer
            }
            current += 1
            used = 0
        }
        addBlock(max(rounded, Self.smallestBlock))
        current = blocks.count - 1
        used = rounded
        return blocks[current].base
    }

    private func addBlock(_ count: Int) {
        // Safety: owned by `blocks` and freed in deinit; 64-byte alignment is what AVX-512 likes best.
        let raw = FloatMemory.allocate(count)
        blocks.append(Block(base: raw.bindMemory(to: Float.self, capacity: count), count: count))
        allocationCount += 1
    }

    /// Like `take`, filled with zeros.
    public func takeZeroed(_ count: Int) -> FloatPointer {
        let pointer = take(count)
        pointer.update(repeating: 0, count: count)
        return pointer
    }

    /// The state of now.
    public var mark: Mark { Mark(block: current, used: used, taken: taken) }

    /// Gives back everything that was taken since `mark`.
    public func release(to mark: Mark) {
        current = mark.block
        used = mark.used
        taken = mark.taken
    }

    /// Gives back everything. Several blocks become one of their size, so that a longer batch does not leave gaps behind.
    public func reset() {
        if blocks.count > 1 {
            let total = blocks.reduce(0) { $0 + $1.count }
            for block in blocks { block.base.deallocate() }
            blocks = []
            addBlock(total)
        }
        current = 0
        used = 0
        taken = 0
    }
}
