/// What the graph is walked on.
///
/// The order of hits comes from the f32 vectors with `f32` and `bf16`, and from 16-bit fixed point with `i8`, which holds no floats
/// (see `ScalarQuantizer`).
public enum CodePrecision: String, Sendable, CaseIterable {
    /// The f32 vectors themselves.
    case f32
    /// bfloat16, beside the f32 vectors.
    case bf16
    /// 8 bits an element by a quantizer, with another 8 for the order of hits.
    case i8
}
