import Foundation

/// `--name value` pairs of a benchmark, and flags.
struct BenchOptions {
    private var values: [String: String] = [:]
    private var raised: Set<String> = []

    init(_ arguments: [String], values known: Set<String>, flags: Set<String>) throws {
        var index = 0
        while index < arguments.count {
            let name = String(arguments[index].drop { $0 == "-" })
            guard arguments[index].hasPrefix("--") else { throw BenchError("unknown argument \(arguments[index])") }
            if flags.contains(name) {
                raised.insert(name)
                index += 1
                continue
            }
            guard known.contains(name) else { throw BenchError("unknown option \(arguments[index])") }
            guard index + 1 < arguments.count else { throw BenchError("\(arguments[index]) needs a value") }
            values[name] = arguments[index + 1]
            index += 2
        }
    }

    func has(_ flag: String) -> Bool { raised.contains(flag) }

    func text(_ name: String) -> String? { values[name] }

    func number(_ name: String, _ standard: Double) throws -> Double {
        guard let text = values[name] else { return standard }
        guard let value = Double(text), value > 0 else { throw BenchError("--\(name) needs a positive number") }
        return value
    }

    func count(_ name: String, _ standard: Int) throws -> Int { Int(try number(name, Double(standard))) }
}
