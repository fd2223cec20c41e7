@testable import HilumMCR

extension FuzzTarget {
    /// A safetensors file; what is read must be written so that it is read the same again.
    static let safetensors = FuzzTarget(
        "safetensors", longestInput: 2048,
        words: [
            "\"dtype\"", "\"shape\"", "\"data_offsets\"", "\"__metadata__\"", "\"F32\"", "\"BF16\"", "\"F16\"",
            "\"I64\"", "[0,0]",
            "9223372036854775807", "18446744073709551615", "4294967296", "-1",
        ],
        seeds: {
            let tensors = [
                "a": TensorView(shape: [2, 3], floats: [1, 2, 3, 4, 5, 6]), "b": TensorView(shape: [1], floats: [0.5]),
            ]
            let file = SafeTensors(tensors: tensors, metadata: ["format": "pt"])
            let integers = "{\"i\":{\"dtype\":\"I64\",\"shape\":[1],\"data_offsets\":[0,8]}}"
            return [
                try file.encoded(as: .f32), try file.encoded(as: .f16),
                [UInt8(integers.utf8.count), 0, 0, 0, 0, 0, 0, 0] + Array(integers.utf8) + [1, 0, 0, 0, 0, 0, 0, 0],
            ]
        },
        finding: { bytes in
            guard let file = try? SafeTensors(bytes: bytes, skipsIntegers: bytes.count % 2 == 1) else { return nil }
            for tensor in file.tensors.values where tensor.shape.reduce(1, *) != tensor.floats.count {
                return "a tensor has another size than its shape"
            }
            guard let written = try? file.encoded(as: .f32) else { return "what was read cannot be written" }
            guard let again = try? SafeTensors(bytes: written) else { return "what was written cannot be read" }
            return again.tensors == file.tensors && again.metadata == file.metadata
                ? nil : "it is not the same when read again"
        })

    /// The pieces of a vocabulary.
    static let vocabulary = FuzzTarget(
        "vocabulary", longestInput: 1024, words: ["\n", "[UNK]", "[PAD]", "##", "\r\n", "\u{3000}"],
        seeds: { bytes(["[PAD]\n[UNK]\n[CLS]\n[MASK]\nleft\n##s\neffusion\n"]) },
        finding: { bytes in
            _ = try? Vocabulary(text: bytes)
            return nil
        })
}
