/// A message ORU^R01 drawn by the test; every name and number in it is invented.
struct SyntheticMessage {
    var segments: [String] = []

    /// - Parameters:
    ///   - order: fields of OBR by their numbers.
    ///   - results: segments OBX as they stand.
    init(
        patient: String = "INV-4711^^^HOSP^MR", name: String = "Inventado^Alba", set: String = "",
        sentAt: String = "20260102101500",
        order: [Int: String] = [3: "ACC-1001^RIS", 4: "71020^XR CHEST 2V^L", 25: "F"], results: [String]
    ) {
        segments = [
            "MSH|^~\\&|RIS|HOSP|HILUM|HOSP|\(sentAt)||ORU^R01^ORU_R01|MSG1|P|2.5|||||\(set.isEmpty ? "" : "|\(set)")",
            "PID|1||\(patient)||\(name)||19600504|F",
            "OBR|" + (1...35).map { order[$0] ?? "" }.joined(separator: "|"),
        ]
        segments += results
    }

    /// A report of a film, as most systems send it.
    init(
        _ text: String, patient: String, accession: String? = nil, study: String? = nil,
        name: String = "Inventado^Alba", date: String = "",
        status: String = "F", at time: String = "20260102101500", part: String = "R^Radiology Report^L"
    ) {
        self.init(
            patient: patient, name: name, sentAt: time,
            order: [3: accession ?? "", 4: "71020^XR CHEST 2V^L", 7: date, 22: time, 24: "RAD", 25: status],
            results: ["OBX|1|TX|\(part)||\(text)||||||\(status)"])
        if let study { segments.append("ZDS|\(study)^RIS^Application^DICOM") }
    }

    func bytes(_ end: String = "\r") -> [UInt8] { Array((segments.joined(separator: end) + end).utf8) }
}
