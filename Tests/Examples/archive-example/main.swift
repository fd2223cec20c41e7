import HilumArchive
import HilumMCR

// The first argument is the folder of the new archive. `hilum` can serve and search it, too.
let folder = CommandLine.arguments[1]
let model = try MCRModel.builtInDirectory()
try Archive.create(at: folder, modelDirectory: model)
let archive = try Archive(path: folder, mode: .readWrite, embedder: MCRModel(directory: model))

// An image comes as `.file(path)` or `.bytes(png)`. These cases have a report only.
try archive.put([
    CaseInput(id: "1", report: "Large pleural effusion on the left.", fields: CaseFields(view: "PA")),
    CaseInput(id: "2", report: "Pneumothorax on the right.", fields: CaseFields(view: "PA")),
    CaseInput(id: "3", report: "Effusion on the left.", fields: CaseFields(view: "LATERAL")),
])

var request = SearchRequest(.text("left pleural effusion"))
request.k = 1
request.filter = try Filter(parsing: "view=PA")
for hit in try archive.search(request).hits {
    print("case \(hit.id), cosine \(hit.score)")
}
archive.close()
