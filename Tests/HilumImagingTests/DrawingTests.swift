import HilumCore
import Testing

@testable import HilumImaging

@Suite struct DrawingTests {
    @Test func `Text changes the pixels it covers and no others`() {
        var canvas = Canvas(width: 100, height: 40)
        let end = canvas.text("Hilum 3", x: 10, y: 12, .white, scale: 2)
        #expect(end == 10 + Canvas.textWidth("Hilum 3", scale: 2))
        var lit = 0
        for y in 0..<40 {
            for x in 0..<100 where canvas.image[x, y] != .black {
                lit += 1
                #expect((10..<end).contains(x) && (12..<28).contains(y))
            }
        }
        #expect(lit > 150)
    }

    @Test func `Every printable character has a drawing of its own`() {
        var seen: [[UInt8]: Character] = [:]
        for code in 32..<127 {
            let character = Character(Unicode.Scalar(UInt8(code)))
            var canvas = Canvas(width: 6, height: 8)
            canvas.text(String(character), x: 0, y: 0, .white)
            #expect(seen[canvas.image.samples] == nil, "\(character) looks like another")
            seen[canvas.image.samples] = character
        }
        #expect(seen.count == 95)
    }

    @Test func `Accents fall away and unknown characters become a box`() {
        func drawing(_ text: String) -> [UInt8] {
            var canvas = Canvas(width: 60, height: 10)
            canvas.text(text, x: 0, y: 0, .white)
            return canvas.image.samples
        }
        #expect(drawing("Erguß à") == drawing("Erguss a"))
        #expect(drawing("–’") == drawing("-'"))
        #expect(drawing("肺") == drawing("心"))
        #expect(drawing("肺") != drawing(" "))
    }

    @Test func `Drawing beyond the edges is cut off`() {
        var canvas = Canvas(width: 10, height: 10)
        canvas.text("far away", x: -30, y: -3, .white, scale: 6)
        canvas.text("far away", x: 2_000, y: 5, .white)
        canvas.verticalText("far away", x: 5, y: 500, .white, scale: 3)
        canvas.line(from: PixelPoint(-1e6, 5), to: PixelPoint(1e6, 5), .white, thickness: 1)
        canvas.line(from: PixelPoint(.nan, 5), to: PixelPoint(3, .infinity), .white)
        canvas.fillRectangle(PixelRect(x: -5, y: 8, width: 100, height: 100), RGBColor(9, 9, 9))
        canvas.fillRectangle(PixelRect(x: 50, y: 50, width: 3, height: 3), .white)
        canvas.fillRectangle(PixelRect(x: -9, y: -9, width: 3, height: 3), .white)
        canvas.draw(noiseImage(width: 5, height: 5, seed: 1), in: PixelRect(x: 7, y: -2, width: 8, height: 8))
        canvas.draw(RGBImage(width: 4, height: 4, color: .white), x: -2, y: 8)
        #expect(canvas.image.width == 10)
        #expect(canvas.image[5, 9] == RGBColor(9, 9, 9))
    }

    @Test func `A line lights its own pixels, fully in its middle and softly at its edge`() {
        var canvas = Canvas(width: 20, height: 20)
        canvas.line(from: PixelPoint(2, 10), to: PixelPoint(18, 10), .white, thickness: 2)
        #expect(canvas.image[10, 9] == .white && canvas.image[10, 10] == .white)
        #expect(canvas.image[10, 7] == .black && canvas.image[10, 12] == .black)
        var slanted = Canvas(width: 20, height: 20)
        slanted.line(from: PixelPoint(1, 1), to: PixelPoint(18, 7), .white)
        let levels = Set(slanted.image.samples)
        #expect(levels.count > 5)
    }

    @Test func `A rectangle is filled and stroked to the pixel`() {
        var canvas = Canvas(width: 8, height: 8)
        canvas.strokeRectangle(PixelRect(x: 1, y: 1, width: 6, height: 5), .white)
        let lit = (0..<64).filter { canvas.image[$0 % 8, $0 / 8] == .white }.count
        #expect(lit == 2 * 6 + 2 * 3)
        canvas.fillRectangle(PixelRect(x: 2, y: 2, width: 2, height: 1), .white, opacity: 0.5)
        #expect(canvas.image[2, 2] == RGBColor(gray: 128) && canvas.image[4, 2] == .black)
    }

    @Test func `A picture keeps its aspect in a rectangle and is not flipped`() {
        var canvas = Canvas(width: 40, height: 40)
        let image = GrayImage(width: 2, height: 1, samples: [65_535, 20_000])
        let place = canvas.draw(image, in: PixelRect(x: 4, y: 4, width: 32, height: 32))
        #expect(place == PixelRect(x: 4, y: 12, width: 32, height: 16))
        #expect(canvas.image[5, 13] == .white && canvas.image[30, 20] == RGBColor(gray: 78))
        #expect(canvas.image[5, 11] == .black && canvas.image[5, 28] == .black)
    }

    @Test func `Wrapped text keeps its words, breaks long ones and ends with an ellipsis`() {
        #expect(Canvas.wrapped("one two three", width: 6 * 7) == ["one two", "three"])
        #expect(Canvas.wrapped("abcdefghij", width: 6 * 4) == ["abcd", "efgh", "ij"])
        #expect(Canvas.wrapped("one two three four", width: 6 * 8, maxLines: 2) == ["one two", "three..."])
        #expect(Canvas.wrapped("  ", width: 60).isEmpty)
        #expect(Canvas.wrapped("many words in a row", width: 6 * 6, maxLines: 1) == ["man..."])
    }

    @Test func `A contact sheet has the size it promises, with every kind of row`() {
        let picture = noiseImage(width: 50, height: 30, seed: 2)
        let hits = (1...7).map { rank in
            ContactSheet.Hit(
                rank: rank, score: 1 / Double(rank), id: "case-\(rank)", via: "image", labels: ["effusion"],
                text: String(repeating: "words ", count: 80), image: rank == 3 ? nil : picture,
                isRelevant: rank == 4 ? nil : rank == 1)
        }
        var sheet = ContactSheet(
            title: "Similar cases",
            rows: [
                .init(query: .init(title: "image", image: picture, text: "a report"), hits: hits),
                .init(query: .init(title: "text", text: "left pleural effusion"), hits: Array(hits.prefix(2))),
                .init(query: .init(title: "nothing"), hits: []),
            ])
        sheet.columns = 4
        sheet.tileSide = 96
        let image = sheet.render()
        #expect(image.width == sheet.size.width && image.height == sheet.size.height)
        #expect(Set(image.samples).count > 50)
        let empty = ContactSheet(title: "", rows: []).render()
        #expect(empty.width > 0 && empty.height > 0)
    }

    @Test func `A missing image, a report without one, and a card with view and date look different`() {
        func card(_ details: String, isMissing: Bool) -> [UInt8] {
            let hit = ContactSheet.Hit(
                rank: 1, score: 0.5, id: "a", details: details, text: "one\ntwo\nthree\nfour\nfive",
                isImageMissing: isMissing)
            return ContactSheet(title: "", rows: [.init(query: .init(title: "text"), hits: [hit])]).render().samples
        }
        let cards = [card("", isMissing: false), card("", isMissing: true), card("PA  2019-03-02", isMissing: true)]
        #expect(Set(cards).count == 3)
        let missing = ContactSheet.Query(title: "case", text: "like case a", isImageMissing: true)
        let plain = ContactSheet.Query(title: "case", text: "like case a")
        #expect(
            ContactSheet(title: "", rows: [.init(query: missing, hits: [])]).render()
                != ContactSheet(title: "", rows: [.init(query: plain, hits: [])]).render())
    }

    @Test func `A plot of anything is drawn: nothing, one point, a constant, numbers that are not finite`() {
        let cases: [[(x: Double, y: Double)]] = [
            [], [(1, 1)], [(1, 5), (2, 5)], [(0, .nan), (.infinity, 2), (3, 4)], [(0, 0), (0, 0)],
            [(-1e12, 1e-12), (1e12, 1e12)],
        ]
        for points in cases {
            for isLog in [false, true] {
                var plot = LinePlot(
                    title: "t", xLabel: "x", yLabel: "y", series: [.init("s", points: points)])
                plot.isLogX = isLog
                plot.isLogY = isLog
                let image = plot.render()
                #expect(image.width == 960 && image.height == 600)
            }
        }
        #expect(LinePlot(title: "", xLabel: "", yLabel: "", series: []).render().width == 960)
    }

    @Test func `A rising line is drawn from low left to high right`() {
        let red = RGBColor(255, 0, 0)
        let plot = LinePlot(
            title: "", xLabel: "", yLabel: "",
            series: [.init("", points: [(0, 0), (10, 10)], color: red)])
        let image = plot.render()
        let places = (0..<(image.width * image.height)).filter { image[$0 % image.width, $0 / image.width] == red }
        let left = places.filter { $0 % image.width < 200 }.map { $0 / image.width }
        let right = places.filter { $0 % image.width > 800 }.map { $0 / image.width }
        #expect((left.min() ?? 0) > (right.max() ?? .max))
    }

    @Test func `A heat map glows where its grid is high`() {
        let picture = GrayImage(width: 64, height: 64, samples: [UInt16](repeating: 20_000, count: 4_096))
        var values = [Float](repeating: 0, count: 64)
        values[8 * 1 + 6] = 1
        for isSmooth in [false, true] {
            let style = HeatMap.Style(side: 128, isSmooth: isSmooth)
            let image = HeatMap.overlay(picture, values: values, columns: 8, rows: 8, style: style)
            let hot = image[16 + 13 * 8, 16 + 3 * 8]
            let cold = image[16 + 3 * 8, 16 + 13 * 8]
            #expect(hot.green > 150 && cold.green < 100)
        }
        let level = HeatMap.overlay(picture, values: [.nan, .infinity], columns: 1, rows: 2)
        #expect(level.width > 0)
    }

    @Test func `What is no stronger than noise stays grey, and colours mean the same on every map`() {
        let picture = GrayImage(width: 64, height: 64, samples: [UInt16](repeating: 20_000, count: 4_096))
        func colour(_ value: Float, noise: Float) -> RGBColor {
            let style = HeatMap.Style(side: 128, isSmooth: false)
            let values = [value] + [Float](repeating: 0, count: 63)
            return HeatMap.overlay(picture, values: values, columns: 8, rows: 8, noise: noise, style: style)[20, 20]
        }
        let grey = colour(0, noise: 2)
        #expect(grey.red == grey.green && grey.green == grey.blue)
        #expect(colour(1.9, noise: 2) == grey)
        #expect(colour(1.9, noise: 0) != grey)
        #expect(colour(4, noise: 2) != grey)
        // Twice the noise is far from the hottest colour, also where it is the highest value.
        #expect(colour(4, noise: 2) != colour(8, noise: 2))
    }
}
