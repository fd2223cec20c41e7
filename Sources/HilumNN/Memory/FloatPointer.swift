/// A pointer to 32-bit floats that the caller keeps alive; the shape stands beside every use.
public typealias FloatPointer = UnsafeMutablePointer<Float>
