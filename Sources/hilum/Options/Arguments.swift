import Foundation
import HilumCore

/// The options and operands of one command, validated when they are read.
struct Arguments: Sendable {
    private let options: [Option]
    /// The options in the order of the command line.
    let given: [(name: String, value: String?)]
    let operands: [String]
    private let environment: [String: String]

    init(options: [Option], given: [(name: String, value: String?)], operands: [String], environment: [String: String])
    {
        self.options = options
        self.given = given
        self.operands = operands
        self.environment = environment
    }

    /// Whether a switch was given.
    func has(_ name: String) -> Bool {
        precondition(options.contains { $0.name == name }, "no option --\(name)")
        return given.contains { $0.name == name }
    }

    /// All values of an option, in order; the environment variable counts if the option was not given.
    func texts(_ name: String) -> [String] {
        guard let option = options.first(where: { $0.name == name }) else { preconditionFailure("no option --\(name)") }
        let values = given.filter { $0.name == name }.compactMap(\.value)
        if values.isEmpty, let variable = option.environment, let value = environment[variable], !value.isEmpty {
            return [value]
        }
        return values
    }

    /// The value of an option; if it was given more than once, the last value counts.
    func text(_ name: String) -> String? {
        texts(name).last
    }

    /// The value of a required option.
    func required(_ name: String) throws -> String {
        guard let value = text(name) else { throw CommandError.usage("--\(name) is missing") }
        return value
    }

    func integer(_ name: String, in range: ClosedRange<Int> = 0...Int.max) throws -> Int? {
        guard let value = text(name) else { return nil }
        guard let number = Int(value), range.contains(number) else {
            let wanted =
                range.upperBound == Int.max
                ? "a whole number from \(range.lowerBound)"
                : "a whole number from \(range.lowerBound) to \(range.upperBound)"
            throw CommandError.usage("--\(name) needs \(wanted), not '\(value)'")
        }
        return number
    }

    func number(_ name: String, in range: ClosedRange<Double>) throws -> Double? {
        guard let value = text(name) else { return nil }
        guard let number = Double(value), range.contains(number) else {
            throw CommandError.usage(
                "--\(name) needs a number from \(range.lowerBound) to \(range.upperBound), not '\(value)'")
        }
        return number
    }

    /// One of several words, ignoring case.
    func choice(_ name: String, among words: [String]) throws -> String? {
        guard let value = text(name) else { return nil }
        guard let word = words.first(where: { $0.lowercased() == value.lowercased() }) else {
            throw CommandError.usage("--\(name) is one of \(words.joined(separator: ", ")), not '\(value)'")
        }
        return word
    }

    /// A 64-bit seed; 1 if none was given.
    func seed() throws -> UInt64 {
        guard let value = text("seed") else { return 1 }
        guard let seed = UInt64(value) else {
            throw CommandError.usage("--seed needs a whole number from 0, not '\(value)'")
        }
        return seed
    }
}

/// The bytes of a file, or of standard input for `-`.
func readInput(_ path: String, limitInBytes: Int = 1 << 30) throws -> [UInt8] {
    if path != "-" { return try FileIO.read(path, limitInBytes: limitInBytes) }
    var bytes: [UInt8] = []
    var chunk = [UInt8](repeating: 0, count: 1 << 16)
    while true {
        let got = read(STDIN_FILENO, &chunk, chunk.count)
        if got < 0 && errno == EINTR { continue }
        guard got >= 0 else {
            throw CommandError(.failed, "standard input cannot be read: \(String(cString: strerror(errno)))")
        }
        if got == 0 { return bytes }
        bytes += chunk[..<got]
        guard bytes.count <= limitInBytes else {
            throw CommandError(.failed, "standard input is larger than \(limitInBytes) bytes")
        }
    }
}

/// The text of an option: the value itself, or standard input for `-`.
func inputText(_ value: String) throws -> String {
    guard value == "-" else { return value }
    let text = String(decoding: try readInput("-", limitInBytes: 1 << 20), as: UTF8.self)
    return text.trimmingCharacters(in: .whitespacesAndNewlines)
}
