/// What became of a prepared case in its transaction.
enum CommitOutcome: Sendable {
    /// It is stored, unchanged or refused; nothing is left to do.
    case committed(PutOutcome)
    /// Nothing was written, because the case has no vectors of its own and the stored version, whose vectors it was to keep, has
    /// changed since it was prepared. The case, as it was before it was read, has to be embedded and committed again.
    case staleEmbedding(of: PreparedCase)
}
