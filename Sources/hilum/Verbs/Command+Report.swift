import Foundation
import HilumArchive
import HilumCore
import HilumServer

extension Command {
    static let report = Command(
        name: "report",
        summary: "a search as one HTML file, to mail or print: images, findings, reports, and why each was found",
        usage: [
            "ARCHIVE (--text T | --image F | --id ID)… --out FILE.html [-k 10] [--where 'KEY=VALUE …']",
            "--socket S (--text T | --image F | --id ID)… --out FILE.html [OPTION…]",
        ],
        operands: ["ARCHIVE"],
        optionalOperandCount: 1,
        options: SearchCall.options + [
            .value("out", "FILE.html", "where the file is written, for its owner alone", letter: "o"),
            .value(
                "heat", "WORDS", "show where these words are in the images (default: the text of the question)"),
            .flag("no-heat", "no heat maps, which take most of the time"),
            .value("side", "N", "the longer side of images in pixels, 64 to 1024 (default 480)"),
            .value("lang", "LANG", "en or ja: the language of its labels (default: that of the environment)"),
            .force,
        ],
        details: """
            Takes the question of 'hilum search' and writes what the page of 'hilum view' shows of it: each case with its images, its
            findings, its report with the words that answered, the ranks by meaning and by words, and the heat map of the asked words over
            hits and question. The file needs no script, no network and no other file; it follows the light or dark setting of whoever
            opens it, and breaks into pages when it is printed. The question and the date stand on it. It holds reports and ids as the
            archive shows them, so it is readable for its owner alone: think before you mail it.
            """,
        examples: [
            (
                "hilum report archive --text 'left pleural effusion' -k 5 --out effusion.html",
                "the five cases nearest to a phrase, with heat maps"
            ),
            ("hilum report archive --image new.png --lang ja --out similar.html", "cases like an image, in Japanese"),
        ],
        run: runReport)
}

private func runReport(_ arguments: Arguments) throws -> ExitStatus {
    let socket = arguments.text("socket")
    if socket == nil && arguments.operands.isEmpty { throw CommandError.usage("ARCHIVE is missing") }
    if let extra = arguments.operands.first, socket != nil {
        throw CommandError.usage("'\(extra)' and --socket exclude each other")
    }
    let file = try OutputFile(
        arguments.required("out"), of: "report", inputs: arguments.texts("image"), arguments)
    let side = try arguments.integer("side", in: 64...1024) ?? 480
    let languages = PageLabels.Language.allCases.map(\.rawValue)
    let language =
        try arguments.choice("lang", among: languages).flatMap(PageLabels.Language.init(rawValue:))
        ?? PageLabels.Language(environment: ProcessInfo.processInfo.environment)
    let call = try SearchCall(arguments)
    let given = arguments.text("heat") ?? call.text
    let words = arguments.has("no-heat") || given.allSatisfy(\.isWhitespace) ? nil : given
    let resources = try PageResources(language)
    var archive: Archive?
    defer { archive?.close() }
    let answers: any Answering
    if let socket {
        answers = try Client(socketPath: socket)
    } else {
        let opened = try openArchive(arguments.operands[0], .readOnly, withModel: true)
        archive = opened
        answers = ArchiveAnswers(opened)
    }
    let answer = try AnsweredQuestion(call, words: words, side: side, from: answers)
    let page = AnswerPage(
        call: call, answer: answer, words: words,
        archive: FilePath.name(of: socket ?? arguments.operands[0]), resources: resources)
    try file.write(Array(page.html(date: Date()).utf8), isPrivate: true)
    standardError("\(answer.hits.count) cases in \(file.path)\n")
    return .done
}
