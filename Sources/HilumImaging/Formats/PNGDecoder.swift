import CPNG

/// The samples of a PNG as they are stored: not scaled, not expanded, and palette images as indices.
struct PNGSamples: Sendable, Equatable {
    let width: Int
    let height: Int
    /// Samples per pixel: 1 grey or palette index, 2 grey and alpha, 3 RGB, 4 RGBA.
    let planes: Int
    /// 1, 2, 4, 8 or 16.
    let bitDepth: Int
    /// `[height, width, planes]`; one byte per sample, or two at 16 bits, high byte first.
    let bytes: [UInt8]
}

/// Decodes PNG to grey.
///
/// Samples of 1, 2, 4 and 8 bits are scaled to 16 bits (white stays white). Colour becomes grey with the luma weights of
/// ITU-R BT.601 in integers, `(19595 R + 38470 G + 7471 B + 32768) >> 16`. The weights add up to 65,536, so an image with
/// equal channels gives exactly that channel. Alpha, including tRNS, is composited over black, the background of a
/// radiograph. Gamma and colour profiles are ignored: the stored samples are what the device recorded.
enum PNGDecoder {
    /// - Throws: `tooManyPixels`, `truncated`, `corrupt`, `outOfMemory`.
    static func decode(_ bytes: UnsafeRawBufferPointer, limits: ImageLimits) throws(ImagingError) -> GrayImage {
        let reader = try PNGReader(bytes, limits: limits)
        let width = reader.width
        let converter = PNGRowConverter(reader.info)
        var samples = [UInt16](repeating: 0, count: width * reader.height)
        var failure: ImagingError?
        samples.withUnsafeMutableBufferPointer { target in
            do throws(ImagingError) {
                try reader.forEachRow { row, y, pass in
                    // Safety: y < height, and the columns of a pass stay below the width.
                    let line = UnsafeMutableBufferPointer(rebasing: target[(y * width)..<((y + 1) * width)])
                    converter.convert(row, into: line, first: pass.x, step: pass.xStep)
                }
            } catch { failure = error }
        }
        if let failure { throw failure }
        return GrayImage(width: width, height: reader.height, samples: samples)
    }

    /// The same bits as `decode(_:limits:).resizedToFit(side:)`, computed row by row without the full-size image.
    ///
    /// - Throws: `tooManyPixels`, `truncated`, `corrupt`, `outOfMemory`.
    static func decode(
        _ bytes: UnsafeRawBufferPointer, fitting side: Int, limits: ImageLimits
    ) throws(ImagingError) -> GrayImage {
        let reader = try PNGReader(bytes, limits: limits)
        guard reader.info.interlaced == 0 else { return try decode(bytes, limits: limits).resizedToFit(side: side) }
        let width = reader.width
        let fitter = AreaFitter(width: width, height: reader.height, side: side)
        if reader.info.isPlainBytes {
            try reader.forEachRow { row, _, _ in fitter.take(row, scale: 257) }
            return fitter.finish()
        }
        let converter = PNGRowConverter(reader.info)
        let line = UnsafeMutableBufferPointer<UInt16>.allocate(capacity: width)
        line.initialize(repeating: 0)
        defer { line.deallocate() }
        try reader.forEachRow { row, _, pass in
            converter.convert(row, into: line, first: pass.x, step: pass.xStep)
            fitter.take(UnsafeBufferPointer(line), scale: 1)
        }
        return fitter.finish()
    }

    /// - Throws: `tooManyPixels`, `truncated`, `corrupt`, `outOfMemory`.
    static func samples(_ bytes: UnsafeRawBufferPointer, limits: ImageLimits) throws(ImagingError) -> PNGSamples {
        let reader = try PNGReader(bytes, limits: limits)
        let pixelByteCount = reader.channels * reader.bytesPerSample
        let lineByteCount = reader.width * pixelByteCount
        var samples = [UInt8](repeating: 0, count: lineByteCount * reader.height)
        var failure: ImagingError?
        samples.withUnsafeMutableBufferPointer { target in
            do throws(ImagingError) {
                try reader.forEachRow { row, y, pass in
                    for (column, source) in stride(from: 0, to: row.count, by: pixelByteCount).enumerated() {
                        let offset = y * lineByteCount + (pass.x + column * pass.xStep) * pixelByteCount
                        for byte in 0..<pixelByteCount { target[offset + byte] = row[source + byte] }
                    }
                }
            } catch { failure = error }
        }
        if let failure { throw failure }
        return PNGSamples(
            width: reader.width, height: reader.height, planes: reader.channels, bitDepth: Int(reader.info.bit_depth),
            bytes: samples)
    }
}

extension hilum_png_info {
    /// Whether a row is one grey byte per pixel without transparency.
    var isPlainBytes: Bool { color_type == 0 && bit_depth == 8 && has_transparent_sample == 0 }
}

/// Converts rows of one PNG to grey samples.
struct PNGRowConverter {
    private enum Kind { case gray8, table([UInt16]), gray16, grayAlpha, color(hasAlpha: Bool) }

    private let kind: Kind
    private let isWide: Bool
    private let transparent: (UInt32, UInt32, UInt32)?

    init(_ info: hilum_png_info) {
        isWide = info.bit_depth == 16
        let key = info.transparent_sample
        transparent = info.has_transparent_sample != 0 ? (UInt32(key.0), UInt32(key.1), UInt32(key.2)) : nil
        switch info.color_type {
        case 0 where info.isPlainBytes: kind = .gray8
        case 0 where !isWide:
            let top = (1 << Int(info.bit_depth)) - 1
            kind = .table(
                (0..<256).map { value in
                    if info.has_transparent_sample != 0 && value == Int(key.0) { return 0 }
                    return UInt16(min(value, top) * (65_535 / top))
                })
        case 0: kind = .gray16
        case 3: kind = .table(Self.paletteTable(info))
        case 4: kind = .grayAlpha
        default: kind = .color(hasAlpha: info.color_type == 6)
        }
    }

    /// Writes pixel `i` of `row` to `line[first + i · step]`.
    func convert(
        _ row: UnsafeBufferPointer<UInt8>, into line: UnsafeMutableBufferPointer<UInt16>, first: Int, step: Int
    ) {
        switch kind {
        case .gray8 where step == 1:
            // Safety: the caller's line has room for the row from `first` on.
            guard let source = row.baseAddress, let target = line.baseAddress?.advanced(by: first) else { return }
            for pixel in 0..<row.count { target[pixel] = UInt16(source[pixel]) &* 257 }
        case .gray8:
            for pixel in 0..<row.count { line[first + pixel * step] = UInt16(row[pixel]) * 257 }
        case .table(let table):
            table.withUnsafeBufferPointer { table in
                var target = first
                for value in row {
                    line[target] = table[Int(value)]
                    target += step
                }
            }
        case .gray16:
            for pixel in 0..<(row.count / 2) {
                let value = sample(row, pixel)
                line[first + pixel * step] = value == transparent?.0 ? 0 : UInt16(value)
            }
        case .grayAlpha:
            for pixel in 0..<(row.count / (isWide ? 4 : 2)) {
                line[first + pixel * step] = over(full(row, 2 * pixel), alpha: full(row, 2 * pixel + 1))
            }
        case .color(let hasAlpha):
            let channels = hasAlpha ? 4 : 3
            for pixel in 0..<(row.count / (isWide ? 2 * channels : channels)) {
                line[first + pixel * step] = color(row, pixel * channels, hasAlpha: hasAlpha)
            }
        }
    }

    @inline(__always)
    private func color(_ row: UnsafeBufferPointer<UInt8>, _ index: Int, hasAlpha: Bool) -> UInt16 {
        if let transparent, sample(row, index) == transparent.0, sample(row, index + 1) == transparent.1,
            sample(row, index + 2) == transparent.2
        {
            return 0
        }
        let gray = luma(full(row, index), full(row, index + 1), full(row, index + 2))
        return hasAlpha ? over(gray, alpha: full(row, index + 3)) : UInt16(gray)
    }

    /// Sample `index` as stored.
    @inline(__always)
    private func sample(_ row: UnsafeBufferPointer<UInt8>, _ index: Int) -> UInt32 {
        isWide ? UInt32(row[2 * index]) << 8 | UInt32(row[2 * index + 1]) : UInt32(row[index])
    }

    /// Sample `index` scaled to 16 bits.
    @inline(__always)
    private func full(_ row: UnsafeBufferPointer<UInt8>, _ index: Int) -> UInt32 {
        isWide ? sample(row, index) : sample(row, index) * 257
    }

    private static func paletteTable(_ info: hilum_png_info) -> [UInt16] {
        var info = info
        return withUnsafeBytes(of: &info.palette) { palette in
            (0..<256).map { index in
                let entry = (0..<4).map { UInt32(palette[4 * index + $0]) * 257 }
                return over(luma(entry[0], entry[1], entry[2]), alpha: entry[3])
            }
        }
    }
}

/// The BT.601 luma of three 16-bit samples; equal channels give that value.
@inline(__always)
package func luma(_ red: UInt32, _ green: UInt32, _ blue: UInt32) -> UInt32 {
    (19_595 * red + 38_470 * green + 7_471 * blue + 32_768) >> 16
}

/// `gray` composited over black with opacity `alpha` / 65,535, rounded.
@inline(__always)
func over(_ gray: UInt32, alpha: UInt32) -> UInt16 {
    UInt16((UInt64(gray) * UInt64(alpha) + 32_767) / 65_535)
}
