/// The shape of an inverted residual block (Sandler et al. 2018, "MobileNetV2", section 3.3).
///
///     [h, w, inputs] ─ 1 × 1, ReLU6 ─► [h, w, middle] ─ depthwise, ReLU6 ─► [h/stride, w/stride, middle] ─ 1 × 1 ─► [.., outputs]
///          └──────────────────────────────── + where stride is 1 and inputs = outputs ─────────────────────────────────┘
///
/// The first 1 × 1 convolution is left out where the expansion is 1.
public struct ConvolutionalBlock: Sendable, Equatable {
    /// Rows and columns of the depthwise kernel: 3 or 5.
    public let kernel: Int
    /// Of the depthwise convolution: 1 or 2.
    public let stride: Int
    /// How many times as many channels as the input the middle has.
    public let expansion: Int
    /// Channels that come in.
    public let inputs: Int
    /// Channels that go out.
    public let outputs: Int

    /// A block; the channels in its middle, `inputs * expansion`, are a multiple of 16.
    public init(kernel: Int, stride: Int, expansion: Int, inputs: Int, outputs: Int) {
        precondition(kernel == 3 || kernel == 5, "the kernels have 3 or 5 rows")
        precondition(stride == 1 || stride == 2, "a block keeps the side or halves it")
        precondition(inputs * expansion % 16 == 0, "the channels in the middle must be a multiple of 16")
        self.kernel = kernel
        self.stride = stride
        self.expansion = expansion
        self.inputs = inputs
        self.outputs = outputs
    }

    /// Channels between the two 1 × 1 convolutions.
    public var middle: Int { inputs * expansion }

    /// Whether the input is added to the output.
    public var hasSkip: Bool { stride == 1 && inputs == outputs }

    /// Pixels of a side after a convolution, and how many zeros stand before the image: TensorFlow's "same". The zeros that the
    /// last output needs are shared out, and an odd one stands behind.
    static func placement(side: Int, kernel: Int, stride: Int) -> (side: Int, before: Int) {
        let after = (side + stride - 1) / stride
        return (after, max((after - 1) * stride + kernel - side, 0) / 2)
    }
}
