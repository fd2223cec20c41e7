import CTurboJPEG
import Testing

/// Encodes grey samples (repeated into RGB when `subsampling` is of colour), or raw samples of `format`.
func encodedJPEG(
    _ samples: [UInt8], _ width: Int, _ height: Int, quality: Int32, subsampling: TJSAMP = TJSAMP_GRAY,
    flags: Int32 = 0, format: TJPF? = nil
) throws -> [UInt8] {
    let isGray = subsampling == TJSAMP_GRAY && format == nil
    let source = isGray || format != nil ? samples : samples.flatMap { [$0, $0, $0] }
    let pixelFormat = format ?? (isGray ? TJPF_GRAY : TJPF_RGB)
    let target = format == nil ? subsampling : TJSAMP_444
    let handle = try #require(tjInitCompress())
    defer { tjDestroy(handle) }
    var bytes: UnsafeMutablePointer<UInt8>?
    var count: UInt = 0
    let status = tjCompress2(
        handle, source, Int32(width), 0, Int32(height), Int32(pixelFormat.rawValue), &bytes, &count,
        Int32(target.rawValue), quality, flags)
    defer { tjFree(bytes) }
    try #require(status == 0)
    return Array(UnsafeBufferPointer(start: bytes, count: Int(count)))
}
