import HilumCore

extension ReembedStatus {
    /// One object; what is not known is left out.
    public var json: JSON {
        var members: [(key: String, value: JSON)] = [
            ("state", .string(state.rawValue)), ("generation", .integer(generation)), ("model", .string(model)),
        ]
        if searchedMissingCount > 0 {
            members += [
                ("searched_missing", .integer(searchedMissingCount)),
                ("searched_missing_ids", .array(searchedMissingIDs.map { .string($0) })),
            ]
        }
        if let nextGeneration {
            members += [
                ("next_generation", .integer(nextGeneration)), ("next_model", .string(nextModel ?? "")),
                ("next_dimension", .integer(nextDimension ?? 0)), ("done", .integer(done)), ("total", .integer(total)),
                ("missing", .integer(missingCount)), ("missing_ids", .array(missingIDs.map { .string($0) })),
            ]
            if let casesPerSecond { members.append(("cases_per_second", .number(casesPerSecond, decimals: 2))) }
            if let secondsLeft { members.append(("seconds_left", .number(secondsLeft, decimals: 0))) }
            if let rate = pace.casesPerSecond { members.append(("rate", .number(rate, decimals: 3))) }
            if let hours = pace.hours { members.append(("between", .string(hours.description))) }
        }
        if !leaving.isEmpty { members.append(("removing", .array(leaving.map { .integer($0) }))) }
        return .object(members)
    }
}
