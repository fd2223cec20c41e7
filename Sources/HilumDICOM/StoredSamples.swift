import CGDCM

/// The samples of one frame as they are stored, in memory that their grey values take over.
///
/// Samples lie at the end of the memory, and grey values are written from its beginning. A grey value never passes the sample that it
/// comes from, so a film needs no second buffer:
///
///     8 bits       [        ‥s0 s1 s2 s3]  ─►  [g0‥g1‥g2‥g3‥]
///     16 bits      [s0‥s1‥s2‥s3‥]          ─►  [g0‥g1‥g2‥g3‥]
///     3 × 8 bits   [r0 g0 b0 r1 g1 b1 …]   ─►  [g0‥g1‥…      ]
///
/// Thread rule: a value.
struct StoredSamples {
    /// What the samples are.
    var info: DICOMFile.Info
    private var memory: [UInt16]

    /// Zeros: what a decoder leaves out must not be what was in memory before.
    init(_ info: DICOMFile.Info) {
        self.info = info
        memory = [UInt16](repeating: 0, count: Self.byteCount(info) / 2)
    }

    /// The memory of the samples and of the grey values, in bytes.
    static func byteCount(_ info: DICOMFile.Info) -> Int {
        max(2 * Int(info.columns) * Int(info.rows), (Int(info.frame_byte_count) + 1) / 2 * 2)
    }

    private var start: Int { 2 * memory.count - Int(info.frame_byte_count) }

    /// Lends the bytes of the samples, to be written.
    mutating func fill<Result>(_ body: (UnsafeMutableBufferPointer<UInt8>) -> Result) -> Result {
        let start = start
        // Safety: the samples are the last bytes of the memory, and the pointer stays within this call.
        return memory.withUnsafeMutableBytes { raw in
            body(UnsafeMutableRawBufferPointer(rebasing: raw[start...]).bindMemory(to: UInt8.self))
        }
    }

    /// Lends the bytes of the samples.
    func withBytes<Result>(_ body: (UnsafeRawBufferPointer) throws -> Result) rethrows -> Result {
        // Safety: as in `fill`.
        try memory.withUnsafeBytes { raw in try body(UnsafeRawBufferPointer(rebasing: raw[start...])) }
    }

    /// Samples of a frame: pixels times channels.
    var count: Int { Int(info.frame_byte_count) / (Int(info.bits_allocated) / 8) }

    private var mask: Int { (1 << Int(info.bits_stored)) - 1 }
    private var shift: Int { max(0, Int(info.high_bit) + 1 - Int(info.bits_stored)) }

    /// How many samples have each value, without the bits that are not stored. A value with the bits of `flip` turned over counts.
    func counts(flipping flip: Int) -> [Int] {
        var counts = [Int](repeating: 0, count: 1 << Int(info.bits_stored))
        let (count, mask, shift, isNarrow) = (count, mask, shift, info.bits_allocated == 8)
        counts.withUnsafeMutableBufferPointer { counts in
            withBytes { raw in
                for place in 0..<count {
                    // Safety: samples of 16 bits are whole pairs of bytes.
                    let value =
                        isNarrow
                        ? Int(raw[place]) : Int(raw.loadUnaligned(fromByteOffset: 2 * place, as: UInt16.self))
                    counts[(value >> shift & mask) ^ flip] += 1
                }
            }
        }
        return counts
    }

    /// Grey values by a table of stored values; of one channel.
    ///
    /// - Parameter table: with an entry for each value of the bits that are stored, at the value with the bits of `flip` turned over.
    consuming func grays(_ table: [UInt16], flipping flip: Int) -> [UInt16] {
        let (count, mask, shift, start, isNarrow) = (count, mask, shift, start, info.bits_allocated == 8)
        table.withUnsafeBufferPointer { table in
            // Safety: a grey value ends at `2 * place + 2`, which is no further than the next sample begins.
            memory.withUnsafeMutableBytes { raw in
                for place in 0..<count {
                    let value =
                        isNarrow
                        ? Int(raw[start + place])
                        : Int(raw.loadUnaligned(fromByteOffset: start + 2 * place, as: UInt16.self))
                    raw.storeBytes(of: table[(value >> shift & mask) ^ flip], toByteOffset: 2 * place, as: UInt16.self)
                }
            }
        }
        return memory
    }

    /// Grey values of three channels.
    ///
    /// - Parameter gray: of three levels from 0 to 65,535.
    consuming func grays(_ gray: (UInt32, UInt32, UInt32) -> UInt16) -> [UInt16] {
        let (pixels, mask, shift, start, isNarrow) = (count / 3, mask, shift, start, info.bits_allocated == 8)
        let top = UInt32(mask)
        // Safety: as above; a pixel has at least three bytes.
        memory.withUnsafeMutableBytes { raw in
            func level(_ sample: Int) -> UInt32 {
                let value =
                    isNarrow
                    ? Int(raw[start + sample])
                    : Int(raw.loadUnaligned(fromByteOffset: start + 2 * sample, as: UInt16.self))
                return (UInt32(value >> shift & mask) * 65_535 + top / 2) / top
            }
            for pixel in 0..<pixels {
                let value = gray(level(3 * pixel), level(3 * pixel + 1), level(3 * pixel + 2))
                raw.storeBytes(of: value, toByteOffset: 2 * pixel, as: UInt16.self)
            }
        }
        memory.removeLast(memory.count - pixels)
        return memory
    }
}
