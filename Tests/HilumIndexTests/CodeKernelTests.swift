import CHilumKernels
import HilumCore
import Testing

@testable import HilumIndex

/// Codes of 8 bits with residuals: what they stand for, and that every set of kernels agrees with the scalar one.
@Suite struct CodeKernelTests {
    private static let names = (["scalar", "avx2", "avx512", "avx512vnni"] as [String]).filter {
        hilum_code_kernels($0) != nil
    }

    /// Rows as bytes at odd places in one block, each followed by nothing that may be read.
    private final class Rows {
        let base: UnsafeMutableRawPointer
        let stride: Int
        let pointers: [UnsafeRawPointer?]

        init(count: Int, byteCount: Int) {
            stride = byteCount + 3
            base = .allocate(byteCount: max(1, count * stride), alignment: 64)
            var pointers: [UnsafeRawPointer?] = []
            for row in 0..<count { pointers.append(UnsafeRawPointer(base + row * stride)) }
            self.pointers = pointers
        }

        deinit { base.deallocate() }

        func row(_ index: Int) -> UnsafeMutableRawPointer { base + index * stride }
    }

    private func book(_ values: [Float], dimension: Int, metric: Metric, set: String) throws -> CodeBook {
        let quantizer = values.withUnsafeBufferPointer { ScalarQuantizer(fitting: $0, dimension: dimension) }
        return CodeBook(quantizer, metric: metric, kernels: try #require(hilum_code_kernels(set)).pointee)
    }

    @Test(
        "Distances of codes are those of the vectors they stand for, at every length", arguments: names, Metric.allCases
    )
    func distances(name: String, metric: Metric) throws {
        var generator = SeededGenerator(seed: 11)
        for dimension in Array(1...130) + [255, 256, 257, 511, 513, 783, 784, 1_000, 1_023, 1_024, 1_025] {
            let count = 1 + dimension % 9
            let values = (0..<count * dimension).map { _ in Float(generator.normal()) + 0.3 }
            let query = (0..<dimension).map { _ in Float(generator.normal()) }
            let plain = try book(values, dimension: dimension, metric: metric, set: "scalar")
            let tested = try book(values, dimension: dimension, metric: metric, set: name)
            let codes = Rows(count: count, byteCount: hilum_code_bytes(dimension))
            let residuals = Rows(count: count, byteCount: hilum_residual_bytes(dimension))
            let room = UnsafeMutableRawPointer.allocate(
                byteCount: hilum_code_query_bytes(dimension), alignment: 64)
            defer { room.deallocate() }
            values.withUnsafeBufferPointer { all in
                guard let start = all.baseAddress else { return }
                for row in 0..<count {
                    tested.encode(start + row * dimension, code: codes.row(row), residual: residuals.row(row))
                }
            }
            tested.prepare(query, into: room)
            var coarse = [Float](repeating: -1, count: count + 1)
            var fine = coarse
            tested.kernels.gather(room, codes.pointers, count, dimension, &coarse)
            tested.kernels.fine_gather(room, codes.pointers, residuals.pointers, count, dimension, &fine)
            #expect(coarse[count] == -1 && fine[count] == -1, "wrote past the end")
            var same = coarse
            plain.kernels.gather(room, codes.pointers, count, dimension, &same)
            var sameFine = fine
            plain.kernels.fine_gather(room, codes.pointers, residuals.pointers, count, dimension, &sameFine)
            for row in 0..<count {
                var decoded = [Float](repeating: 0, count: dimension)
                tested.decode(codes.row(row), residual: residuals.row(row), into: &decoded)
                let vector = values[(row * dimension)..<((row + 1) * dimension)]
                for (got, wanted) in zip(decoded, vector) { #expect(abs(got - wanted) <= 0.51 * tested.quantizer.step) }
                let factor = metric == .cosine ? 0.5 : 1.0
                let exact = factor * zip(query, vector).reduce(0) { $0 + Double($1.0 - $1.1) * Double($1.0 - $1.1) }
                // Of codes alone: half a coarse step an element, along the difference.
                #expect(abs(Double(fine[row]) - exact) <= 1e-3 * (1 + exact), "\(name), \(dimension)")
                #expect(abs(Double(coarse[row]) - exact) <= 0.05 * (1 + exact), "\(name), \(dimension)")
                #expect(abs(coarse[row] - same[row]) <= 1e-6 * abs(same[row]) + 1e-6)
                #expect(abs(fine[row] - sameFine[row]) <= 1e-6 * abs(sameFine[row]) + 1e-6)
                // A stored vector as the query: at distance 0 of itself, and symmetric.
                tested.prepare(code: codes.row(row), residual: residuals.row(row), into: room)
                var own: Float = -1
                tested.kernels.fine_gather(
                    room, [codes.pointers[row]], [residuals.pointers[row]], 1, dimension, &own)
                #expect(abs(own) <= 1e-5 * Float(dimension))
                tested.prepare(code: codes.row(row), residual: nil, into: room)
                tested.kernels.gather(room, [codes.pointers[row]], 1, dimension, &own)
                #expect(own >= 0 && own <= 1e-12)
                tested.prepare(query, into: room)
            }
        }
    }

    @Test("The extremes of all levels neither overflow nor differ between sets", arguments: names)
    func extremes(name: String) throws {
        for dimension in [1, 16, 1_025, 8_192, 65_536] {
            let scale = ScalarQuantizer(offset: [Float](repeating: 0, count: dimension), step: 1)
            let set = try #require(hilum_code_kernels(name)).pointee
            let book = CodeBook(scale, metric: .squaredEuclidean, kernels: set)
            let far = [Float](repeating: -1e9, count: dimension)
            let query = [Float](repeating: 32_639, count: dimension)
            let codes = Rows(count: 1, byteCount: hilum_code_bytes(dimension))
            let residuals = Rows(count: 1, byteCount: hilum_residual_bytes(dimension))
            let room = UnsafeMutableRawPointer.allocate(
                byteCount: hilum_code_query_bytes(dimension), alignment: 64)
            defer { room.deallocate() }
            // What lies outside is cut to the nearest that fits.
            book.encode(far, code: codes.row(0), residual: residuals.row(0))
            book.prepare(query, into: room)
            let exact = Double(dimension) * 65_407 * 65_407
            var distance: Float = 0
            set.gather(room, codes.pointers, 1, dimension, &distance)
            #expect(abs(Double(distance) - exact) < 1e-2 * exact, "\(name), \(dimension): \(distance), \(exact)")
            set.fine_gather(room, codes.pointers, residuals.pointers, 1, dimension, &distance)
            #expect(abs(Double(distance) - exact) < 1e-2 * exact, "\(name), \(dimension): \(distance), \(exact)")
            book.prepare(code: codes.row(0), residual: residuals.row(0), into: room)
            set.fine_gather(room, codes.pointers, residuals.pointers, 1, dimension, &distance)
            #expect(abs(Double(distance)) < 1e-2 * exact)
        }
    }

    @Test func wholeNumbersOfAByteAreKeptExactly() throws {
        var generator = SeededGenerator(seed: 5)
        let values = (0..<40 * 33).map { _ in Float(generator.integer(below: 256)) }
        let quantizer = values.withUnsafeBufferPointer { ScalarQuantizer(fitting: $0, dimension: 33) }
        #expect(quantizer.isExact)
        let index = try HNSWIndex(
            dimension: 33, metric: .squaredEuclidean, precision: .i8, quantizer: quantizer)
        var set = VectorSet(.uniform, count: 0, dimension: 33, seed: 1)
        set.values = values
        try index.insertAll(set)
        for row in 0..<40 { #expect(index.vector(of: UInt32(row)) == set.row(row)) }
        let query = set.row(3).map { $0 / 2 }
        for (hit, wanted) in zip(try index.findExactly(query, k: 40).hits, plainDistances(query, set).sorted()) {
            #expect(abs(Double(hit.distance) - wanted) <= 1e-4 * wanted)
        }
    }

    @Test func constantVectorsAndEmptySetsCanBeFitted() {
        let constant = [Float](repeating: 0.25, count: 12)
        let quantizer = constant.withUnsafeBufferPointer { ScalarQuantizer(fitting: $0, dimension: 4) }
        #expect(quantizer.step > 0 && quantizer.offset == [0.25, 0.25, 0.25, 0.25])
        let none = [Float]().withUnsafeBufferPointer { ScalarQuantizer(fitting: $0, dimension: 4) }
        #expect(none.step > 0 && none.offset == [0, 0, 0, 0])
    }
}
