/// The help texts: the list of verbs, and one page per verb.
enum Help {

    /// What `hilum help` prints.
    static var overview: String {
        var text = """
            hilum finds similar cases in an archive of medical images and their reports.

            usage: hilum VERB [OPTION…] [OPERAND…]

            """
        let width = Command.all.map(\.name.count).max() ?? 0
        for command in Command.all {
            text +=
                "\n  \(command.name)\(String(repeating: " ", count: width - command.name.count))  \(command.summary)"
        }
        text += """


            'hilum help VERB' shows the options of a verb and an example; 'hilum demo' shows the whole job on drawn cases.
            Exit status: 0 done, 1 failed, 2 wrong call, 3 partly done, 4 not found, 5 no daemon there, 130 interrupted.
            Environment: HILUM_THREADS (threads to use), HILUM_LOG (debug, info, warning, error, or a file that says so),
            HILUM_KERNELS (scalar, avx2, avx512), HILUM_OPENBLAS (a file in place of libopenblas.so.0, for training and
            evaluation), and those named by a verb.

            """
        return text
    }

    /// What `hilum help VERB` prints.
    static func page(_ command: Command) -> String {
        var text = ""
        for (index, usage) in command.usage.enumerated() {
            text += (index == 0 ? "usage: " : "       ") + "hilum \(command.name)\(usage.isEmpty ? "" : " " + usage)\n"
        }
        text += "\n"
        for line in wrapped(command.details.replacing("\n", with: " "), width: 110) { text += line + "\n" }
        text += "\nOptions:\n"
        let options = command.options + [.help]
        let heads = options.map(head)
        let width = min(28, heads.map(\.count).max() ?? 0)
        for (option, head) in zip(options, heads) {
            var help = option.help
            if let variable = option.environment { help += " [\(variable)]" }
            let lines = wrapped(help, width: 116 - width)
            if head.count > width {
                text += "  \(head)\n"
            } else {
                text += "  \(head)\(String(repeating: " ", count: width - head.count))  \(lines.first ?? "")\n"
            }
            for line in lines.dropFirst(head.count > width ? 0 : 1) {
                text += String(repeating: " ", count: width + 4) + line + "\n"
            }
        }
        text += command.examples.count == 1 ? "\nExample:\n" : "\nExamples:\n"
        for example in command.examples {
            text += "  \(example.call)\n      \(example.meaning)\n"
        }
        return text
    }

    private static func head(_ option: Option) -> String {
        let letter = option.letter.map { "-\($0), " } ?? "    "
        return letter + "--\(option.name)" + (option.value.map { " \($0)" } ?? "")
    }

    /// `text` wrapped at blanks to lines of at most `width` characters.
    static func wrapped(_ text: String, width: Int) -> [String] {
        var lines: [String] = []
        var line = ""
        for word in text.split(separator: " ") {
            if !line.isEmpty && line.count + 1 + word.count > width {
                lines.append(line)
                line = ""
            }
            line += (line.isEmpty ? "" : " ") + word
        }
        if !line.isEmpty { lines.append(line) }
        return lines
    }
}
