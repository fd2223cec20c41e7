/// How close to a film the pictures come. The cases, their reports and their findings are the same.
public enum PhantomVariety: String, Sendable, CaseIterable {
    /// One posture, one field of view, clean edges.
    case plain
    /// Bodies, posture, collimation, exposure, texture, markers and scans vary as they do among real films.
    case film
}
