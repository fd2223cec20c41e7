import Foundation
import HilumCore
import Testing

@Suite("hilum export")
struct ExportTests {
    /// The floats of a .npy file of version 1.0.
    private func numpy(_ path: String) throws -> (shape: [Int], values: [Float]) {
        let bytes = try FileIO.read(path)
        try #require(bytes.count > 10 && bytes[0] == 0x93 && bytes[6] == 1)
        let headCount = Int(bytes[8]) | Int(bytes[9]) << 8
        let head = String(decoding: bytes[10..<(10 + headCount)], as: UTF8.self)
        #expect((10 + headCount) % 64 == 0 && head.contains("'<f4'") && head.contains("'fortran_order': False"))
        let shape = try #require(head.firstMatch(of: /\'shape\': \(([0-9]+), ([0-9]+)\)/))
        return (
            [Int(shape.output.1) ?? -1, Int(shape.output.2) ?? -1], floats(Array(bytes[(10 + headCount)...]))
        )
    }

    private func floats(_ bytes: [UInt8]) -> [Float] {
        stride(from: 0, to: bytes.count - 3, by: 4).map { place in
            Float(bitPattern: (0..<4).reduce(UInt32(0)) { $0 | UInt32(bytes[place + $1]) << UInt32(8 * $1) })
        }
    }

    @Test("Each row is the vector of the case that its line names, and a search by it finds the case")
    func rows() throws {
        let world = try World.shared()
        let scratch = try Scratch()
        let archive = try world.archive(in: scratch, indexed: true)
        let out = scratch.path("out")
        let done = try Program.run(["export", archive, out, "--json", "-q"])
        try #require(done.status == 0, "\(done.errors)")
        let summary = try done.object()
        for (name, kind) in [("images", "image"), ("reports", "report")] {
            let lines = try String(contentsOfFile: "\(out)/\(name).jsonl", encoding: .utf8).split(separator: "\n")
            let (shape, values) = try numpy("\(out)/\(name).npy")
            #expect(shape == [lines.count, summary["dimension"] as? Int ?? -1] && !lines.isEmpty)
            #expect(summary[name] as? Int == lines.count && values.count == shape[0] * shape[1])
            for row in [0, lines.count - 1] {
                let line = try JSON(parsing: String(lines[row]))
                let id = try #require(line["id"]?.string)
                #expect(line["row"]?.integer == row && line["kind"]?.string == kind)
                let stored = try Program.run(["search", archive, "--id", id, "--target", kind, "-k", "1", "--json"])
                #expect(try stored.objects().first?["id"] as? String == id)
                let vector = values[(row * shape[1])..<((row + 1) * shape[1])]
                #expect(abs(vector.reduce(0) { $0 + $1 * $1 } - 1) < 1e-4, "a unit vector")
            }
        }
        let fvecs = scratch.path("fvecs")
        #expect(try Program.run(["export", archive, fvecs, "--format", "fvecs", "-q"]).status == 0)
        let (shape, values) = try numpy(out + "/images.npy")
        let bytes = try FileIO.read(fvecs + "/images.fvecs")
        #expect(bytes.count == shape[0] * 4 * (shape[1] + 1))
        #expect(floats(Array(bytes[4..<(4 + 4 * shape[1])])) == Array(values[..<shape[1]]))
    }

    @Test("It destroys nothing")
    func outputs() throws {
        let world = try World.shared()
        let scratch = try Scratch()
        let archive = try world.archive(in: scratch, indexed: true)
        _ = try scratch.write("full/x", "mine")
        let full = try Program.run(["export", archive, scratch.path("full")])
        #expect(full.status == 1 && full.errors.contains("holds other files"))
        let inside = try Program.run(["export", archive, archive + "/out"])
        #expect(inside.status == 1 && inside.errors.contains("lies in the archive"))
        #expect(try Program.run(["export", archive]).status == 2)
        #expect(try Program.run(["export", scratch.path("none"), scratch.path("o")]).status == 1)
    }
}
