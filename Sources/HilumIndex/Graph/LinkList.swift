import CHilumKernels
import Synchronization

/// One list of links.
///
/// The header carries a version, so a reader notices that the list changed under it and reads again. After a bounded number of
/// tries (the writer may have lost the CPU in the middle) it takes what it has: every word below the count is a node that was
/// linked after the reader began, so it is safe to visit, and only the choice of links mixes two versions.
///
/// Thread rule: `read` from any thread, `write` by the one writer.
struct LinkList {
    typealias Words = UnsafeMutablePointer<Atomic<UInt32>>

    // Safety: in the arena `1 + capacity` words, alive as long as the index; in a packed list as many as there are links, and one,
    // alive until the reader leaves.
    let words: Words
    let capacity: Int

    private static let writing: UInt32 = 1 << 8
    private static let tryLimit = 64

    /// Copies the links into `out` (room for `capacity`) and returns how many there are.
    @inline(__always) func read(into out: UnsafeMutablePointer<UInt32>) -> Int {
        var tries = 0
        while true {
            let before = words.pointee.load(ordering: .acquiring)
            let count = min(Int(before & 0xFF), capacity)
            for index in 0..<count { out[index] = (words + 1 + index).pointee.load(ordering: .acquiring) }
            let isWhole = before & Self.writing == 0 && words.pointee.load(ordering: .relaxed) == before
            if isWhole || tries == Self.tryLimit { return count }
            tries += 1
        }
    }

    /// The number of links. Any thread.
    @inline(__always) var count: Int { min(Int(words.pointee.load(ordering: .acquiring) & 0xFF), capacity) }

    /// One link; `index` is below `count`. Writer only.
    @inline(__always) subscript(index: Int) -> UInt32 { (words + 1 + index).pointee.load(ordering: .relaxed) }

    /// Asks for the list to be in the caches soon.
    @inline(__always) func prefetch() {
        hilum_prefetch(words)
        hilum_prefetch(words + 16)
        hilum_prefetch(words + 32)
    }

    /// The links as an array. Writer only.
    var array: [UInt32] { (0..<count).map { self[$0] } }

    func contains(_ node: UInt32) -> Bool {
        for index in 0..<count where self[index] == node { return true }
        return false
    }

    /// Replaces the list. Writer only.
    func write(_ links: some Collection<UInt32>) {
        precondition(links.count <= capacity, "too many links for the list")
        let header = words.pointee.load(ordering: .relaxed)
        words.pointee.store(header | Self.writing, ordering: .relaxed)
        // Each word is stored with release, so a reader that sees it also sees the mark in the header.
        for (index, link) in links.enumerated() { (words + 1 + index).pointee.store(link, ordering: .releasing) }
        let version = (header & ~0x1FF) &+ 0x200
        words.pointee.store(version | UInt32(links.count), ordering: .releasing)
    }
}
