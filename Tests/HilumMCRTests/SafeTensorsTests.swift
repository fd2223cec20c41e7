import Foundation
import HilumCore
@testable import HilumMCR
import Testing

private let example = SafeTensors(
    tensors: [
        "b.weight": TensorView(shape: [2, 3], floats: [0, 1, -2, 0.5, 65_504, 1e-7]),
        "a": TensorView(shape: [], floats: [3]),
        "ü\"\\\n": TensorView(shape: [1], floats: [-0.0]),
        "empty": TensorView(shape: [0, 4], floats: []),
    ],
    metadata: ["recipe": "masked, then \"unmasked\"\u{1}", "名": "値"])

/// A file with this header, said to be as long as it is unless `length` says otherwise, and `data` bytes of zero.
private func file(_ header: String, data: Int = 0, length: UInt64? = nil) -> [UInt8] {
    let count = length ?? UInt64(header.utf8.count)
    return (0..<8).map { UInt8(truncatingIfNeeded: count >> (8 * $0)) } + Array(header.utf8)
        + [UInt8](repeating: 0, count: data)
}

private func entry(_ type: String = "F32", _ shape: String = "[2]", _ offsets: String = "[0,8]") -> String {
    "{\"dtype\":\"\(type)\",\"shape\":\(shape),\"data_offsets\":\(offsets)}"
}

private func temporary(_ name: String) -> String {
    FileManager.default.temporaryDirectory.appendingPathComponent("\(name)-\(getpid()).safetensors").path
}

struct SafeTensorsTests {
    @Test func `f32 tensors and metadata survive the file exactly`() throws {
        let path = temporary("round")
        defer { unlink(path) }
        try example.write(to: path, as: .f32)
        let back = try SafeTensors.read(path)
        #expect(back == example)
        #expect(back.tensors["ü\"\\\n"]?.floats.first?.sign == .minus)
    }

    @Test func `f16 tensors come back rounded to nearest`() throws {
        let back = try SafeTensors(bytes: example.encoded(as: .f16))
        #expect(back.metadata == example.metadata)
        for (name, tensor) in example.tensors {
            #expect(back.tensors[name]?.shape == tensor.shape)
            #expect(back.tensors[name]?.floats == tensor.floats.map { Float(Float16($0)) })
        }
    }

    @Test func `the same tensors give the same bytes, aligned to eight`() throws {
        var reversed: [String: TensorView] = [:]
        for (name, tensor) in example.tensors.sorted(by: { $0.key > $1.key }) { reversed[name] = tensor }
        let bytes = try example.encoded(as: .f16)
        #expect(try SafeTensors(tensors: reversed, metadata: example.metadata).encoded(as: .f16) == bytes)
        #expect(bytes[0] % 8 == 0)
        #expect(try SafeTensors(tensors: [:]).encoded(as: .f32) == [8, 0, 0, 0, 0, 0, 0, 0] + Array("{}      ".utf8))
    }

    @Test func `BF16 is read exactly`() throws {
        var bytes = file("{\"w\":\(entry("BF16", "[2]", "[0,4]"))}")
        bytes += [0x80, 0x3F, 0x00, 0xC0]
        #expect(try SafeTensors(bytes: bytes).tensors["w"]?.floats == [1, -2])
    }

    @Test func `white space, key order and escapes of other writers are read`() throws {
        let header =
            "{ \"__metadata__\" : {\"format\":\"pt\"},\n \"\\u00e9\\ud83e\\udec1\\/\" :"
            + " {\"shape\" : [ 1 , 2 ], \"data_offsets\":[0, 8],\"dtype\":\"F32\"} }   "
        let read = try SafeTensors(bytes: file(header, data: 8))
        #expect(read.tensors["é🫁/"] == TensorView(shape: [1, 2], floats: [0, 0]))
        #expect(read.metadata == ["format": "pt"])
    }

    @Test func `integer tensors are refused, or left out and named when asked for`() throws {
        let header = "{\"ids\":\(entry("I64", "[1]", "[0,8]")),\"w\":\(entry("F32", "[1]", "[8,12]"))}"
        #expect(throws: MCRError.self) { try SafeTensors(bytes: file(header, data: 12)) }
        let read = try SafeTensors(bytes: file(header, data: 12), skipsIntegers: true)
        #expect(read.skipped == ["ids"] && Array(read.tensors.keys) == ["w"])
    }

    static let hostile: [(String, [UInt8], String)] = {
        let many = (0..<100_000).map { "\"t\($0)\":\(entry("F32", "[0]", "[0,0]"))" }.joined(separator: ",")
        let nan = Array(file("{\"w\":\(entry())}")) + [0, 0, 0xC0, 0x7F, 0, 0, 0, 0]
        let infinity = file("{\"w\":\(entry("F16", "[1]", "[0,2]"))}") + [0x00, 0x7C]
        let deep = String(repeating: "[", count: 100_000)
        return [
            ("a header of 2^63 bytes", file("{}", length: 1 << 63), "the limit is"),
            ("a header of 2^64-1 bytes", file("{}", length: .max), "the limit is"),
            ("a header beyond the file", file("{}", length: 1_000), "and the file has"),
            ("a header of 100 MB", file(String(repeating: " ", count: 100_000_000)), "the limit is"),
            ("100,000 entries", file("{\(many)}"), "the limit is"),
            (
                "a shape product that wraps", file("{\"w\":\(entry("F32", "[4611686018427387904,4]"))}", data: 8),
                "too large"
            ),
            (
                "a shape product that wraps to the size",
                file("{\"w\":\(entry("F32", "[4294967296,4294967296,2]"))}", data: 8), "too"
            ),
            (
                "a size of 2^64", file("{\"w\":\(entry("F32", "[18446744073709551616]"))}", data: 8),
                "number is too large"
            ),
            ("a negative size", file("{\"w\":\(entry("F32", "[-2]"))}", data: 8), "whole number"),
            ("a broken size", file("{\"w\":\(entry("F32", "[2.0]"))}", data: 8), "missing"),
            ("too many axes", file("{\"w\":\(entry("F32", "[1,1,1,1,1,1,1,1,2]"))}", data: 8), "longer than 8"),
            ("overlap", file("{\"a\":\(entry()),\"b\":\(entry("F32", "[2]", "[4,12]"))}", data: 12), "overlaps"),
            ("the same bytes twice", file("{\"a\":\(entry()),\"b\":\(entry())}", data: 8), "overlaps"),
            ("a hole", file("{\"a\":\(entry()),\"b\":\(entry("F32", "[1]", "[12,16]"))}", data: 16), "hole"),
            ("a hole at the start", file("{\"a\":\(entry("F32", "[2]", "[4,12]"))}", data: 12), "hole"),
            ("bytes of no tensor", file("{\"a\":\(entry())}", data: 9), "belong to none"),
            ("a tensor outside the file", file("{\"a\":\(entry("F32", "[4]", "[0,16]"))}", data: 8), "outside"),
            ("offsets backwards", file("{\"a\":\(entry("F32", "[2]", "[8,0]"))}", data: 8), "outside"),
            ("offsets that do not fit the shape", file("{\"a\":\(entry("F32", "[1]"))}", data: 8), "needs 4 bytes"),
            ("three offsets", file("{\"a\":\(entry("F32", "[2]", "[0,4,8]"))}", data: 8), "longer than 2"),
            ("NaN weights", nan, "NaN or infinity"),
            ("infinite weights", infinity, "NaN or infinity"),
            ("a wrong type", file("{\"a\":\(entry("F8_E4M3", "[8]"))}", data: 8), "F8_E4M3"),
            ("a type that is no text", file("{\"a\":{\"dtype\":7}}"), "\" is missing"),
            ("no shape", file("{\"a\":{\"dtype\":\"F32\",\"data_offsets\":[0,0]}}"), "lacks"),
            ("a name twice", file("{\"a\":\(entry("F32", "[0]", "[0,0]")),\"a\":\(entry())}", data: 8), "twice"),
            ("a key twice", file("{\"a\":{\"dtype\":\"F32\",\"dtype\":\"F16\"}}"), "twice"),
            ("an unknown key", file("{\"a\":{\"stride\":[1]}}"), "without need"),
            ("metadata that is no text", file("{\"__metadata__\":{\"a\":1}}"), "missing"),
            ("text after the object", file("{}{}"), "follows"),
            ("no JSON", file("hello"), "malformed"),
            ("deep nesting", file(deep), "malformed"),
            ("a header that is not UTF-8", file("{}", length: 4) + [0x22, 0xFF], "follows"),
            ("a text that does not end", file("{\"a"), "closing quote"),
            ("half a surrogate", file("{\"\\ud800\":\(entry())}", data: 8), "surrogate"),
            ("no bytes", [], "too few"),
            ("seven bytes", [1, 0, 0, 0, 0, 0, 0], "too few"),
            ("an empty header", file(""), "malformed"),
            ("a zip of PyTorch", [0x50, 0x4B, 0x03, 0x04] + [UInt8](repeating: 7, count: 100), "pickle"),
            ("a pickle", [0x80, 0x02] + Array("}q\0(X\u{5}\0".utf8), "pickle"),
        ]
    }()

    @Test(arguments: hostile.indices)
    func `a hostile file is refused with its reason, quickly`(index: Int) throws {
        let (name, bytes, reason) = Self.hostile[index]
        let path = temporary("hostile-\(index)")
        defer { unlink(path) }
        try FileIO.writeAtomically(path, bytes)
        var error: MCRError?
        var elapsed = Double.infinity
        // The best of three, because other tests run on the same cores.
        for _ in 0..<3 {
            let start = monotonicSeconds()
            error = #expect(throws: MCRError.self, "\(name)") { try SafeTensors.read(path) }
            elapsed = min(elapsed, monotonicSeconds() - start)
        }
        #expect(error?.description.contains(reason) == true, "\(name): \(String(describing: error))")
        #expect(elapsed < 0.05, "\(name): \(elapsed) s")
        #expect(throws: MCRError.self, "\(name)") { try SafeTensors(bytes: bytes) }
    }

    @Test func `the count of tensors is limited whatever the header's size`() {
        var limits = SafeTensors.Limits.standard
        limits.tensorCount = 100
        let many = (0..<101).map { "\"t\($0)\":\(entry("F32", "[0]", "[0,0]"))" }.joined(separator: ",")
        let error = #expect(throws: MCRError.self) {
            let read = try SafeTensors(bytes: file("{\(many)}"), limits: limits)
            Issue.record("\(read.tensors.count) tensors were read")
        }
        #expect(error?.description.contains("more than 100 tensors") == true)
    }

    @Test func `a header whose length begins like a zip or a pickle is still read`() throws {
        for length in [0x4B50, 0x0280] {
            let header = "{}" + String(repeating: " ", count: length - 2)
            #expect(try SafeTensors(bytes: file(header)).tensors.isEmpty)
        }
    }

    @Test func `random damage never crashes and never gives weights that are not finite`() throws {
        let good = try example.encoded(as: .f16)
        var generator = SeededGenerator(seed: 18)
        for _ in 0..<20_000 {
            var bytes = good
            for _ in 0...generator.integer(below: 3) {
                bytes[generator.integer(below: bytes.count)] = UInt8(truncatingIfNeeded: generator.next())
            }
            if generator.chance(0.2) { bytes.removeLast(generator.integer(below: bytes.count)) }
            if let read = try? SafeTensors(bytes: bytes) {
                #expect(read.tensors.values.allSatisfy { $0.floats.allSatisfy(\.isFinite) })
                #expect(read.tensors.values.allSatisfy { $0.shape.reduce(1, *) == $0.floats.count })
            }
        }
    }

    @Test func `values that are not finite as written are refused`() {
        for (value, precision) in [(Float.nan, SafeTensors.Format.f32), (.infinity, .f16), (65_520, .f16)] {
            let tensors = SafeTensors(tensors: ["w": TensorView(shape: [1], floats: [value])])
            #expect(throws: MCRError.self) { try tensors.encoded(as: precision) }
        }
        #expect(throws: MCRError.self) {
            try SafeTensors(tensors: ["__metadata__": TensorView(shape: [0], floats: [])]).encoded(as: .f32)
        }
    }

    @Test func `a missing file, a folder and a device are refused`() {
        #expect(throws: FileError.self) { try SafeTensors.read("/nowhere/model.safetensors") }
        #expect(throws: FileError.self) { try SafeTensors.read("/tmp") }
        #expect(throws: FileError.self) { try SafeTensors.read("/dev/zero") }
    }

    @Test func `every half converts to f32 and back to itself`() {
        for bits in UInt16.min...UInt16.max {
            let value = HalfPrecision.float(half: bits)
            let expected = Float(Float16(bitPattern: bits))
            if expected.isNaN {
                #expect(value.isNaN && HalfPrecision.float(half: HalfPrecision.half(value)).isNaN)
            } else {
                #expect(value.bitPattern == expected.bitPattern)
                #expect(HalfPrecision.half(value) == bits)
            }
        }
    }

    @Test(
        arguments: [
            (0x1p-24, 0x0001), (0x1p-25, 0x0000), (0x1.8p-25, 0x0001), (0x1.8p-24, 0x0002), (0x1p-14, 0x0400),
            (0x1.FF8p-15, 0x03FF), (0x1.FFCp-15, 0x0400), (1.0, 0x3C00), (0x1.002p0, 0x3C00), (0x1.006p0, 0x3C02),
            (0x1.002002p0, 0x3C01), (65_504, 0x7BFF), (65_519.996, 0x7BFF), (65_520, 0x7C00), (1e30, 0x7C00),
            (-65_520, 0xFC00), (-0.0, 0x8000), (0x1p-149, 0x0000), (-1e-10, 0x8000), (Float.infinity, 0x7C00),
        ] as [(Float, UInt16)])
    func `rounding to half is to nearest with ties to even`(value: Float, expected: UInt16) {
        #expect(HalfPrecision.half(value) == expected)
    }

    @Test func `rounding agrees with the Swift standard library on random bits`() {
        var generator = SeededGenerator(seed: 16)
        for _ in 0..<1_000_000 {
            let value = Float(bitPattern: UInt32(truncatingIfNeeded: generator.next()))
            if value.isNaN { continue }
            #expect(HalfPrecision.half(value) == Float16(value).bitPattern)
        }
    }
}
