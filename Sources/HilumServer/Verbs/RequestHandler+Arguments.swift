import HilumArchive

extension RequestHandler {
    static let largestK = 10_000
    static let largestEf = 100_000

    /// What is wrong with the arguments of a request that takes `allowed` keys and no octets; nil if nothing is.
    static func foreignArgument(of request: Request, allowed: Set<String>, takesLiteral: Bool = false) -> String? {
        for argument in request.arguments {
            if argument.key.isEmpty { return "\(request.verb) takes no bare word; write key=value" }
            if argument.key == "deadline_ms" && !argument.isNegated { continue }
            if argument.isNegated || !allowed.contains(argument.key) {
                let known = allowed.isEmpty ? "no arguments" : allowed.sorted().map { "\($0)=" }.joined(separator: " ")
                return
                    "\(request.verb) does not take \(argument.key)\(argument.isNegated ? "!" : "")=; it takes \(known)"
            }
        }
        return request.literal != nil && !takesLiteral ? "\(request.verb) takes no octets" : nil
    }

    static func checkArguments(of request: Request, allowed: Set<String>) throws(ServerError) {
        if let fault = foreignArgument(of: request, allowed: allowed) { throw .refused(.badRequest, fault) }
    }

    static func identifier(of request: Request) throws(ServerError) -> String {
        guard let id = request.value("id") else { throw .refused(.badRequest, "\(request.verb) needs id=") }
        return try checked(id: id)
    }

    static func checked(id: String) throws(ServerError) -> String {
        do { try CaseID.check(id) } catch { throw .refused(.badRequest, error.reason) }
        return id
    }

    /// A whole number within `range`, nil if the key is not there.
    static func integer(_ request: Request, _ key: String, in range: ClosedRange<Int>) throws(ServerError) -> Int? {
        guard let text = request.value(key) else { return nil }
        guard let value = Int(text), range.contains(value) else {
            throw .refused(.badRequest, "\(key)= takes a whole number from \(range.lowerBound) to \(range.upperBound)")
        }
        return value
    }

    static func number(_ request: Request, _ key: String, in range: ClosedRange<Float>) throws(ServerError) -> Float? {
        guard let text = request.value(key) else { return nil }
        guard let value = Float(text), range.contains(value) else {
            throw .refused(.badRequest, "\(key)= takes a number from \(range.lowerBound) to \(range.upperBound)")
        }
        return value
    }

    static func flag(_ request: Request, _ key: String) throws(ServerError) -> Bool? {
        guard let text = request.value(key) else { return nil }
        guard text == "0" || text == "1" else { throw .refused(.badRequest, "\(key)= takes 0 or 1") }
        return text == "1"
    }

    /// Every argument that is not one of `except` as a filter.
    static func conditions(of request: Request, except: Set<String>) throws(ServerError) -> [ServiceCondition] {
        var conditions: [ServiceCondition] = []
        for argument in request.arguments {
            if argument.key.isEmpty {
                throw .refused(.badRequest, "\(request.verb) takes no bare word; write key=value")
            }
            if except.contains(argument.key) {
                if argument.isNegated {
                    throw .refused(.badRequest, "\(argument.key)!= makes no sense; write \(argument.key)=")
                }
                continue
            }
            let values = try filterValues(argument.value, key: argument.key)
            conditions.append(ServiceCondition(key: argument.key, values: values, isNegated: argument.isNegated))
        }
        return conditions
    }

    /// `a,b` is or, `a..b` a closed range, open where an end is missing.
    static func filterValues(_ text: String, key: String) throws(ServerError) -> [ServiceCondition.Value] {
        var values: [ServiceCondition.Value] = []
        for part in text.split(separator: ",", omittingEmptySubsequences: false) {
            guard let dots = part.firstRange(of: "..") else {
                if part.isEmpty { throw .refused(.badRequest, "\(key)=: an empty value cannot be searched for") }
                values.append(.equal(String(part)))
                continue
            }
            let from = String(part[..<dots.lowerBound])
            let to = String(part[dots.upperBound...])
            guard !(from.isEmpty && to.isEmpty), to.firstRange(of: "..") == nil else {
                throw .refused(.badRequest, "\(key)=: a range is a..b, a.. or ..b")
            }
            values.append(.range(from: from.isEmpty ? nil : from, to: to.isEmpty ? nil : to))
        }
        return values
    }
}
