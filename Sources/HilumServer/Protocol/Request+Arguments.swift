import HilumArchive
import HilumCore

/// What the verbs read from the arguments of a request; every fault is a sentence.
extension Request {
    /// The key that every request may have.
    static let deadlineKey = "deadline_ms"

    /// Refuses arguments other than `allowed` and the deadline, and octets where the verb takes none.
    func check(allowed: Set<String> = [], takesLiteral: Bool = false) throws(ServerError) {
        for argument in arguments {
            try refuseBareWord(argument)
            if argument.key == Self.deadlineKey && !argument.isNegated { continue }
            guard !argument.isNegated, allowed.contains(argument.key) else {
                let known = allowed.isEmpty ? "no arguments" : allowed.sorted().map { "\($0)=" }.joined(separator: " ")
                let sign = argument.isNegated ? "!=" : "="
                let near = allowed.contains(argument.key) ? nil : nearest(to: argument.key, among: allowed.sorted())
                let advice = near.map { "did you mean \($0)=? It takes" } ?? "it takes"
                throw .refused(.badRequest, "\(word) does not take \(argument.key)\(sign); \(advice) \(known)")
            }
        }
        // The grammar lets the keys of a question repeat; only SEARCH means it.
        for (place, argument) in arguments.enumerated()
        where arguments[..<place].contains(where: { $0.key == argument.key && $0.isNegated == argument.isNegated }) {
            throw .refused(.badRequest, "\(word) takes \(argument.key)= once")
        }
        if literal != nil && !takesLiteral { throw .refused(.badRequest, "\(word) takes no octets") }
    }

    /// The case that `id=` names.
    func id() throws(ServerError) -> String {
        guard let id = value("id") else { throw .refused(.badRequest, "\(word) needs id=") }
        return try Self.checked(id)
    }

    /// An id that may name a case.
    static func checked(_ id: String) throws(ServerError) -> String {
        do { try CaseID.check(id) } catch { throw ServerError(error) }
        return id
    }

    /// A whole number within `range`, nil if the key is not there.
    func integer(_ key: String, in range: ClosedRange<Int>) throws(ServerError) -> Int? {
        guard let text = value(key) else { return nil }
        guard let value = Int(text), range.contains(value) else {
            throw .refused(.badRequest, "\(key)= takes a whole number from \(range.lowerBound) to \(range.upperBound)")
        }
        return value
    }

    /// A number within `range`, nil if the key is not there.
    func number(_ key: String, in range: ClosedRange<Float>) throws(ServerError) -> Float? {
        guard let text = value(key) else { return nil }
        guard let value = Float(text), range.contains(value) else {
            throw .refused(.badRequest, "\(key)= takes a number from \(range.lowerBound) to \(range.upperBound)")
        }
        return value
    }

    /// 0 or 1, nil if the key is not there.
    func flag(_ key: String) throws(ServerError) -> Bool? {
        guard let text = value(key) else { return nil }
        guard text == "0" || text == "1" else { throw .refused(.badRequest, "\(key)= takes 0 or 1") }
        return text == "1"
    }

    /// A text that is more than white space, nil if the key is not there.
    func words(_ key: String) throws(ServerError) -> String? {
        guard let text = value(key) else { return nil }
        guard text.hasWords else { throw .refused(.badRequest, "\(key)= is empty") }
        return text
    }

    /// Every argument that is neither the deadline nor one of `keys`, as a filter.
    func filter(except keys: Set<String> = []) throws(ServerError) -> Filter {
        var conditions: [Argument] = []
        for argument in arguments {
            try refuseBareWord(argument)
            guard argument.key == Self.deadlineKey || keys.contains(argument.key) else {
                conditions.append(argument)
                continue
            }
            if argument.isNegated {
                throw .refused(.badRequest, "\(argument.key)!= makes no sense; write \(argument.key)=")
            }
        }
        do { return try Filter(arguments: conditions) } catch { throw ServerError(error) }
    }

    func refuseBareWord(_ argument: Argument) throws(ServerError) {
        guard argument.key.isEmpty else { return }
        throw .refused(.badRequest, "\(word) takes no bare word; \(argument.advice ?? "write key=value")")
    }
}

extension String {
    /// Whether there is more than white space.
    var hasWords: Bool { unicodeScalars.contains { !$0.properties.isWhitespace } }
}
