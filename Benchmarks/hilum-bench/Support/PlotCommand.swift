import Foundation
import HilumCore
import HilumImaging

/// `hilum-bench plot`: draws a line plot from JSON as PNG, for the scripts in `Benchmarks`.
struct PlotCommand {
    static let usage = """
        usage: hilum-bench plot --in FILE.json --out FILE.png      ('-' as FILE.json is standard input)
        {"title":"…","x":"label","y":"label","log_x":false,"log_y":false,"x_range":[0,1],"y_range":[0,100],
         "width":960,"height":600,"series":[{"name":"…","points":[[x,y],[x,y,low,high],…],"dots":true}]}
        Only series is needed. A point of four numbers carries an interval; a series shows its intervals as a band.

        """

    /// The contents of the JSON file.
    private struct Figure: JSONReadable {
        struct Line: JSONReadable {
            let name: String?
            let points: [[Double]]
            let dots: Bool?

            init(json: JSON) throws(JSON.Mismatch) {
                name = try json.optionalMember("name")
                points = try json.member("points")
                dots = try json.optionalMember("dots")
            }
        }

        let title, x, y: String?
        let logX, logY: Bool?
        let xRange, yRange: [Double]?
        let width, height: Int?
        let series: [Line]

        init(json: JSON) throws(JSON.Mismatch) {
            title = try json.optionalMember("title")
            x = try json.optionalMember("x")
            y = try json.optionalMember("y")
            logX = try json.optionalMember("log_x")
            logY = try json.optionalMember("log_y")
            xRange = try json.optionalMember("x_range")
            yRange = try json.optionalMember("y_range")
            width = try json.optionalMember("width")
            height = try json.optionalMember("height")
            series = try json.member("series")
        }
    }

    private let input: String
    private let output: String

    /// - Parameter words: the options after `plot`.
    init(_ words: [String]) throws {
        var values: [String: String] = [:]
        var rest = words[...]
        while let word = rest.popFirst() {
            guard ["--in", "--out"].contains(word), let value = rest.popFirst() else {
                throw BenchError("plot takes --in FILE.json --out FILE.png")
            }
            values[word] = value
        }
        guard let input = values["--in"], let output = values["--out"] else {
            throw BenchError("plot needs --in FILE.json and --out FILE.png")
        }
        self.input = input
        self.output = output
    }

    func run() throws {
        let data = input == "-" ? FileHandle.standardInput.readDataToEndOfFile() : Data(try FileIO.read(input))
        let figure: Figure
        do { figure = try Figure(parsing: data) } catch {
            throw BenchError("\(input): not the JSON of a plot (\(error)); 'hilum-bench plot' shows its form")
        }
        var plot = LinePlot(
            title: figure.title ?? "", xLabel: figure.x ?? "", yLabel: figure.y ?? "",
            series: try figure.series.map(Self.series))
        plot.isLogX = figure.logX ?? false
        plot.isLogY = figure.logY ?? false
        plot.xRange = try Self.range(figure.xRange)
        plot.yRange = try Self.range(figure.yRange)
        plot.width = min(max(figure.width ?? plot.width, 320), 8192)
        plot.height = min(max(figure.height ?? plot.height, 240), 8192)
        try FileIO.writeAtomically(output, try PNGEncoder.encode(plot.render()))
    }

    private static func series(_ line: Figure.Line) throws -> LinePlot.Series {
        guard line.points.allSatisfy({ $0.count == 2 || ($0.count == 4 && $0[2] <= $0[3]) }) else {
            throw BenchError("a point is [x,y] or [x,y,low,high]")
        }
        let hasBand = line.points.contains { $0.count == 4 }
        return LinePlot.Series(
            line.name ?? "", points: line.points.map { ($0[0], $0[1]) },
            band: hasBand ? line.points.map { $0.count == 4 ? $0[2]...$0[3] : $0[1]...$0[1] } : [],
            hasDots: line.dots)
    }

    private static func range(_ ends: [Double]?) throws -> ClosedRange<Double>? {
        guard let ends else { return nil }
        guard ends.count == 2, ends[0] < ends[1] else { throw BenchError("a range is [low,high]") }
        return ends[0]...ends[1]
    }
}
