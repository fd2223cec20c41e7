import Foundation
import HilumCore

/// Reads and writes safetensors files.
///
///     bytes 0…7     length of the header, little-endian
///     bytes 8…      header: a JSON object, `name: {dtype, shape, data_offsets}` and `__metadata__: {string: string}`,
///                   filled up with spaces to a multiple of 8
///     the rest      the tensors, row-major, little-endian, in the order of their offsets, without a gap
///
/// Format: github.com/huggingface/safetensors. A file may come from anywhere, so every figure in it is checked against the
/// file's size before memory is asked for, and weights that are not finite are refused. Values become f32.
///
/// Thread rule: an immutable value.
public struct SafeTensors: Sendable, Equatable {
    struct Limits: Sendable {
        /// Bytes of JSON. A thousand tensors need about 100 KiB.
        var headerInBytes = 1 << 20
        var tensorCount = 4_096
        var fileInBytes = 8 << 30

        init() {}

        static let standard = Limits()
    }

    let tensors: [String: TensorView]
    let metadata: [String: String]
    /// Names of tensors with a type that is not a float one, left out because the caller said so.
    let skipped: [String]

    init(tensors: [String: TensorView], metadata: [String: String] = [:]) {
        self.tensors = tensors
        self.metadata = metadata
        skipped = []
    }

    init(tensors: [String: TensorView], metadata: [String: String], skipped: [String]) {
        self.tensors = tensors
        self.metadata = metadata
        self.skipped = skipped
    }

    /// Reads F32, F16 and BF16 tensors as f32.
    ///
    /// - Parameter skipsIntegers: leave out tensors of integer type (published BERT files hold position ids) instead of
    ///   refusing the file.
    /// - Throws: `MCRError.badWeights` saying what is wrong, or `FileError`.
    static func read(
        _ path: String, limits: Limits = .standard, skipsIntegers: Bool = false
    ) throws -> SafeTensors {
        let reader = try WeightReader(path, limits: limits, skipsIntegers: skipsIntegers)
        var tensors: [String: TensorView] = [:]
        for (name, entry) in reader.entries {
            tensors[name] = TensorView(shape: entry.shape, floats: try reader.floats(entry))
        }
        return SafeTensors(tensors: tensors, metadata: reader.header.metadata, skipped: reader.skipped)
    }

    /// The tensors in the bytes of a file.
    init(bytes: [UInt8], limits: Limits = .standard, skipsIntegers: Bool = false) throws {
        let (header, start) = try Self.header(
            byteCount: bytes.count, limits: limits, skipsIntegers: skipsIntegers
        ) { Array(bytes[$0]) }
        var tensors: [String: TensorView] = [:]
        tensors.reserveCapacity(header.entries.count)
        for entry in header.entries where entry.type.isFloat {
            let range = start + entry.range.lowerBound..<start + entry.range.upperBound
            guard let floats = entry.type.floats(Array(bytes[range])) else {
                throw MCRError(.badWeights(reason: "tensor \(Self.quoted(entry.name)) holds NaN or infinity"))
            }
            tensors[entry.name] = TensorView(shape: entry.shape, floats: floats)
        }
        let skipped = header.entries.filter { !$0.type.isFloat }.map(\.name).sorted()
        self.init(tensors: tensors, metadata: header.metadata, skipped: skipped)
    }

    /// The checked header of a file of `byteCount` bytes that `fetch` reads, and where its tensors begin.
    static func header(
        byteCount: Int, limits: Limits, skipsIntegers: Bool, fetch: (Range<Int>) throws -> [UInt8]
    ) throws -> (header: SafeTensorsHeader, start: Int) {
        func refuse(_ reason: String) -> MCRError { MCRError(.badWeights(reason: reason)) }
        guard byteCount >= 8 else { throw refuse("\(byteCount) bytes are too few for a safetensors file") }
        guard byteCount <= limits.fileInBytes else {
            throw refuse("\(byteCount) bytes are more than the limit of \(limits.fileInBytes)")
        }
        let prefix = try fetch(0..<8)
        let length = prefix.reversed().reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
        guard length <= UInt64(limits.headerInBytes) else {
            // Such a file's first bytes read as a length beyond any limit, so no safetensors file is taken for one.
            if prefix.starts(with: [0x50, 0x4B, 0x03, 0x04]) || prefix[0] == 0x80 {
                throw refuse(Self.pickleAdvice)
            }
            throw refuse(
                "it is no safetensors file: its first 8 bytes, the length of the header in one, would mean \(length) bytes, and "
                    + "the limit is \(limits.headerInBytes)")
        }
        guard Int(length) <= byteCount - 8 else {
            throw refuse("the header says it has \(length) bytes, and the file has \(byteCount)")
        }
        let start = 8 + Int(length)
        let header = try SafeTensorsHeader(
            json: fetch(8..<start), dataByteCount: byteCount - start, limits: limits, skipsIntegers: skipsIntegers)
        return (header, start)
    }

    /// What to do with a file that is refused because reading it may run code.
    static let pickleAdvice =
        "this is a pickle (.bin, .pt, .pth), which can run code when it is read; convert it to safetensors first: "
        + "python -c 'import sys, torch; from safetensors.torch import save_file; w = torch.load(sys.argv[1], "
        + "weights_only=True); w = w.get(\"model\", w); save_file({k: v.clone().contiguous() for k, v in w.items()}, "
        + "sys.argv[2])' FILE FILE.safetensors"

    /// A name from a file, short and printable enough for an error text.
    static func quoted(_ name: String) -> String {
        let printable = name.unicodeScalars.prefix(80).map {
            $0.properties.generalCategory == .control ? "?" : String($0)
        }
        return "\"\(printable.joined())\""
    }
}
