import HilumPrivacy

/// Dates as sources write them, and as an archive keeps them.
extension CaseFields {
    /// Calls `body` with key and text of every date but those that name somebody, such as a day of birth.
    func forEachDate(_ body: (_ key: String, _ text: String) -> Void) {
        forEachText { key, text in
            if Filter.Condition.isDate(key), IdentifyingKeys.kind(of: key) == nil { body(key, text) }
        }
    }

    /// Writes dates of other forms as ISO 8601; those of DICOM, and what cannot be read, stay as they are.
    ///
    /// - Parameter orders: by key, what a table shows of the order of day and month.
    mutating func settleDates(_ orders: [String: [UInt8: DateText.Order]] = [:]) {
        var settled: [(key: String, text: String)] = []
        forEachDate { key, text in
            guard !DatePeriod.isStandard(text), let date = try? DateText(text, orders: orders[key] ?? [:]) else {
                return
            }
            settled.append((key, date.iso))
        }
        for (key, text) in settled { set(key, to: text) }
    }

    /// Why one of the dates is none, once they are settled; nil where all are read.
    var dateFault: DateText.Fault? {
        var found: DateText.Fault?
        forEachDate { _, text in
            do throws(DateText.Fault) { _ = try DateText(text) } catch {
                // What stands behind a day that the calendar has is not compared.
                let day = String(text.prefix { $0 != " " && $0 != "T" })
                if DatePeriod.isStandard(text), (try? DateText(day)) != nil { return }
                if found != .unreadable { found = error }
            }
        }
        return found
    }
}

extension DateText.Fault {
    /// What is wrong with a date, behind `has a date`.
    var reason: String {
        switch self {
        case .unreadable: "that cannot be read"
        case .ambiguous: "of which day and month cannot be told apart"
        }
    }
}

/// What is said of the dates of a case that was stored.
package enum DateNote {
    private static let beginning = "a date "

    /// Whether a note is one of these.
    package static func isOne(_ note: String) -> Bool { note.hasPrefix(beginning) }

    /// - Parameter isLost: whether a date was left out, as it cannot be moved.
    static func notes(_ fault: DateText.Fault?, isLost: Bool) -> [String] {
        let parts =
            switch fault {
            case .unreadable: ["cannot be read"]
            case .ambiguous: ["may have the day or the month first"]
            case nil: [] as [String]
            }
        return (parts + (isLost ? ["was left out, as it cannot be moved"] : [])).map { beginning + $0 }
    }
}
