import HilumArchive
import HilumCore
import HilumImaging

extension Command {
    static let search = Command(
        name: "search",
        summary: "find the cases nearest to a text, an image or a stored case",
        usage: [
            "ARCHIVE (--text T | --image F | --id ID | --vec V.npy)… [-k 10] [--where 'KEY=VALUE …'] [--json]",
            "--socket S (--text T | --image F | --id ID | --vec V.npy)… [OPTION…]",
        ],
        operands: ["ARCHIVE"],
        optionalOperandCount: 1,
        options: SearchCall.options + [
            .value("cursor", "CURSOR", "hits by pages: 'start', then the cursor that standard error named"),
            .value("sheet", "OUT.png", "draw query and hits on a contact sheet"),
            .force, .flag("report", "print the hits' reports too"),
            .flag("highlights", "with --json: the bytes of each report that answer to the text"),
            .json,
        ],
        details: """
            Several of --text, --image, --id and --vec, each also more than once, are one query together. Without --json a table is printed; with it one object a hit,
            best first: {"rank":1,"id":…,"score":…,"via":"image","patient":…,"view":…,"date":…,"findings":[…]}.
            The score is the cosine, between text and image stretched; 'via' says whether the case's image or its report was nearest. A text asks vectors and the words
            of reports: a finding means that the report affirms it ('effusion'), 'no effusion' that it denies it, 'any:effusion'
            both; '"a phrase"', 'word*' and '-word' work too. A hit then has "fused", which orders the hits, "vector" and "words".
            With --recall, a daemon answers with the smallest ef that has reached R for the queries it measured; it measures some
            of its queries again in idle time, and until there are enough of them it takes an ef of 64 (above 0.95: 256).
            --where patient=N finds a patient by number, also where cases of DICOM files and messages hold its hash. A sheet is private (0600).
            Exits 4 when the case given with --id is not there or no word of the text is known, 5 when no daemon answers.
            """,
        examples: [
            ("hilum search archive --text 'left pleural effusion' -k 5", "the five cases nearest to a phrase"),
            (
                "hilum search archive --image new.png --where 'view=PA' --sheet hits.png",
                "cases like an image, also as a picture"
            ),
        ],
        run: runSearch)
}

private func runSearch(_ arguments: Arguments) throws -> ExitStatus {
    let socket = arguments.text("socket")
    if socket == nil && arguments.operands.isEmpty { throw CommandError.usage("ARCHIVE is missing") }
    if let extra = arguments.operands.first, socket != nil {
        throw CommandError.usage("'\(extra)' and --socket exclude each other")
    }
    let sheet = try arguments.text("sheet").map {
        try OutputFile($0, of: "search", inputs: arguments.texts("image"), arguments)
    }
    let call = try SearchCall(
        arguments, isDrawn: sheet != nil, cursor: arguments.text("cursor"), wantsReports: arguments.has("report"),
        wantsHighlights: arguments.has("highlights"))
    let answer = try socket.map { try call.ask(socket: $0) } ?? call.ask(archive: arguments.operands[0])
    let hits = call.printed(answer.hits)
    if let sheet {
        let row = (call.drawnQuery(answer), call.drawn(answer.hits))
        try writeContactSheet([row], title: "hilum search", to: sheet)
        standardError("contact sheet: \(sheet.path)\n")
    }
    let withReport = arguments.has("report")
    if arguments.has("json") {
        for hit in hits { standardOutputLine(hit.json(withReport: withReport)) }
    } else if !hits.isEmpty {
        standardOutput(FoundCase.table(hits))
        guard withReport else { return .done }
        for hit in hits {
            standardOutput("\n\(hit.rank)  \(shown(hit.id))\n")
            for line in Help.wrapped(shown(hit.report ?? "no report"), width: 100) { standardOutput("    \(line)\n") }
        }
    }
    return .done
}
