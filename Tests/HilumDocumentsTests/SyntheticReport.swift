/// A structured report made by the test itself.
struct SyntheticReport {
    /// The data set.
    var file: SyntheticDICOM
    /// The items of the tree.
    var content: [SyntheticDICOM] = []

    init(
        objectClass: String = "1.2.840.10008.5.1.4.1.1.88.11", study: String = "1.2.3",
        title: String = "Radiology Report",
        patient: String? = "INVENTED-7", accession: String? = nil
    ) {
        file = SyntheticDICOM(objectClass: objectClass)
        file.text(0x0008_0018, "UI", "1.2.3.4.5.6")
        file.text(0x0020_000D, "UI", study)
        file.text(0x0040_A040, "CS", "CONTAINER")
        file.text(0x0040_A491, "CS", "COMPLETE")
        if let patient { file.text(0x0010_0020, "LO", patient) }
        if let accession { file.text(0x0008_0050, "SH", accession) }
        file.sequence(0x0040_A043, [Self.code("18748-4", "LN", title)])
    }

    static func code(_ value: String, _ scheme: String, _ meaning: String) -> SyntheticDICOM {
        var item = empty
        item.text(0x0008_0100, "SH", value)
        item.text(0x0008_0102, "SH", scheme)
        item.text(0x0008_0104, "LO", meaning)
        return item
    }

    static var empty: SyntheticDICOM {
        var item = SyntheticDICOM(objectClass: "")
        item.elements = [:]
        return item
    }

    /// One item of the tree, without its value.
    static func item(
        _ type: String, _ name: String?, relationship: String = "CONTAINS", _ children: [SyntheticDICOM] = []
    ) -> SyntheticDICOM {
        var item = empty
        item.text(0x0040_A010, "CS", relationship)
        item.text(0x0040_A040, "CS", type)
        if let name { item.sequence(0x0040_A043, [code("X", "99HILUM", name)]) }
        if !children.isEmpty { item.sequence(0x0040_A730, children) }
        return item
    }

    static func text(
        _ name: String?, _ value: String, relationship: String = "CONTAINS", _ children: [SyntheticDICOM] = []
    )
        -> SyntheticDICOM
    {
        var made = item("TEXT", name, relationship: relationship, children)
        made.text(0x0040_A160, "UT", value)
        return made
    }

    static func number(_ name: String, _ value: String, _ unit: String) -> SyntheticDICOM {
        var measured = empty
        measured.text(0x0040_A30A, "DS", value)
        measured.sequence(0x0040_08EA, [code(unit, "UCUM", "unit")])
        var made = item("NUM", name)
        made.sequence(0x0040_A300, [measured])
        return made
    }

    static func coded(_ name: String, _ meaning: String) -> SyntheticDICOM {
        var made = item("CODE", name)
        made.sequence(0x0040_A168, [code("Y", "99HILUM", meaning)])
        return made
    }

    static func person(_ name: String, _ value: String) -> SyntheticDICOM {
        var made = item("PNAME", name, relationship: "HAS OBS CONTEXT")
        made.text(0x0040_A123, "PN", value)
        return made
    }

    /// The file.
    func bytes(isOpen: Bool = false) -> [UInt8] {
        var whole = file
        whole.sequence(0x0040_A730, content, isOpen: isOpen)
        return whole.bytes
    }
}
