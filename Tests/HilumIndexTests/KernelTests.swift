import CHilumKernels
import HilumCore
import Testing

@testable import HilumIndex

@Suite struct KernelTests {
    private static let names: [String] = (["scalar", "avx2", "avx512"] as [String]).filter { hilum_kernels($0) != nil }

    /// `count` floats at `offset` bytes past a multiple of 64, in a block of just that size.
    private final class Bytes {
        let base: UnsafeMutableRawPointer
        let start: UnsafeMutableRawPointer

        init(_ bytes: [UInt8], offset: Int) {
            base = .allocate(byteCount: offset + bytes.count, alignment: 64)
            start = base + offset
            bytes.withUnsafeBytes { if let from = $0.baseAddress { start.copyMemory(from: from, byteCount: $0.count) } }
        }

        deinit { base.deallocate() }
    }

    private func floats(_ count: Int, _ generator: inout SeededGenerator) -> [Float] {
        (0..<count).map { _ in Float(generator.normal()) }
    }

    private func bf16(_ values: [Float]) -> [UInt16] {
        var result = [UInt16](repeating: 0, count: values.count)
        hilum_f32_to_bf16(values, &result, values.count)
        return result
    }

    @Test("Every kernel agrees with plain arithmetic at every length and alignment", arguments: names)
    func kernelsAgree(name: String) throws {
        let set = try #require(hilum_kernels(name)).pointee
        var generator = SeededGenerator(seed: 7)
        for count in 0...1_025 {
            let offset = [0, 4, 1, 12, 60, 3][count % 6]
            let left = floats(count, &generator)
            let right = floats(count, &generator)
            let half = bf16(right)
            let decoded = half.map { Float(bitPattern: UInt32($0) << 16) }
            let a = Bytes(left.withUnsafeBytes { Array($0) }, offset: offset)
            let b = Bytes(right.withUnsafeBytes { Array($0) }, offset: (offset * 7) % 64)
            let c = Bytes(half.withUnsafeBytes { Array($0) }, offset: offset)
            let cases: [(hilum_gather_fn?, UnsafeRawPointer, [Float], Bool)] = [
                (set.l2_f32_gather, UnsafeRawPointer(b.start), right, true),
                (set.ip_f32_gather, UnsafeRawPointer(b.start), right, false),
                (set.l2_bf16_gather, UnsafeRawPointer(c.start), decoded, true),
                (set.ip_bf16_gather, UnsafeRawPointer(c.start), decoded, false),
            ]
            for (kernel, code, values, isL2) in cases {
                let kernel = try #require(kernel)
                var got: Float = -1
                kernel(a.start, [code], 1, count, &got)
                let (wanted, size) = Self.plain(left, values, isL2: isL2)
                #expect(abs(Double(got) - wanted) <= 1e-6 * (1 + size), "\(name), length \(count)")
            }
            withExtendedLifetime([a, b, c]) {}
        }
    }

    private static func plain(_ xs: [Float], _ ys: [Float], isL2: Bool) -> (value: Double, size: Double) {
        var sum = 0.0
        var size = 0.0
        for (x, y) in zip(xs, ys) {
            let term = isL2 ? (Double(x) - Double(y)) * (Double(x) - Double(y)) : Double(x) * Double(y)
            sum += term
            size += abs(term)
        }
        return (isL2 ? sum : 1 - sum, size)
    }

    @Test("A code has the same distance alone and among any number of others", arguments: names)
    func gatherDoesNotDependOnTheCount(name: String) throws {
        let set = try #require(hilum_kernels(name)).pointee
        var generator = SeededGenerator(seed: 8)
        for count in [0, 1, 3, 8, 15, 16, 17, 31, 33, 64, 100, 128, 257] {
            for codeCount in [0, 1, 2, 3, 4, 5, 7, 8, 9, 13] {
                let query = floats(count, &generator)
                let codes = (0..<codeCount).map { _ in floats(count, &generator) }
                let blocks = codes.enumerated().map { place, values in
                    Bytes(values.withUnsafeBytes { Array($0) }, offset: (place * 5) % 64)
                }
                let pointers = blocks.map { UnsafeRawPointer?($0.start) }
                for gather in [set.l2_f32_gather, set.ip_f32_gather] {
                    let gather = try #require(gather)
                    var out = [Float](repeating: -1, count: codeCount + 1)
                    gather(query, pointers, codeCount, count, &out)
                    for index in 0..<codeCount {
                        var alone: Float = -1
                        gather(query, [pointers[index]], 1, count, &alone)
                        #expect(out[index] == alone, "\(name) \(count) × \(codeCount)")
                    }
                    #expect(out[codeCount] == -1, "wrote past the end")
                }
                let halves = codes.map { bf16($0) }
                let halfBlocks = halves.map { Bytes($0.withUnsafeBytes { Array($0) }, offset: 2) }
                let halfPointers = halfBlocks.map { UnsafeRawPointer?($0.start) }
                for (gather, isL2) in [(set.l2_bf16_gather, true), (set.ip_bf16_gather, false)] {
                    let gather = try #require(gather)
                    var out = [Float](repeating: -1, count: codeCount + 1)
                    gather(query, halfPointers, codeCount, count, &out)
                    for index in 0..<codeCount {
                        let decoded = halves[index].map { Float(bitPattern: UInt32($0) << 16) }
                        let (wanted, size) = Self.plain(query, decoded, isL2: isL2)
                        #expect(
                            abs(Double(out[index]) - wanted) <= 1e-6 * (1 + size), "\(name) \(count) × \(codeCount)")
                    }
                    #expect(out[codeCount] == -1, "wrote past the end")
                }
                withExtendedLifetime((blocks, halfBlocks)) {}
            }
        }
    }

    @Test func bf16RoundsToNearestEven() {
        let values: [Float] = [0, -0.0, 1, 1.00390625, 1.01171875, -3.14159, 1e30, 65504]
        let codes = bf16(values)
        // 1 + 2^-8 lies midway between 1 and 1 + 2^-7 and goes to the even 1; 1 + 3 * 2^-8 goes up to 1 + 2^-6.
        #expect(codes[2] == 0x3F80 && codes[3] == 0x3F80 && codes[4] == 0x3F82)
        for (value, code) in zip(values, codes) {
            let back = Float(bitPattern: UInt32(code) << 16)
            #expect(abs(back - value) <= abs(value) / 256)
        }
        var back = [Float](repeating: 9, count: codes.count)
        hilum_bf16_to_f32(codes, &back, codes.count)
        #expect(back == codes.map { Float(bitPattern: UInt32($0) << 16) })
    }

    @Test("A set that does not exist is refused, in words")
    func unknownSet() {
        #expect(hilum_kernels("mmx") == nil)
        #expect(throws: IndexError(.kernelsUnavailable(name: "mmx"))) {
            try HNSWIndex(dimension: 4, metric: .cosine, parameters: .init(), precision: .f32, kernelSet: "mmx")
        }
        #expect(IndexError(.kernelsUnavailable(name: "mmx")).description.contains("scalar, avx2, avx512 or avx512vnni"))
    }

    @Test("Each set of kernels builds a graph that finds the neighbours", arguments: names, CodePrecision.allCases)
    func everySetSearches(name: String, precision: CodePrecision) throws {
        let base = VectorSet(.clusters, count: 1_500, dimension: 33, seed: 21)
        let index = try HNSWIndex(
            dimension: 33, metric: .squaredEuclidean, parameters: .init(), precision: precision,
            quantizer: base.quantizer, kernelSet: name)
        #expect(index.kernelName == name)
        try index.insertAll(base)
        #expect(index.validate() == [])
        let queries = VectorSet(.clusters, count: 1_550, dimension: 33, seed: 21)
        for row in 1_500..<1_550 {
            let hits = try index.find(queries.row(row), k: 10, ef: 100).hits
            let plain = plainDistances(queries.row(row), base).enumerated().sorted {
                ($0.element, $0.offset) < ($1.element, $1.offset)
            }
            #expect(hits.count == 10)
            for (hit, wanted) in zip(hits, plain) {
                #expect(abs(Double(hit.distance) - wanted.element) < 1e-3 * (1 + wanted.element))
            }
        }
    }
}
