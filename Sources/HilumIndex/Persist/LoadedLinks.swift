/// What the check of the structure asks of every slot, close together.
struct LoadedLinks {
    /// `absent` for the root and for free slots.
    var parents: [UInt32]
    var levels: [UInt8]

    init(_ slotCount: Int) {
        parents = [UInt32](repeating: absent, count: slotCount)
        levels = [UInt8](repeating: 0, count: slotCount)
    }
}
