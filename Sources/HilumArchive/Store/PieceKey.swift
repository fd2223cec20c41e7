/// What a piece of a checkpoint belongs to; the raw value is part of its key.
enum PieceRole: UInt8, CaseIterable {
    case imageLinks = 1
    case imageCodes, imageResiduals
    case reportLinks, reportCodes, reportResiduals
    case sets, directory, postings
    case imageOwners, reportOwners

    static func links(_ kind: VectorKind) -> Self { kind == .image ? .imageLinks : .reportLinks }
    static func owners(_ kind: VectorKind) -> Self { kind == .image ? .imageOwners : .reportOwners }
    static func codes(_ kind: VectorKind) -> Self { kind == .image ? .imageCodes : .reportCodes }
    static func residuals(_ kind: VectorKind) -> Self { kind == .image ? .imageResiduals : .reportResiduals }
}

/// The key of a piece in the table `graphs`: generation − 1 (16 bits), role (4), number of the piece (20), epoch (24).
///
/// The epoch is that of the checkpoint that wrote the piece. A checkpoint writes what changed under its own epoch, and removes pieces of
/// the one before only after it has become valid. So a crash at any moment leaves one whole checkpoint, and a reader that opened an older
/// one finds its own pieces or none.
struct PieceKey: Hashable {
    static let pieceLimit = 1 << 20
    static let epochLimit: UInt32 = 1 << 24
    /// With the header of a page (16) and the checksum (4) such a value fills whole pages of 4 KiB.
    static let pieceByteCount = (256 << 10) - 20

    let generation: UInt32
    let role: PieceRole
    let piece: Int
    let epoch: UInt32

    /// The number of the first piece with the same role and epoch.
    static func withoutPiece(_ number: UInt64) -> UInt64 { number & ~(UInt64(pieceLimit - 1) << 24) }

    var number: UInt64 {
        UInt64(generation - 1) << 48 | UInt64(role.rawValue) << 44 | UInt64(piece) << 24 | UInt64(epoch)
    }
}
