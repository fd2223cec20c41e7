import Foundation
import HilumCore
import LMDB
import Testing

@testable import HilumArchive

/// Copies of a store that end when they are asked to.
@Suite struct StoppableCopyTests {
    private static let valueCount = 64
    private static let valueByteCount = 1 << 20

    private func makeEnvironment(_ scratch: borrowing Scratch) throws -> LMDB.Environment {
        var options = LMDB.Environment.Options(mode: .create)
        options.mapSizeInBytes = 2 * Self.valueCount * Self.valueByteCount
        let environment = try LMDB.Environment(path: scratch.path + "/store", tables: ["values"], options: options)
        try environment.write { transaction in
            let value = [UInt8](repeating: 7, count: Self.valueByteCount)
            let table = environment.table("values")
            for number in 0..<UInt64(Self.valueCount) { try transaction.put(table, number, value) }
        }
        return environment
    }

    private func write(_ environment: LMDB.Environment, _ file: String, unless flag: AtomicFlag?) throws -> Int {
        let descriptor = open(file, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
        defer { close(descriptor) }
        try StoppableCopy.write(environment, to: descriptor, path: file, unless: flag)
        return try FileIO.digest(file).byteCount
    }

    @Test func aCopyThatIsStoppedEndsSoon() throws {
        let scratch = try Scratch()
        let environment = try makeEnvironment(scratch)
        defer { environment.close() }
        let file = scratch.path + "/copy"
        let whole = try write(environment, file, unless: nil)
        #expect(whole > Self.valueCount * Self.valueByteCount)
        // A flag that nobody raises changes nothing.
        #expect(try write(environment, file, unless: AtomicFlag()) == whole)
        let flag = AtomicFlag()
        flag.raise()
        let error = #expect(throws: FileError.self) { _ = try write(environment, file, unless: flag) }
        #expect(error?.code == .system(errno: EINTR))
        #expect(try FileIO.digest(file).byteCount < whole)
        // The store goes on.
        #expect(try write(environment, file, unless: AtomicFlag()) == whole)
    }
}
