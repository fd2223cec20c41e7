import Foundation
import HilumCore
import Testing

/// A filter means the same to the command line and to a daemon.
@Suite("Filters")
struct FilterAnswerTests {
    @Test("A filter is answered, or refused in the same words, by the archive and by its daemon")
    func bothDoors() throws {
        let world = try World.shared()
        let scratch = try Scratch()
        let archive = try world.archive(in: scratch, indexed: true)
        let daemon = try Daemon(archive: archive, in: scratch)
        func ask(_ filter: String, _ place: [String]) throws -> Program.Result {
            try Program.run(["search"] + place + ["--text", "effusion", "-k", "48", "--json", "--where", filter])
        }
        for filter in [
            "view=PA", "view!=PA", "finding=effusion,pneumothorax", "date=2010..2030", "date=2019", "date=..2019-06",
            "site=A",
            "denied=effusion", "view=PA,AP site!=A", "modality=XX", "date=20190101..20191231", "view=nan",
            "patient=a..z",
        ] {
            let own = try ask(filter, [archive])
            let served = try ask(filter, ["--socket", daemon.socket])
            #expect(own.status == 0 && served.status == 0, "\(filter): \(own.errors) \(served.errors)")
            #expect(own.text == served.text, "\(filter)")
            #expect(
                own.errors.contains("no more cases match") == served.errors.contains("no more cases match"), "\(filter)"
            )
        }
        for (filter, says) in [
            ("view=PA,site=B", "write view=… site=…"), ("date>=2019", "date=A.. from A on"),
            ("date>2019", "date=A.. from A on"),
            ("veiw=PA", "did you mean 'view'?"), ("limit=3", "no case has the key 'limit'"),
            ("date=spring..", "a bound is 2019"),
            ("k=3", "k= is an option of SEARCH"), ("cursor=x", "cursor= is an option of SEARCH"),
            ("view:PA", "write view=…"),
        ] {
            let own = try ask(filter, [archive])
            let served = try ask(filter, ["--socket", daemon.socket])
            #expect(own.status == served.status && own.status != 0, "\(filter): \(own.status), \(served.status)")
            #expect(own.errors.contains(says), "\(filter): \(own.errors)")
            #expect(served.errors.contains(says), "\(filter): \(served.errors)")
            #expect(own.output.isEmpty && served.output.isEmpty)
        }
        let raw = try daemon.session()
        #expect(try raw.ask("SEARCH text=effusion limit=3").last?.contains("but k=") == true)
        #expect(try raw.ask("COUNT date>=2019").last?.contains("date=A.. from A on") == true)
    }
}
