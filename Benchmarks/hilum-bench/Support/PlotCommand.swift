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
    private struct Figure: Decodable {
        struct Line: Decodable {
            var name: String?
            var points: [[Double]]
            var dots: Bool?
        }
        var title: String?
        var x: String?
        var y: String?
        var logX: Bool?
        var logY: Bool?
        var xRange: [Double]?
        var yRange: [Double]?
        var width: Int?
        var height: Int?
        var series: [Line]

        enum CodingKeys: String, CodingKey {
            case title, x, y, width, height, series
            case logX = "log_x"
            case logY = "log_y"
            case xRange = "x_range"
            case yRange = "y_range"
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
        do { figure = try JSONDecoder().decode(Figure.self, from: data) } catch {
            throw BenchError("\(input): not the JSON of a plot; 'hilum-bench plot' shows its form")
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
