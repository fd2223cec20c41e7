import HilumCore
import HilumNN

extension ConvolutionalStem {
    /// EfficientNet-Lite0's blocks 0 to 10.
    static let efficientNetLite0 = [
        ConvolutionalBlock(kernel: 3, stride: 1, expansion: 1, inputs: 32, outputs: 16),
        ConvolutionalBlock(kernel: 3, stride: 2, expansion: 6, inputs: 16, outputs: 24),
        ConvolutionalBlock(kernel: 3, stride: 1, expansion: 6, inputs: 24, outputs: 24),
        ConvolutionalBlock(kernel: 5, stride: 2, expansion: 6, inputs: 24, outputs: 40),
        ConvolutionalBlock(kernel: 5, stride: 1, expansion: 6, inputs: 40, outputs: 40),
        ConvolutionalBlock(kernel: 3, stride: 2, expansion: 6, inputs: 40, outputs: 80),
        ConvolutionalBlock(kernel: 3, stride: 1, expansion: 6, inputs: 80, outputs: 80),
        ConvolutionalBlock(kernel: 3, stride: 1, expansion: 6, inputs: 80, outputs: 80),
        ConvolutionalBlock(kernel: 5, stride: 1, expansion: 6, inputs: 80, outputs: 112),
        ConvolutionalBlock(kernel: 5, stride: 1, expansion: 6, inputs: 112, outputs: 112),
        ConvolutionalBlock(kernel: 5, stride: 1, expansion: 6, inputs: 112, outputs: 112),
    ]

    /// Loads the EfficientNet-Lite0 stem from a safetensors file that `tools/convert-stem` wrote.
    ///
    /// The published network was trained on (v − 127) / 128 of 8-bit values v, so a pixel x of 0…1 becomes (255 · x − 127) / 128.
    /// - Throws: `MCRError.badModel` when a tensor is missing or has another shape, `MCRError.badWeights`, or `FileError`.
    public static func efficientNetLite0(path: String) throws -> ConvolutionalStem {
        let file = try WeightReader(path)
        let entries = file.entries
        return try ConvolutionalStem(blocks: efficientNetLite0, scale: 255 / 128, shift: -127 / 128) { name, shape in
            guard let entry = entries[name], entry.shape == shape else {
                let reason = "tensor \(SafeTensors.quoted(name)) is missing or is not of shape \(shape)"
                throw MCRError(.badModel(reason: reason), path: path)
            }
            return try file.floats(entry)
        }
    }

    /// Loads the stem that comes with the program.
    /// - Throws: `MCRError.badModel` saying where it was looked for.
    public static func builtIn() throws -> ConvolutionalStem { try efficientNetLite0(path: builtInPath()) }

    /// The weights that come with the program.
    /// - Throws: `MCRError.badModel` saying where they were looked for.
    static func builtInPath() throws(MCRError) -> String {
        let places = ResourceBundle.places(of: "HilumMCR").map { $0 + "/stem-efficientnet-lite0/weights.safetensors" }
        guard let path = places.first(where: ResourceBundle.isThere) else {
            throw MCRError(.badModel(reason: "the built-in stem is not beside the program"), path: places[0])
        }
        return path
    }
}
