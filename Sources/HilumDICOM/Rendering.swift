import CGDCM
import HilumImaging

/// How stored values become grey.
///
///     sample ─ bits stored, sign ─► stored value ─ modality LUT, or slope and intercept ─► value of the device
///            ─ VOI LUT, or window, or levels of the picture itself ─► 0…1 ─ MONOCHROME1, INVERSE ─► 16-bit grey
///
/// That is the order of PS3.4 N.2. A picture of 8 bits without a window is shown as it is, as PNG and JPEG are. Where a wider one has
/// no window, or one that makes all of it black or white, the levels are those between which 98 of 100 samples lie.
/// Thread rule: a value.
struct Rendering {
    private let slope: Double
    private let intercept: Double
    private let modality: LookupTable?
    private let valuesOfInterest: LookupTable?
    private let window: Window?
    private let isInverted: Bool
    /// The values of samples that are not part of the picture.
    private let padding: ClosedRange<Int>?

    /// One of a hundred samples is darker than the dark level, and one is brighter than the bright one.
    private static let outside = 100

    init(_ file: DICOMFile, _ info: DICOMFile.Info, _ description: DICOMDescription) {
        slope = file.numbers(0x0028_1053).first.map { $0 == 0 ? 1 : $0 } ?? 1
        intercept = file.numbers(0x0028_1052).first ?? 0
        modality = file.table(sequence: 0x0028_3000, descriptor: 0x0028_3002, data: 0x0028_3006)
            .map { Self.signed($0, isSigned: info.is_signed != 0) }
        let isSigned = info.is_signed != 0 && modality == nil || intercept < 0
        valuesOfInterest = file.table(sequence: 0x0028_3010, descriptor: 0x0028_3002, data: 0x0028_3006)
            .map { Self.signed($0, isSigned: isSigned) }
        let name = file.value(0x0028_1056).map { String(decoding: $0, as: UTF8.self) } ?? ""
        let given = zip(file.numbers(0x0028_1050), file.numbers(0x0028_1051)).map { center, width in
            Window(center: center, width: width, shape: Window.Shape(rawValue: name) ?? .linear)
        }
        window = given.first.flatMap { $0.isValid ? $0 : nil }
        isInverted =
            info.photometric == UInt32(HILUM_DICOM_MONOCHROME1)
            || description[.presentationShape]?.uppercased() == "INVERSE"
        padding = file.word(0x0028_0120, isSigned: info.is_signed != 0).map { value in
            let limit = file.word(0x0028_0121, isSigned: info.is_signed != 0) ?? value
            return min(value, limit)...max(value, limit)
        }
    }

    private func isPadding(_ stored: Int) -> Bool { padding?.contains(stored) ?? false }

    /// The first value of a table may be negative, and not every file says so.
    private static func signed(_ table: LookupTable, isSigned: Bool) -> LookupTable {
        var table = table
        if isSigned && table.first > 32_767 { table.first -= 65_536 }
        return table
    }

    private func device(_ stored: Double) -> Double { modality.map { $0(stored) } ?? stored * slope + intercept }

    /// The grey of every stored value from 0 to `counts.count - 1`, shifted by `base`.
    ///
    /// - Parameters:
    ///   - counts: how many samples have a value.
    ///   - base: the stored value of the first count.
    ///   - isNarrow: whether the picture has 8 bits.
    func grays(_ counts: [Int], base: Int, isNarrow: Bool) -> [UInt16] {
        let curve = curve(counts, base: base, isNarrow: isNarrow)
        return counts.indices.map { index in
            guard counts[index] > 0 else { return 0 }
            let level = curve(device(Double(base + index)))
            // What is no number is black.
            let gray = level > 0 ? min(level, 1) : 0
            return UInt16(((isInverted ? 1 - gray : gray) * 65_535).rounded())
        }
    }

    private func curve(_ counts: [Int], base: Int, isNarrow: Bool) -> (Double) -> Double {
        if let table = valuesOfInterest {
            let curve: (Double) -> Double = { table($0) / table.top }
            if shows(curve, counts, base: base) { return curve }
        }
        if let window {
            let curve: (Double) -> Double = { window($0) }
            if shows(curve, counts, base: base) { return curve }
        }
        if isNarrow && modality == nil && slope > 0 {
            let window = Window(from: device(Double(base)), to: device(Double(base + counts.count - 1)))
            return { window($0) }
        }
        let (low, high) = levels(counts, base: base)
        let (first, second) = (device(Double(low)), device(Double(high)))
        let window = Window(from: min(first, second), to: max(first, second))
        return { window($0) }
    }

    /// Whether a curve leaves something to be seen: a window of the wrong unit makes a picture black or white.
    private func shows(_ curve: (Double) -> Double, _ counts: [Int], base: Int) -> Bool {
        var (inside, all) = (0, 0)
        for (index, count) in counts.enumerated() where count > 0 && !isPadding(base + index) {
            all += count
            let gray = curve(device(Double(base + index)))
            if gray > 0.002 && gray < 0.998 { inside += count }
        }
        // A drawing may be black and white.
        let distinct = counts.count { $0 > 0 }
        return distinct <= 4 || inside * Self.outside >= all
    }

    /// The stored values between which almost all samples lie.
    private func levels(_ counts: [Int], base: Int) -> (low: Int, high: Int) {
        let all = counts.enumerated().reduce(0) { $0 + (isPadding(base + $1.offset) ? 0 : $1.element) }
        func level(_ indices: some Sequence<Int>) -> Int {
            var count = 0
            for index in indices where !isPadding(base + index) {
                count += counts[index]
                if count > all / Self.outside { return base + index }
            }
            return base
        }
        return (level(0..<counts.count), level((0..<counts.count).reversed()))
    }
}
