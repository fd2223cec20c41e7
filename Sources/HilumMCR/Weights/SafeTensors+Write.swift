import Foundation
import HilumCore

extension SafeTensors {
    /// How values are written.
    public enum Format: String, Sendable, CaseIterable {
        case f32, f16

        var typeName: String { self == .f32 ? "F32" : "F16" }
        var byteCount: Int { self == .f32 ? 4 : 2 }
    }

    /// The bytes of the file: tensors in the order of their names' UTF-8 bytes, so the same tensors give the same bytes.
    ///
    /// - Throws: `MCRError.badWeights` for a value that is not finite, or not finite any more as f16 (from 65,520 on).
    func encoded(as format: Format) throws(MCRError) -> [UInt8] {
        let names = Self.sorted(tensors.keys)
        var bytes = try Self.header(names.map { ($0, tensors[$0]?.shape ?? []) }, metadata: metadata, as: format)
        for name in names {
            guard let tensor = tensors[name] else { continue }
            let isFinite = tensor.floats.withUnsafeBufferPointer { Self.append($0, as: format, to: &bytes) }
            guard isFinite else { throw Self.notFinite(name, format) }
        }
        return bytes
    }

    /// Writes the file in one step.
    ///
    /// - Throws: `MCRError.badWeights` as `encoded(as:)`, or `FileError`.
    func write(to path: String, as format: Format) throws {
        let bytes: [UInt8]
        do { bytes = try encoded(as: format) } catch { throw error.at(path) }
        try FileIO.writeAtomically(path, bytes)
    }

    /// Writes the same bytes as `write(to:as:)` for tensors that lie elsewhere, with a few MiB of memory of its own.
    static func write(
        _ tensors: [TensorSpan], metadata: [String: String], to path: String, as format: Format
    ) throws {
        let ordered = tensors.sorted { $0.name.utf8.lexicographicallyPrecedes($1.name.utf8) }
        try FileIO.writeAtomically(path) { file in
            do {
                try file.append(header(ordered.map { ($0.name, $0.shape) }, metadata: metadata, as: format))
                for tensor in ordered {
                    var done = 0
                    while done < tensor.count {
                        // Safety: `done` and the length stay within the floats of the tensor, which the caller keeps alive.
                        let part = UnsafeBufferPointer(
                            start: tensor.floats + done, count: min(1 << 20, tensor.count - done))
                        var bytes: [UInt8] = []
                        guard append(part, as: format, to: &bytes) else { throw notFinite(tensor.name, format) }
                        try file.append(bytes)
                        done += part.count
                    }
                }
            } catch let error as MCRError {
                throw error.at(path)
            }
        }
    }

    private static func notFinite(_ name: String, _ format: Format) -> MCRError {
        MCRError(
            .badWeights(reason: "tensor \(quoted(name)) has a value that is not finite as \(format.typeName)"))
    }

    /// The length and the header of a file with these tensors, in this order.
    private static func header(
        _ tensors: [(name: String, shape: [Int])], metadata: [String: String], as format: Format
    ) throws(MCRError) -> [UInt8] {
        var json = JSONWriter()
        json.beginObject()
        if !metadata.isEmpty {
            json.key("__metadata__")
            json.beginObject()
            for key in sorted(metadata.keys) { json.member(key, metadata[key] ?? "") }
            json.endObject()
        }
        var offset = 0
        for (name, sizes) in tensors {
            guard name != "__metadata__" else {
                throw MCRError(.badWeights(reason: "a tensor cannot be called __metadata__"))
            }
            let end = offset + sizes.reduce(1, *) * format.byteCount
            json.key(name)
            json.beginObject()
            json.member("dtype", format.typeName)
            json.member("shape", sizes)
            json.member("data_offsets", [offset, end])
            json.endObject()
            offset = end
        }
        json.endObject()
        var bytes = json.bytes
        while bytes.count % 8 != 0 { bytes.append(0x20) }
        return (0..<8).map { UInt8(truncatingIfNeeded: bytes.count >> (8 * $0)) } + bytes
    }

    private static func sorted(_ names: some Sequence<String>) -> [String] {
        names.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
    }

    private static func append(
        _ values: UnsafeBufferPointer<Float>, as format: Format, to data: inout [UInt8]
    ) -> Bool {
        var isFinite = true
        switch format {
        case .f32:
            let words = values.map { value in
                isFinite = isFinite && value.isFinite
                return value.bitPattern.littleEndian
            }
            words.withUnsafeBytes { data.append(contentsOf: $0) }
        case .f16:
            let words = values.map { value in
                let half = HalfPrecision.half(value)
                isFinite = isFinite && half & 0x7C00 != 0x7C00
                return half.littleEndian
            }
            words.withUnsafeBytes { data.append(contentsOf: $0) }
        }
        return isFinite
    }
}
