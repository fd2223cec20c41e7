/// Floats as a NumPy array file, format version 1.0 (numpy.lib.format): magic, header length, a Python dictionary padded
/// to a multiple of 64 bytes, then the rows.
enum NumpyFile {
    /// The file of `values` as `[rows, columns]`, float32, little endian, row-major.
    static func bytes(_ values: [Float], columns: Int) -> [UInt8] {
        precondition(columns > 0 && values.count % columns == 0, "the values must fill whole rows")
        var bytes = head(rows: values.count / columns, columns: columns)
        bytes.reserveCapacity(bytes.count + values.count * 4)
        for value in values {
            let bits = value.bitPattern
            for shift in [0, 8, 16, 24] as [UInt32] { bytes.append(UInt8(truncatingIfNeeded: bits >> shift)) }
        }
        return bytes
    }

    /// What stands before the rows.
    static func head(rows: Int, columns: Int) -> [UInt8] {
        let shape = "(\(rows), \(columns))"
        var header = "{'descr': '<f4', 'fortran_order': False, 'shape': \(shape), }"
        let prefixCount = 10
        let padding = (64 - (prefixCount + header.utf8.count + 1) % 64) % 64
        header += String(repeating: " ", count: padding) + "\n"
        var bytes: [UInt8] = [0x93] + Array("NUMPY".utf8) + [1, 0]
        bytes += [UInt8(header.utf8.count & 255), UInt8(header.utf8.count >> 8)]
        return bytes + Array(header.utf8)
    }
}
