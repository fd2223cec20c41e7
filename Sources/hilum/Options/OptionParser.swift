import CGetopt
import Foundation
import HilumCore
import Synchronization

/// Parses a command line with getopt_long(3). Long options may be abbreviated if they stay unambiguous, options and operands
/// may be mixed, `--` ends the options, and `-` alone is an operand.
struct OptionParser {
    let options: [Option]

    /// getopt_long keeps its state in C globals, so only one call runs at a time.
    private static let turn = Mutex(())
    /// Long options get values above every character code, so that they differ from short options.
    private static let firstCode: Int32 = 1000

    /// Splits `words` (without the program and the verb) into options and operands.
    ///
    /// - Throws: `CommandError` with status 2 for an unknown option, a missing value or one too many.
    func parse(_ words: [String], environment: [String: String]) throws -> Arguments {
        if let word = words.first(where: { $0.utf8.contains(0) }) {
            throw CommandError.usage("an argument holds a NUL character: \(word.debugDescription)")
        }
        let found = try Self.turn.withLock { _ in try scan(words) }
        return Arguments(options: options, given: found.given, operands: found.operands, environment: environment)
    }

    private typealias Found = (given: [(name: String, value: String?)], operands: [String])

    private func scan(_ words: [String]) throws -> Found {
        // Safety: every string is duplicated here and freed when this function ends; getopt_long reorders the pointers of
        // `argv` and keeps none of them after the last call below.
        var argv: [UnsafeMutablePointer<CChar>?] = (["hilum"] + words).map { strdup($0) } + [nil]
        let names = options.map { strdup($0.name) }
        defer {
            for pointer in argv { free(pointer) }
            for pointer in names { free(pointer) }
        }
        var table: [CGetopt.option] = zip(options.indices, names).map { index, name in
            CGetopt.option(
                name: name, has_arg: options[index].value == nil ? no_argument : required_argument, flag: nil,
                val: Self.firstCode + Int32(index))
        }
        table.append(CGetopt.option())
        var letters = ":"
        for option in options {
            if let letter = option.letter { letters += "\(letter)\(option.value == nil ? "" : ":")" }
        }
        let count = Int32(words.count + 1)
        hilum_getopt_restart()
        var found: Found = ([], [])
        while true {
            let code = getopt_long(count, &argv, letters, table, nil)
            if code == -1 { break }
            if code == Int32(UInt8(ascii: "?")) || code == Int32(UInt8(ascii: ":")) {
                let word = argv[max(0, Int(hilum_getopt_index()) - 1)].map { String(cString: $0) } ?? ""
                throw complaint(
                    isMissingValue: code == Int32(UInt8(ascii: ":")), word: word, code: hilum_getopt_unknown())
            }
            let option = try option(for: code)
            // Safety: the value points into `argv`, which lives until this function ends; it is copied at once.
            let value = hilum_getopt_argument().map { String(cString: $0) }
            found.given.append((option.name, option.value == nil ? nil : value))
        }
        for index in Int(hilum_getopt_index())..<max(Int(count), Int(hilum_getopt_index())) {
            if let pointer = argv[index] { found.operands.append(String(cString: pointer)) }
        }
        return found
    }

    private func option(for code: Int32) throws -> Option {
        if code >= Self.firstCode { return options[Int(code - Self.firstCode)] }
        if let scalar = UnicodeScalar(UInt32(code)),
            let option = options.first(where: { $0.letter == Character(scalar) })
        {
            return option
        }
        throw CommandError.usage("an option could not be read (code \(code))")
    }

    /// - Parameters:
    ///   - word: the word at which the parser stopped.
    ///   - code: what getopt_long reports: the letter of a short option, the number of a long option, 0 for an unknown one.
    private func complaint(isMissingValue: Bool, word: String, code: Int32) -> CommandError {
        let known = try? option(for: code)
        if let known, isMissingValue { return .usage("--\(known.name) needs a value (\(known.value ?? "VALUE"))") }
        if let known { return .usage("--\(known.name) takes no value") }
        if code > 0, let scalar = UnicodeScalar(UInt32(code)) {
            return .usage("unknown option '-\(Character(scalar))'")
        }
        let name = String(word.dropFirst(2).prefix { $0 != "=" })
        let candidates = options.map(\.name).filter { $0.hasPrefix(name) }
        if candidates.count > 1 && !name.isEmpty {
            return .usage("--\(name) may mean \(candidates.map { "--" + $0 }.joined(separator: " or "))")
        }
        let near = nearest(to: name, among: options.map(\.name)).map { "; did you mean '--\($0)'?" } ?? ""
        return .usage("unknown option '--\(name)'\(near)")
    }
}
