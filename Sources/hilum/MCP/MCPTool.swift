import HilumCore
import HilumServer

/// A tool that `hilum mcp` offers: its arguments, and the request that they become.
struct MCPTool {
    /// An argument as JSON Schema describes it.
    struct Parameter {
        enum Kind: String {
            case text = "string"
            case number
            case integer
            case boolean
            /// A list of strings.
            case list = "array"
            /// Strings, numbers or lists of them by key.
            case conditions = "object"
        }

        let name: String
        let kind: Kind
        let meaning: String
        var isRequired = false
        /// The name in the protocol, where it is another.
        var option: String?
    }

    let name: String
    let meaning: String
    /// The verb of the daemon; nil for what is answered here.
    let method: String?
    let parameters: [Parameter]
    /// What every request of this tool has.
    var constants: [(key: String, value: JSON)] = []

    static let all = [search, findings, explain, get]

    private static let search = MCPTool(
        name: "search",
        meaning:
            "Cases like a phrase, a report or stored cases, best first, each with score, metadata, findings and report.",
        method: "search",
        parameters: [
            Parameter(
                name: "text", kind: .text,
                meaning: "A phrase or a report, English or Japanese; \"a phrase\", word*, -word and 'no word' work."),
            Parameter(name: "like", kind: .list, meaning: "Ids of stored cases to be near to.", option: "id"),
            Parameter(name: "unlike", kind: .list, meaning: "Ids of stored cases to be far from."),
            Parameter(name: "k", kind: .integer, meaning: "How many hits (10)."),
            Parameter(name: "target", kind: .text, meaning: "What is compared: case (the default), image or report."),
            Parameter(name: "mode", kind: .text, meaning: "hybrid (the default with words), vector or words."),
            Parameter(name: "group", kind: .text, meaning: "One hit for each value of this key, such as patient."),
            Parameter(name: "mmr", kind: .number, meaning: "0 to 1: the smaller, the more the hits differ."),
            Parameter(name: "exact", kind: .boolean, meaning: "Compare with every case (false)."),
            Parameter(
                name: "where", kind: .conditions,
                meaning:
                    "Conditions by key, such as {\"view\":\"PA\",\"date\":\"2019-01..2019-06\",\"affirmed\":[\"effusion\"]}; "
                    + "a key with ! behind it must not match."),
        ],
        constants: [("with", .string("report"))])

    private static let findings = MCPTool(
        name: "findings",
        meaning:
            "What a report says: each finding with its assertion (present, absent, uncertain, other), side, place and size. "
            + "Needs no archive.",
        method: nil,
        parameters: [
            Parameter(name: "text", kind: .text, meaning: "The report, English or Japanese.", isRequired: true)
        ])

    private static let explain = MCPTool(
        name: "explain",
        meaning: "Which patches of a case's image answer to which words: evidence for the text and for each word.",
        method: "explain",
        parameters: [
            Parameter(name: "id", kind: .text, meaning: "A stored case with an image.", isRequired: true),
            Parameter(name: "text", kind: .text, meaning: "The words.", isRequired: true),
        ])

    private static let get = MCPTool(
        name: "get",
        meaning: "A stored case: metadata, findings and report.",
        method: "get",
        parameters: [Parameter(name: "id", kind: .text, meaning: "The case.", isRequired: true)],
        constants: [("with", .string("meta,report"))])

    /// The tool as `tools/list` describes it.
    var json: JSON {
        let properties = parameters.map { parameter -> (key: String, value: JSON) in
            var schema: [(key: String, value: JSON)] = [
                ("type", .string(parameter.kind.rawValue)), ("description", .string(parameter.meaning)),
            ]
            if parameter.kind == .list { schema.append(("items", .object([("type", .string("string"))]))) }
            return (parameter.name, .object(schema))
        }
        return .object([
            ("name", .string(name)), ("description", .string(meaning)),
            (
                "inputSchema",
                .object([
                    ("type", .string("object")), ("properties", .object(properties)),
                    ("required", .strings(parameters.filter(\.isRequired).map(\.name))),
                    ("additionalProperties", .bool(false)),
                ])
            ),
            ("annotations", .object([("readOnlyHint", .bool(true))])),
        ])
    }

    /// A sentence about arguments that are missing, unknown or of another kind; nil where all is well.
    func fault(in arguments: JSON) -> String? {
        guard case .object(let members) = arguments else { return "the arguments of \(name) are an object" }
        for (key, value) in members {
            guard let parameter = parameters.first(where: { $0.name == key }) else {
                let near = nearest(to: key, among: parameters.map(\.name)).map { "; did you mean \($0)?" } ?? ";"
                let known = parameters.map(\.name).joined(separator: ", ")
                return "\(name) has no such argument\(near) It takes \(known)"
            }
            if case .null = value { continue }
            if !parameter.kind.takes(value) { return "\(key) must be \(parameter.kind.words)" }
            if parameter.kind == .conditions, let fault = faultOfConditions(value, in: key) { return fault }
        }
        for parameter in parameters where parameter.isRequired && arguments[parameter.name]?.string == nil {
            return "\(name) needs \(parameter.name)"
        }
        return nil
    }

    /// A sentence about conditions of which one is none: an option of the daemon among them would be taken for that.
    private func faultOfConditions(_ value: JSON, in name: String) -> String? {
        guard case .object(let members) = value else { return nil }
        for (key, value) in members {
            let plain = key.hasSuffix("!") ? String(key.dropLast()) : key
            guard SearchOptions.isFilterKey(plain) else {
                let isArgument = parameters.contains { $0.name == plain || $0.option == plain }
                let advice = isArgument ? "; it is an argument of \(self.name) itself" : ""
                return "\(name): a condition is a key of the metadata such as view, and no option\(advice)"
            }
            guard Self.isValue(value) || value.array.map({ !$0.isEmpty && $0.allSatisfy(Self.isValue) }) == true else {
                return "\(name): \(plain) must be a string, a number or a list of them"
            }
        }
        return nil
    }

    private static func isValue(_ value: JSON) -> Bool {
        switch value {
        case .string, .numeral: true
        default: false
        }
    }

    /// The arguments as the daemon takes them.
    func parameters(_ arguments: JSON) -> JSON {
        var members = constants
        guard case .object(let given) = arguments else { return .object(members) }
        for (key, value) in given {
            guard let parameter = parameters.first(where: { $0.name == key }) else { continue }
            if parameter.kind == .conditions, case .object(let conditions) = value {
                members += conditions
            } else {
                members.append((parameter.option ?? key, value))
            }
        }
        return .object(members)
    }
}

extension MCPTool.Parameter.Kind {
    /// Whether a value is of this kind.
    fileprivate func takes(_ value: JSON) -> Bool {
        switch (self, value) {
        case (.text, .string), (.number, .numeral), (.boolean, .bool), (.conditions, .object): true
        case (.integer, _): value.integer != nil
        case (.list, .array(let values)): values.allSatisfy { $0.string != nil }
        default: false
        }
    }

    /// What a value of it is called.
    fileprivate var words: String {
        switch self {
        case .text: "a string"
        case .number: "a number"
        case .integer: "a whole number"
        case .boolean: "true or false"
        case .list: "a list of strings"
        case .conditions: "an object of conditions"
        }
    }
}
