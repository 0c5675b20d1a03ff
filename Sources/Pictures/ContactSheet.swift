/// Small images side by side, each with a line above it.
package struct ContactSheet: Sendable {
    package struct Cell: Sendable {
        package let image: PixelImage
        package let caption: String

        package init(image: PixelImage, caption: String) { (self.image, self.caption) = (image, caption) }
    }

    /// Rows of cells, all images of one size.
    package let rows: [[Cell]]

    package init(rows: [[Cell]]) { self.rows = rows }

    /// Images are enlarged by whole numbers until their longer side has this many pixels, so that a caption has room.
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
        let line = Canvas.size(of: "").height + 4
        let cellWidth = max(width, Self.smallestSide)
        let columns = rows.map(\.count).max() ?? 0
        let largest = 1 << 15
        var canvas = Canvas(
            width: min(largest, columns * (cellWidth + Self.gap) + Self.gap),
            height: min(largest, rows.count * (height + line + Self.gap) + Self.gap))
        for (row, cells) in rows.enumerated() {
            for (column, cell) in cells.enumerated() {
                let left = Self.gap + column * (cellWidth + Self.gap)
                let top = Self.gap + row * (height + line + Self.gap)
                let caption = Canvas.shortened(cell.caption, toWidth: cellWidth)
                let room = cellWidth - Canvas.size(of: caption).width
                canvas.text(caption, x: left + room / 2, y: top)
                let x = left + (cellWidth - width) / 2
                canvas.image(cell.image, x: x, y: top + line, width: width, height: height)
                canvas.frame(x: x - 1, y: top + line - 1, width: width + 2, height: height + 2, Colour(200, 200, 200))
            }
        }
        return canvas
    }
}
