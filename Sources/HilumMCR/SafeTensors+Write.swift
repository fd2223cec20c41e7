import HilumCore

extension SafeTensors {
    /// How values are written.
    public enum Precision: String, Sendable, CaseIterable {
        case f32, f16

        var typeName: String { self == .f32 ? "F32" : "F16" }
        var byteCount: Int { self == .f32 ? 4 : 2 }
    }

    /// The bytes of the file: tensors in the order of their names' UTF-8 bytes, so the same tensors give the same bytes.
    ///
    /// - Throws: `MCRError.badWeights` for a value that is not finite, or not finite any more as f16 (from 65,520 on).
    public func encoded(as precision: Precision) throws(MCRError) -> [UInt8] {
        let names = Self.sorted(tensors.keys)
        var header = "{"
        if !metadata.isEmpty {
            let pairs = Self.sorted(metadata.keys).map { "\(Self.json($0)):\(Self.json(metadata[$0] ?? ""))" }
            header += "\"__metadata__\":{\(pairs.joined(separator: ","))}"
        }
        var data: [UInt8] = []
        data.reserveCapacity(tensors.values.reduce(0) { $0 + $1.floats.count * precision.byteCount })
        for name in names {
            guard name != "__metadata__", let tensor = tensors[name] else {
                throw MCRError(.badWeights(reason: "a tensor cannot be called __metadata__"))
            }
            let start = data.count
            guard Self.append(tensor.floats, as: precision, to: &data) else {
                throw MCRError(
                    .badWeights(
                        reason: "tensor \(Self.quoted(name)) has a value that is not finite as \(precision.typeName)"))
            }
            let shape = tensor.shape.map(String.init).joined(separator: ",")
            if header.utf8.count > 1 { header += "," }
            header += "\(Self.json(name)):{\"dtype\":\"\(precision.typeName)\",\"shape\":[\(shape)],"
            header += "\"data_offsets\":[\(start),\(data.count)]}"
        }
        header += "}"
        var headerBytes = Array(header.utf8)
        while headerBytes.count % 8 != 0 { headerBytes.append(0x20) }
        let length = (0..<8).map { UInt8(truncatingIfNeeded: headerBytes.count >> (8 * $0)) }
        return length + headerBytes + data
    }

    /// Writes the file in one step.
    ///
    /// - Throws: `MCRError.badWeights` as `encoded(as:)`, or `FileError`.
    public func write(to path: String, as precision: Precision) throws {
        let bytes: [UInt8]
        do { bytes = try encoded(as: precision) } catch { throw error.at(path) }
        try FileIO.writeAtomically(path, bytes)
    }

    private static func sorted(_ names: some Sequence<String>) -> [String] {
        names.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
    }

    private static func append(_ values: [Float], as precision: Precision, to data: inout [UInt8]) -> Bool {
        var isFinite = true
        switch precision {
        case .f32:
            for value in values {
                isFinite = isFinite && value.isFinite
                withUnsafeBytes(of: value.bitPattern.littleEndian) { data.append(contentsOf: $0) }
            }
        case .f16:
            for value in values {
                let half = HalfPrecision.half(value)
                isFinite = isFinite && half & 0x7C00 != 0x7C00
                data.append(UInt8(truncatingIfNeeded: half))
                data.append(UInt8(truncatingIfNeeded: half >> 8))
            }
        }
        return isFinite
    }

    /// A JSON string; everything but the characters that must be escaped stays as it is.
    private static func json(_ text: String) -> String {
        var output = "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"": output += "\\\""
            case "\\": output += "\\\\"
            case "\n": output += "\\n"
            case ..<" ":
                let digits = String(scalar.value, radix: 16)
                output += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
            default: output.unicodeScalars.append(scalar)
            }
        }
        return output + "\""
    }
}
