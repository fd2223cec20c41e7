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

    public struct Mark: Sendable {
        fileprivate let block: Int
        fileprivate let used: Int
    }

    private var blocks: [Block] = []
    private var current = 0
    private var used = 0
    private static let smallestBlock = 1 << 22

    /// The most bytes that were ever held at once.
    public private(set) var peakByteCount = 0

    public init() {}

    deinit {
        for block in blocks { block.base.deallocate() }
    }

    /// `count` floats, uninitialised, aligned to 64 bytes, valid until they are released.
    public func take(_ count: Int) -> FloatPointer {
        let rounded = (max(count, 1) + 15) & ~15
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
        let raw = UnsafeMutableRawPointer.allocate(byteCount: count * 4, alignment: 64)
        blocks.append(Block(base: raw.bindMemory(to: Float.self, capacity: count), count: count))
        peakByteCount = max(peakByteCount, blocks.reduce(0) { $0 + $1.count } * 4)
    }

    /// Like `take`, filled with zeros.
    public func takeZeroed(_ count: Int) -> FloatPointer {
        let pointer = take(count)
        pointer.update(repeating: 0, count: count)
        return pointer
    }

    public var mark: Mark { Mark(block: current, used: used) }

    /// Gives back everything that was taken since `mark`.
    public func release(to mark: Mark) {
        current = mark.block
        used = mark.used
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
    }
}
