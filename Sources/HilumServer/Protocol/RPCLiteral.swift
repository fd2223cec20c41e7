import HilumCore

/// The picture in a line of JSON-RPC: taken off a large line before it is parsed, and decoded later, where others need not wait.
///
/// ```
/// {…,"params":{"id":"c1","bytes":"iVBORw0…"}}  →  {…,"params":{"id":"c1","bytes":"0"}}  and  iVBORw0…
/// ```
/// Only a picture needs megabytes. What else a line holds is bounded like a line of the line protocol, and more than that is not even looked
/// at; so a line of 8 MB costs the thread that serves all clients no more than a copy of it.
struct RPCLiteral {
    /// The member that it is.
    static let name = "bytes"

    /// The line with a number in the place of each picture.
    private(set) var line: [UInt8] = []
    /// What stood there, in the order of the line.
    private var pictures: [ArraySlice<UInt8>] = []

    private static let quote = UInt8(ascii: "\"")
    private static let backslash = UInt8(ascii: "\\")

    /// Takes the values of all members called `bytes` off a line; nil when what is left is longer than `limit`.
    ///
    /// The line need not be JSON; what it is not stays in what is left.
    init?(takenOff whole: ArraySlice<UInt8>, limitInBytes limit: Int) {
        var place = whole.startIndex
        /// Where what is not copied yet begins.
        var rest = place
        /// The string before, where it may be a key.
        var last = whole[place..<place]
        while let open = Self.quote(in: whole[place...].prefix(limit + 1)) {
            let isValue = Self.isColon(whole[place..<open]) && last.elementsEqual(Self.name.utf8)
            let text = whole[(open + 1)...]
            // Base64 holds no quote, so that of a picture is the next one.
            guard let close = isValue ? text.firstIndex(of: Self.quote) : Self.end(of: text.prefix(limit + 1)) else {
                break
            }
            if isValue {
                line += whole[rest...open]
                line += String(pictures.count).utf8
                pictures.append(whole[(open + 1)..<close])
                rest = close
            }
            last = whole[(open + 1)..<close]
            place = close + 1
            if line.count + place - rest > limit { return nil }
        }
        guard line.count + whole.endIndex - rest <= limit else { return nil }
        line += whole[rest...]
    }

    /// The picture for which a number stands.
    func picture(_ number: String) -> [UInt8]? {
        guard let number = Int(number), pictures.indices.contains(number) else { return nil }
        return Array(pictures[number])
    }

    private static func quote(in bytes: ArraySlice<UInt8>) -> Int? { bytes.firstIndex(of: quote) }

    /// Whether nothing but a colon and white space stands there.
    private static func isColon(_ bytes: ArraySlice<UInt8>) -> Bool {
        let colon = UInt8(ascii: ":")
        return bytes.allSatisfy { $0 == colon || $0 == LineScanner.space || $0 == 9 || $0 == 13 }
            && bytes.contains(colon)
    }

    /// The closing quote of the string that begins here.
    private static func end(of text: ArraySlice<UInt8>) -> Int? {
        var isEscaped = false
        for (place, byte) in zip(text.indices, text) {
            if isEscaped {
                isEscaped = false
            } else if byte == backslash {
                isEscaped = true
            } else if byte == quote {
                return place
            }
        }
        return nil
    }

    /// The octets of what stands between the quotes of a JSON string.
    ///
    /// - Throws: BADREQ for what is no base64.
    static func decode(_ text: [UInt8]) throws(ServerError) -> [UInt8] {
        var text = text
        // Some programs write \/ for /.
        if text.contains(backslash), let plain = (try? JSON(parsing: ([quote] + text + [quote])[...]))?.string {
            text = Array(plain.utf8)
        }
        guard let octets = VectorText.decodeBase64(text) else {
            throw .refused(.badRequest, "bytes is a picture in base64 (RFC 4648 with padding)")
        }
        return octets
    }
}
