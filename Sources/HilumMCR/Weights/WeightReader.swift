import Foundation
import HilumCore

/// Reads a safetensors file tensor by tensor: its header is checked when it is opened, values are fetched when asked for.
///
/// Thread rule: any number of threads; reads are positioned.
final class WeightReader: Sendable {
    let path: String
    let header: SafeTensorsHeader
    private let file: WeightFile
    /// Byte of the file at which the tensors begin.
    private let start: Int

    /// - Throws: `MCRError.badWeights` saying what is wrong, or `FileError`.
    init(_ path: String, limits: SafeTensors.Limits = .standard, skipsIntegers: Bool = false) throws {
        self.path = path
        let file = try WeightFile(path)
        do {
            (header, start) = try SafeTensors.header(
                byteCount: file.byteCount, limits: limits, skipsIntegers: skipsIntegers
            ) { try file.read($0) }
        } catch let error as MCRError {
            throw error.at(path)
        }
        self.file = file
    }

    /// Shapes of the float tensors by name.
    var shapes: [String: [Int]] {
        Dictionary(
            header.entries.filter(\.type.isFloat).map { ($0.name, $0.shape) }, uniquingKeysWith: { first, _ in first })
    }

    /// Names of the tensors that hold no floats.
    var skipped: [String] { header.entries.filter { !$0.type.isFloat }.map(\.name).sorted() }

    /// The float tensors by name.
    var entries: [String: SafeTensorsHeader.Entry] {
        Dictionary(
            header.entries.filter(\.type.isFloat).map { ($0.name, $0) }, uniquingKeysWith: { first, _ in first })
    }

    /// Writes the values of a tensor of this file as f32.
    ///
    /// - Parameter target: room for the product of its shape.
    /// - Throws: `MCRError.badWeights` for a value that is not finite, or `FileError`.
    func read(_ entry: SafeTensorsHeader.Entry, into target: UnsafeMutablePointer<Float>) throws {
        let size = entry.type.byteCount
        let chunk = (1 << 20) * size
        var done = 0
        while done < entry.range.count {
            let first = start + entry.range.lowerBound + done
            let bytes: [UInt8]
            do {
                bytes = try file.read(first..<first + min(chunk, entry.range.count - done))
            } catch let error as MCRError {
                throw error.at(path)
            }
            guard let floats = entry.type.floats(bytes) else {
                throw MCRError(
                    .badWeights(reason: "tensor \(SafeTensors.quoted(entry.name)) holds NaN or infinity"), path: path)
            }
            // Safety: `target` has room for all values of the entry, of which these come after those already done.
            floats.withUnsafeBufferPointer { source in
                if let base = source.baseAddress { (target + done / size).update(from: base, count: source.count) }
            }
            done += bytes.count
        }
    }

    func floats(_ entry: SafeTensorsHeader.Entry) throws -> [Float] {
        var failure: (any Error)?
        let count = entry.shape.reduce(1, *)
        let floats = [Float](unsafeUninitializedCapacity: count) { buffer, initialized in
            guard let base = buffer.baseAddress else { return }
            do {
                try read(entry, into: base)
                initialized = count
            } catch { failure = error }
        }
        if let failure { throw failure }
        return floats
    }
}
