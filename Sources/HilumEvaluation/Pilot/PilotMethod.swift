/// What is compared across modalities: the model before and after, and the way without a model.
public enum PilotMethod: String, Sendable, CaseIterable {
    case yardstick, before, after
}
