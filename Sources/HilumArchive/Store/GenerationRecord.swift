import HilumCore

/// What an archive keeps of one generation.
///
///     0 number (4) · 4 role (1) · 5 flags (1): 1 complete, 2 paused · 6 watermark (4) · 10 missing images (4) · 14 dimension (4)
///     · cases per second (8, a double; 0 without a limit) · model id · folder · hours if there are any
struct GenerationRecord: Equatable, Sendable {
    /// What a generation is there for.
    enum Role: UInt8, Sendable {
        /// It is searched.
        case serving = 1
        /// It is being made, or waits to be searched.
        case next = 2
        /// It was searched before, and may be again.
        case kept = 3
        /// It is being removed.
        case leaving = 4
    }

    let number: UInt32
    var role: Role
    /// Whether all cases were once in it, and its graphs in a checkpoint; those that came later follow at once.
    var isComplete = false
    var isPaused = false
    /// Cases below this number have their vectors in it.
    var watermark: UInt32 = 0
    /// Images of its cases that could not be read, and images and reports whose vectors nobody imported.
    var missingCount = 0
    var dimension: Int
    /// Cases a second at most; nil for as fast as it goes.
    var rate: Double?
    var modelID: String
    /// Of the model, in the archive.
    var folder: String
    /// When cases are encoded; nil for always.
    var hours: DailyHours?

    /// The space of its vectors, if they are imported and no model makes them; nil otherwise.
    var space: String? { ImportedSpace.name(ofModel: modelID) }

    /// So many missing vectors, in words.
    func missing(_ count: Int) -> String {
        space == nil ? "\(count) images, which could not be read" : "\(count) vectors, which were not imported"
    }

    func write(to writer: inout ByteWriter) {
        writer.integer(number)
        writer.byte(role.rawValue)
        writer.byte((isComplete ? 1 : 0) | (isPaused ? 2 : 0))
        writer.integer(watermark)
        writer.integer(UInt32(clamping: missingCount))
        writer.integer(UInt32(clamping: dimension))
        writer.integer((rate ?? 0).bitPattern)
        writer.text(modelID)
        writer.text(folder)
        writer.optionalText(hours?.description)
    }
}

extension GenerationRecord {
    init(_ reader: inout ByteReader) throws(ByteReader.Malformed) {
        number = try reader.integer()
        guard let role = Role(rawValue: try reader.byte()), (1...1 << 16).contains(number) else {
            throw ByteReader.Malformed("a generation of an unknown role")
        }
        self.role = role
        let flags = try reader.byte()
        isComplete = flags & 1 != 0
        isPaused = flags & 2 != 0
        watermark = try reader.integer()
        missingCount = Int(try reader.integer(UInt32.self))
        dimension = Int(try reader.integer(UInt32.self))
        let rate = Double(bitPattern: try reader.integer(UInt64.self))
        self.rate = rate > 0 && rate.isFinite ? rate : nil
        modelID = try reader.text()
        folder = try reader.text()
        hours = try reader.optionalText().flatMap { DailyHours($0) }
        // A folder is removed with its generation, so it is no other than its own.
        guard (1...ArchiveLimits.dimension).contains(dimension), folder == GenerationTable.folder(of: number) else {
            throw ByteReader.Malformed("a generation of an impossible model")
        }
    }
}
