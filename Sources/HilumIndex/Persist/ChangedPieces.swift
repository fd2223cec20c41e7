/// Pieces whose rows are not in the last checkpoint as they are now. The one writer's own.
struct ChangedPieces {
    var codes: Set<Int> = []
    var residuals: Set<Int> = []
}
