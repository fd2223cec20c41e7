import Foundation
import HilumArchive
import HilumCore
import HilumImaging

extension Command {
    static let quarantine = Command(
        name: "quarantine",
        summary: "images that were set aside, as words may be written into them: look, release, drop",
        usage: ["ARCHIVE [--sheet OUT.html] [--release NAME]… [--drop NAME]… [--json]"],
        operands: ["ARCHIVE"],
        options: [
            .value("sheet", "OUT.html", "draw them on a page, for its owner alone"),
            .value("release", "NAME", "give an image back to its case, which is then found by it too"),
            .value("drop", "NAME", "leave an image out for good, also when its file is read again"),
            .force, .json,
        ],
        details: """
            An archive that masks identifiers (see 'hilum init --deid') does not take an image into which names may be written: one whose
            DICOM tags say so (BurnedInAnnotation YES), and with --deid require also one near whose border text was found. The rest of its
            case is stored. This lists such images with the reason ('tag' or 'text') and where each came from; --sheet shows them. NAME is
            the name of an image from the list, or the id of a case for all of its images; of several sources of one id, the first gets the
            id, and the others are refused. --release and --drop change the archive, so no daemon may serve it meanwhile. A decision is kept: the same image of the same case is not asked about again. Exits 4 when no
            image has that name, 3 when one could not be released.
            """,
        examples: [
            ("hilum quarantine archive --sheet look.html", "lists the images and draws them on ./look.html"),
            ("hilum quarantine archive --release 1f40fc92da24", "that one names nobody"),
        ],
        run: runQuarantine)
}

private func runQuarantine(_ arguments: Arguments) throws -> ExitStatus {
    let path = arguments.operands[0]
    let (released, dropped) = (arguments.texts("release"), arguments.texts("drop"))
    let sheet = try arguments.text("sheet").map { try OutputFile($0, of: "quarantine", arguments) }
    let changes = !released.isEmpty || !dropped.isEmpty
    let archive = try openArchive(path, changes ? .readWrite : .readOnly, withModel: !released.isEmpty)
    defer { archive.close() }
    let images = try archive.quarantined()
    if let sheet {
        let page = QuarantinePage(images: images, resources: try PageResources(.en))
        try sheet.write(Array(page.html { try? archive.picture(of: $0) }.utf8), isPrivate: true)
        standardError("\(images.count) images on \(sheet.path)\n")
    }
    guard changes else {
        show(images, asJSON: arguments.has("json"))
        return .done
    }
    let toRelease = try named(released, among: images)
    let toDrop = try named(dropped, among: images)
    if let both = toRelease.first(where: toDrop.contains) {
        throw CommandError.usage("\(both.name) is to be released and dropped; decide on one")
    }
    try archive.drop(toDrop)
    let outcomes = toRelease.isEmpty ? [] : try archive.release(toRelease)
    var failures: [(id: String, names: [String], reason: String)] = []
    for done in outcomes {
        guard case .refused(let error) = done.outcome else { continue }
        failures.append((done.id, done.images.map(\.name), error.description))
    }
    for failure in failures {
        let names = failure.names.joined(separator: " ")
        standardError("not released: \(names) of \(shown(failure.id)): \(shown(failure.reason))\n")
    }
    let left = try archive.quarantinedCount()
    let releasedCount = toRelease.count - failures.reduce(0) { $0 + $1.names.count }
    if arguments.has("json") {
        standardOutputLine(
            JSON.object([
                ("released", .integer(releasedCount)), ("dropped", .integer(toDrop.count)), ("left", .integer(left)),
                (
                    "refused",
                    .array(
                        failures.map { failure in
                            .object([
                                ("id", .string(failure.id)), ("names", .array(failure.names.map { .string($0) })),
                                ("reason", .string(failure.reason)),
                            ])
                        })
                ),
            ]).text)
    } else {
        standardOutput("\(releasedCount) released, \(toDrop.count) dropped, \(left) left\n")
    }
    return failures.isEmpty ? .done : .partlyDone
}

/// The images of these names, each once.
private func named(_ names: [String], among images: [QuarantinedImage]) throws -> [QuarantinedImage] {
    var found: [QuarantinedImage] = []
    for name in names {
        let matching = images.filter { $0.name == name || $0.id == name }
        guard !matching.isEmpty else {
            throw CommandError(.notFound, "no image in the quarantine has the name '\(shown(name))' or is of that case")
        }
        for image in matching where !found.contains(image) { found.append(image) }
    }
    return found
}

private func show(_ images: [QuarantinedImage], asJSON: Bool) {
    if asJSON {
        for image in images { standardOutputLine(json(of: image).text) }
        return
    }
    guard !images.isEmpty else {
        standardError("no image is in the quarantine\n")
        return
    }
    var table = TextTable([
        ("name", .left), ("case", .left), ("reason", .left), ("view", .left), ("rest stored", .left), ("since", .left),
        ("source", .left),
    ])
    for image in images {
        table.append([
            image.name, shown(image.id), image.reason.rawValue, shown(image.view ?? ""),
            image.isCaseStored ? "yes" : "no",
            image.date, shown(image.source ?? ""),
        ])
    }
    standardOutput(table.text)
}

private func json(of image: QuarantinedImage) -> JSON {
    .object([
        ("name", .string(image.name)), ("id", .string(image.id)), ("reason", .string(image.reason.rawValue)),
        ("view", .optional(image.view)), ("source", .optional(image.source)), ("stored", .bool(image.isCaseStored)),
        ("since", .string(image.date)),
    ])
}

extension QuarantinedImage {
    /// When it was set aside, to the second.
    var date: String { Date(timeIntervalSince1970: Double(seconds)).formatted(.iso8601) }
}
