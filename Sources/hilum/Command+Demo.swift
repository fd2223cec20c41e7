import Foundation
import HilumArchive
import HilumCore
import HilumImaging
import HilumPhantom
import HilumServer

extension Command {
    static let demo = Command(
        name: "demo",
        summary: "the whole job on drawn cases, in under two minutes",
        usage: ["[--dir DIR] [--count N]"],
        operands: [],
        options: [
            .value("dir", "DIR", "where the demo works (default ./hilum-demo); made anew each time"),
            .value("count", "N", "how many cases to draw (default 300)"),
            .value("seed", "S", "seed of the drawn cases (default 2024)"),
        ],
        details: """
            Draws chest radiographs with reports, indexes them, starts the daemon, drops one more case into its inbox, and then
            searches by image and by text. Leaves the archive and a contact sheet in DIR.
            """,
        examples: [("hilum demo --dir /tmp/demo", "runs it in a folder of one's own")],
        run: runDemo)
}

private func runDemo(_ arguments: Arguments) throws -> ExitStatus {
    .failed
}
