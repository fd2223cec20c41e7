import HilumCore

/// Korean names in Latin letters: `Park Min-jun`, `KIM, Ji-woo`, `Seo-yeon Lee`. Many of their syllables are words of reports.
extension MaskPass {
    /// A family name beside a given name of two syllables; the piece behind both.
    mutating func koreanName(_ index: Int) -> Int? {
        guard piece(index).is(.capital), 1...5 ~= piece(index).count else { return nil }
        if isListed(index, Self.familyNames) {
            let given = isMark(index + 1, ",") ? index + 2 : index + 1
            if !piece(given).is(.startsLine), let end = koreanGivenName(given) {
                add(index, end, .name)
                return end
            }
        }
        if let end = koreanGivenName(index), !piece(end).is(.startsLine), piece(end).is(.capital),
            isListed(end, Self.familyNames)
        {
            add(index, end + 1, .name)
            return end + 1
        }
        return nil
    }

    /// `Min-jun` that begins at a place; the piece behind it.
    func koreanGivenName(_ index: Int) -> Int? {
        guard piece(index).kind == .word, piece(index).is(.capital), isMark(index + 1, "-"), isGlued(index + 1),
            isGlued(index + 2), isListed(index, Self.syllables), isListed(index + 2, Self.syllables),
            !(isMark(index + 3, "-") && isGlued(index + 3))
        else { return nil }
        return index + 3
    }

    /// Whether a word is one of a list, in small letters of ASCII.
    private func isListed(_ index: Int, _ words: Set<String>) -> Bool {
        let piece = piece(index)
        guard piece.kind == .word, piece.count < 8 else { return false }
        var text = ""
        for character in page.characters[piece.start..<piece.end] {
            guard 97...122 ~= character, let letter = Unicode.Scalar(character) else { return false }
            text.unicodeScalars.append(letter)
        }
        return words.contains(text)
    }

    private static func list(_ words: String) -> Set<String> {
        Set(words.split { $0 == " " || $0 == "\n" }.map(String.init))
    }

    private static let familyNames = list(
        """
        ahn an bae baek baik bang byun cha chae chang cheon cho choe choi chu chun chung gang go goo gu gwak gwon ha ham han heo
        hong huh hur hwang im jang jeon jeong ji jin jo joo ju jun jung kang kim ko koo ku kwak kwon lee lim ma min moon mun na nam no noh
        oh pae paik pak park pyo rhee rim roh ryoo ryu seo seok seong shim shin sim sin sohn son song suh sung uhm um woo yang yi yoo
        yoon you yu yun
        """)

    private static let syllables = list(
        """
        a ae ah an bae baek beom bin bo bok bong bum byeong byung chae chan chang cheol chul chun da dae dal deok do dong doo du duk
        eun ga gang geon geun gi gil go goo gu guk gun gwan gwang gyeong gyu ha hae hak han hee heon heung ho hong hoon hui hun hwa hwan hwi
        hye hyeok hyeon hyo hyuk hyun hyung il im in ja jae jang je jeong ji jik jin jo jong joo joon ju jun jung ka kang keun ki kil
        kook ku kuk kun kwan kwang kyeong kyoung kyu kyung mi min moo moon mu mun myeong myung na nam ok pil ra rae ran ri rim rin ryeong
        ryul sang se seo seob seok seol seon seong seop seul seung shik shin si sik so sol song soo sook soon su suk sun sung tae taek
        uk ung wan won woo wook woong yang ye yea yeol yeon yeong yo yong yoo yool yoon you young yu yul yun yung
        """)
}
