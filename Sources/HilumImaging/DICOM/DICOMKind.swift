/// Which DICOM objects hold no picture of a patient that could be found again, by their class and by what they say of themselves.
package enum DICOMKind {
    /// By the beginning of the SOP class, without `1.2.840.10008.`; the longest that fits counts. Nil: a picture after all.
    private static let classes: [(prefix: String, name: String?)] = [
        ("1.3.10", "a directory of other files (DICOMDIR)"),
        ("5.1.4.1.1.88", "a structured report"),
        ("5.1.4.1.1.88.22", "a structured report"),
        ("5.1.4.1.1.88.59", "a list of key images"),
        ("5.1.4.1.1.88.67", "a dose report"),
        ("5.1.4.1.1.88.68", "a dose report"),
        ("5.1.4.1.1.88.76", "a dose report"),
        ("5.1.4.1.1.104", "a document (PDF, CDA or a model)"),
        ("5.1.4.1.1.9", "a waveform or sound"),
        ("5.1.4.1.1.11", "a presentation state"),
        ("5.1.4.1.1.66", "raw data or a segmentation"),
        ("5.1.4.1.1.67", "a mapping of real-world values"),
        ("5.1.4.1.1.68", "a surface scan"),
        ("5.1.4.1.1.30", "a parametric map"),
        ("5.1.4.1.1.4.2", "a spectrum"),
        ("5.1.4.1.1.481", "a plan or dose of radiotherapy"),
        ("5.1.4.1.1.481.1", nil),
        ("5.1.4.34", "a procedure step of radiotherapy"),
        ("5.1.4.38", "a hanging protocol"),
        ("5.1.4.39", "a colour palette"),
        ("5.1.4.43", "an implant template"),
        ("5.1.4.44", "an implant template"),
        ("5.1.4.45", "an implant template"),
    ]

    /// What an object is that is no picture; nil for one that may be.
    package static func reasonToRefuse(_ description: DICOMDescription) -> String? {
        let root = "1.2.840.10008."
        if let full = description[.objectClass] ?? description[.mediaClass], full.hasPrefix(root) {
            let name = String(full.dropFirst(root.count))
            let known = classes.filter { name == $0.prefix || name.hasPrefix($0.prefix + ".") }
            if let best = known.max(by: { $0.prefix.utf8.count < $1.prefix.utf8.count }), let kind = best.name {
                return kind
            }
        }
        let parts = (description[.imageType] ?? "").uppercased().split(separator: "\\")
        if parts.contains("LOCALIZER") { return "a localizer" }
        // Scanners draw the dose of an examination as a picture.
        let title = (description[.seriesDescription] ?? "").uppercased()
        if title.contains("DOSE REPORT") || title.contains("DOSE INFO") || title.contains("PATIENT PROTOCOL") {
            return "a dose sheet"
        }
        return nil
    }
}
