import Foundation
import HilumArchive
import HilumCore
import HilumImaging
import HilumServer

extension Command {
    static let search = Command(
        name: "search",
        summary: "find the cases nearest to a text, an image or a stored case",
        usage: [
            "ARCHIVE (--text T | --image F | --id ID)… [-k 10] [--where 'KEY=VALUE …'] [--sheet OUT.png] [--json]",
            "--socket S (--text T | --image F | --id ID)… [OPTION…]",
        ],
        operands: ["ARCHIVE"],
        optionalOperandCount: 1,
        options: [
            .value("text", "TEXT", "a phrase or a report ('-' reads standard input)", letter: "t"),
            .value("image", "FILE", "an image, PNG or JPEG ('-' reads standard input)", letter: "i"),
            .value("id", "ID", "a stored case"),
            .value("count", "K", "how many hits (default 10)", letter: "k"),
            .value("target", "WHAT", "case, image or report: what is compared (default case, the better of both)"),
            .value(
                "where", "FILTERS",
                "only cases that match all of these: view=PA finding=effusion,normal date=2019-01..2019-06 site!=B"),
            .value("min-score", "S", "only hits with at least this cosine, from -1 to 1"),
            .value("ef", "N", "width of the search in the graph: more is slower and more exact"),
            .flag("exact", "compare with every case"),
            .value("socket", "PATH", "ask the daemon at this socket instead of opening ARCHIVE"),
            .value("sheet", "OUT.png", "draw query and hits on a contact sheet"),
            .flag("report", "print the hits' reports too"),
            .json,
        ],
        details: """
            Several of --text, --image and --id are one query together. Without --json a table is printed; with it one object a hit,
            best first: {"rank":1,"id":…,"score":…,"via":"image","patient":…,"view":…,"date":…,"findings":[…]}.
            The score is the cosine; 'via' says whether the case's image or its report was nearest.
            Exits 4 when the case given with --id is not there, 5 when no daemon answers.
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
    .failed
}
