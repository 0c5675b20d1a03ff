/// Small images side by side, each with lines above it.
package struct ContactSheet: Sendable {
    package struct Cell: Sendable {
        package let image: PixelImage
        /// One line or more, as many in each cell of a sheet.
        package let captions: [String]

        package init(image: PixelImage, captions: [String]) { (self.image, self.captions) = (image, captions) }
        package init(image: PixelImage, caption: String) { self.init(image: image, captions: [caption]) }
    }

    /// Rows of cells, all images of one size.
    package let rows: [[Cell]]
    /// Pixels that captions have at least, side by side.
    private let captionWidth: Int

    /// `captionCharacters`: those that have room above the narrowest image.
    package init(rows: [[Cell]], captionCharacters: Int = 16) {
        self.rows = rows
        captionWidth = captionCharacters * Canvas.size(of: "m").width
    }

    /// Cells one after the other in rows that make the sheet about as wide as it is high.
    package init(cells: [Cell], captionCharacters: Int = 16) {
        let columns = max(1, Int(Double(cells.count).squareRoot().rounded(.up)))
        self.init(
            rows: stride(from: 0, to: cells.count, by: columns).map {
                Array(cells[$0..<min($0 + columns, cells.count)])
            }, captionCharacters: captionCharacters)
    }

    /// Images are enlarged by whole numbers until their longer side has this many pixels.
    private static let smallestSide = 112
    /// Larger ones are made smaller.
    private static let largestSide = 224
    private static let gap = 12

    /// Sheets of more than 32,768 pixels a side are cut off.
    package var canvas: Canvas {
        guard let first = rows.first?.first?.image else { return Canvas(width: 1, height: 1) }
        let long = max(first.width, first.height)
        let factor = max(1, (Self.smallestSide + long - 1) / long)
        let share = long > Self.largestSide ? Double(Self.largestSide) / Double(long) : Double(factor)
        let (width, height) = (
            max(1, Int((Double(first.width) * share).rounded())), max(1, Int((Double(first.height) * share).rounded()))
        )
        let line = Canvas.size(of: "").height
        let above = line * (rows.joined().map(\.captions.count).max() ?? 1) + 4
        let cellWidth = max(width, captionWidth)
        let columns = rows.map(\.count).max() ?? 0
        let largest = 1 << 15
        var canvas = Canvas(
            width: min(largest, columns * (cellWidth + Self.gap) + Self.gap),
            height: min(largest, rows.count * (height + above + Self.gap) + Self.gap))
        for (row, cells) in rows.enumerated() {
            for (column, cell) in cells.enumerated() {
                let left = Self.gap + column * (cellWidth + Self.gap)
                let top = Self.gap + row * (height + above + Self.gap)
                for (number, text) in cell.captions.enumerated() {
                    let caption = Canvas.shortened(text, toWidth: cellWidth)
                    let room = cellWidth - Canvas.size(of: caption).width
                    canvas.text(caption, x: left + room / 2, y: top + number * line)
                }
                let x = left + (cellWidth - width) / 2
                canvas.image(cell.image, x: x, y: top + above, width: width, height: height)
                canvas.frame(x: x - 1, y: top + above - 1, width: width + 2, height: height + 2, Colour(200, 200, 200))
            }
        }
        return canvas
    }
}
