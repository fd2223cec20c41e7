/// What a word does to the findings around it.
enum Cue: UInt8, CaseIterable {
    /// Denies what follows: `no`, `without`.
    case denyBefore
    /// Denies what stands before it: `is not seen`, なし.
    case denyAfter
    /// Denies what stands before it where nothing follows, and otherwise what follows: `effusion: no`.
    case denyEnd
    /// Doubts what follows: `possible`.
    case doubtBefore
    /// Doubts what follows in its part of the clause, or else what stands before it: `likely`, `if any`.
    case doubtEither
    /// Doubts what stands before it: `cannot be excluded`, の疑い.
    case doubtAfter
    /// Doubts what stands before it where its part of the clause ends, and otherwise joins: 肺炎か, 肺炎か無気肺.
    case doubtEnd
    /// Doubts what stands before it, unless a later predicate denies it: を疑う所見 (なし).
    case doubtLink
    /// Doubts both: `versus`.
    case doubtBetween
    /// Prefers what stands before it to what follows, which is denied, or doubted where the sentence doubts: `rather than`.
    case contrast
    /// Prefers what follows to what stands right before it: 肺炎よりも無気肺.
    case contrastAfter
    /// Puts what follows elsewhere: `history of`, `evaluate for`.
    case otherBefore
    /// Puts what stands before it elsewhere.
    case otherAfter
    /// Puts the next word elsewhere, if that is a finding: `prior`.
    case otherNext
    /// The size or measure that follows is of an earlier examination: `previously`.
    case earlier
    /// A symptom: whatever the sentence doubts is asked for.
    case asks
    /// What follows is gone: `resolution of`.
    case goneBefore
    /// What stands before it is gone: `has resolved`.
    case goneAfter
    /// Says that what stands before it is there, and so ends the reach of a later cue: あり.
    case affirmAfter
    /// Begins a part of a sentence that stands in commas: `which`. Ends the reach of a cue that stands before it.
    case relative
    /// Ends the reach of every cue: `but`.
    case stop
    /// A verb: ends the reach of a cue that looks back.
    case verb
    /// A verb that says no more than a cue before it: `is seen`.
    case seen
    /// Joins findings of a list in which a denial goes on to the end: `or`.
    case or
    /// Joins findings: `and`.
    case and
    /// Begins a new thing: `a`, `the`, `there`.
    case article
    /// Goes on in a denial: `to suggest`.
    case carry
    /// A preposition of place: what is denied stands before it.
    case inside
    /// A preposition; a denial goes on over it.
    case of
    /// Goes on, but begins a new thing after a denied one: `with`.
    case with
    /// An adjective that begins a new thing after a denied one: `patchy`.
    case describes
    /// Means nothing; it is there so that a longer phrase hides a shorter one: `not only`.
    case ignore

    /// What the lexicon files call each, in the order of the cases.
    static let names = [
        "deny-before", "deny-after", "deny-end", "doubt-before", "doubt-either", "doubt-after", "doubt-end",
        "doubt-link",
        "doubt-between", "contrast", "contrast-after", "other-before", "other-after", "other-next", "earlier", "asks",
        "gone-before", "gone-after",
        "affirm-after", "relative", "stop", "verb", "seen", "or", "and", "article", "carry", "in", "of", "with",
        "describes", "ignore",
    ]
}
