import CPNG

/// Encodes images as PNG.
///
/// Filters and compression are fixed and no ancillary chunk (such as a time) is written, so the same samples always give
/// the same bytes.
/// Thread rule: any thread.
public enum PNGEncoder {
    /// A grey PNG. With 8 bits, each sample is rounded to the nearest of 256 levels.
    ///
    /// - Parameter bitDepth: 8 or 16.
    /// - Throws: `encoding`, `outOfMemory`.
    public static func encode(_ image: GrayImage, bitDepth: Int = 8) throws(ImagingError) -> [UInt8] {
        precondition(bitDepth == 8 || bitDepth == 16, "the bit depth must be 8 or 16")
        let samples: [UInt8]
        if bitDepth == 8 {
            samples = image.samples.map { UInt8((UInt32($0) + 128) / 257) }
        } else {
            samples = [UInt8](unsafeUninitializedCapacity: 2 * image.samples.count) { target, count in
                for (index, value) in image.samples.enumerated() {
                    target[2 * index] = UInt8(value >> 8)
                    target[2 * index + 1] = UInt8(truncatingIfNeeded: value)
                }
                count = 2 * image.samples.count
            }
        }
        return try encode(samples, width: image.width, height: image.height, bitDepth: bitDepth, channels: 1)
    }

    /// An RGB PNG with 8 bits per channel.
    ///
    /// - Throws: `encoding`, `outOfMemory`.
    public static func encode(_ image: RGBImage) throws(ImagingError) -> [UInt8] {
        try encode(image.samples, width: image.width, height: image.height, bitDepth: 8, channels: 3)
    }

    /// A PNG with 8 bits per channel and opacity.
    ///
    /// - Parameter pixels: `[height, width, 4]`: red, green, blue, opacity.
    /// - Throws: `encoding`, `outOfMemory`.
    static func encode(pixels: [UInt8], width: Int, height: Int) throws(ImagingError) -> [UInt8] {
        try encode(pixels, width: width, height: height, bitDepth: 8, channels: 4)
    }

    private static func encode(
        _ samples: [UInt8], width: Int, height: Int, bitDepth: Int, channels: Int
    ) throws(ImagingError) -> [UInt8] {
        precondition(samples.count == width * height * channels * bitDepth / 8, "the samples must fill the image")
        var bytes: UnsafeMutablePointer<UInt8>?
        var count = 0
        // Safety: libpng reads `height` rows of `width · channels · bitDepth / 8` bytes, which the samples hold.
        let status = hilum_png_encode(
            UInt32(width), UInt32(height), Int32(bitDepth), Int32(channels), samples, &bytes, &count)
        defer { hilum_png_free(bytes) }
        guard status == HILUM_PNG_OK, let bytes else {
            throw ImagingError(status == HILUM_PNG_NO_MEMORY ? .outOfMemory : .encoding(reason: "libpng refused it"))
        }
        return Array(UnsafeBufferPointer(start: bytes, count: count))
    }
}
