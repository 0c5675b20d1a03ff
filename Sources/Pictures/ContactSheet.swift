/// Small images side by side, each with lines above it.
package struct ContactSheet: Sendable {
    package struct Cell: Sendable {
        package let image: PixelImage
        /// One line or more above the image.
        package let captions: [String]
        /// What is written into each pixel where it is shown large enough, row by row; empty for nothing.
        package let labels: [String]
        /// Places of the image that a box goes around.
        package let window: (rows: Range<Int>, columns: Range<Int>)?

        package init(
            image: PixelImage, captions: [String], labels: [String] = [],
            window: (rows: Range<Int>, columns: Range<Int>)? = nil
        ) {
            precondition(labels.isEmpty || labels.count == image.width * image.height, "\(labels.count) labels")
            (self.image, self.captions, self.labels, self.window) = (image, captions, labels, window)
        }

        package init(image: PixelImage, caption: String) { self.init(image: image, captions: [caption]) }
    }

    package struct Row: Sendable {
        /// nil leaves a place empty.
        package let cells: [Cell?]
        /// A line above all of them.
        package let heading: String?

        package init(_ cells: [Cell?], heading: String? = nil) { (self.cells, self.heading) = (cells, heading) }
    }

    package let rows: [Row]
    /// Images are enlarged by whole numbers until their longer side has this many pixels.
    private let smallestSide: Int
    /// Larger ones are made smaller.
    private let largestSide: Int
    /// Pixels that captions have at least, side by side.
    private let captionWidth: Int

    private static let gap = 12
    private static let line = Canvas.size(of: "").height

    /// `captionCharacters`: those that have room above the narrowest image.
    package init(rows: [Row], captionCharacters: Int = 16, smallestSide: Int = 112, largestSide: Int = 224) {
        (self.rows, self.smallestSide, self.largestSide) = (rows, smallestSide, largestSide)
        captionWidth = captionCharacters * Canvas.size(of: "m").width
    }

    package init(rows: [[Cell?]], captionCharacters: Int = 16, smallestSide: Int = 112, largestSide: Int = 224) {
        self.init(
            rows: rows.map { Row($0) }, captionCharacters: captionCharacters, smallestSide: smallestSide,
            largestSide: largestSide)
    }

    /// Cells one after the other in rows that make the sheet about as wide as it is high.
    package init(cells: [Cell], captionCharacters: Int = 16) {
        let columns = max(1, Int(Double(cells.count).squareRoot().rounded(.up)))
        self.init(
            rows: stride(from: 0, to: cells.count, by: columns).map {
                Row(Array(cells[$0..<min($0 + columns, cells.count)]))
            }, captionCharacters: captionCharacters)
    }

    /// Of captions that say what a network makes of an image: "97.1 %, true 0.2 %".
    package static let outcomeCharacters = 20

    /// Sheets of more than 32,768 pixels a side are cut off.
    package var canvas: Canvas {
        let cells = rows.flatMap(\.cells).compactMap { $0 }
        guard !cells.isEmpty else { return Canvas(width: 1, height: 1) }
        let cellWidth = max(captionWidth, cells.map { size(of: $0.image).width }.max() ?? 0)
        let heights = rows.map(height(of:))
        let columns = rows.map(\.cells.count).max() ?? 0
        let widest = rows.compactMap { $0.heading.map { Canvas.size(of: $0).width } }.max() ?? 0
        let largest = 1 << 15
        var canvas = Canvas(
            width: min(largest, max(columns * (cellWidth + Self.gap), widest + Self.gap) + Self.gap),
            height: min(largest, heights.reduce(Self.gap) { $0 + $1.heading + $1.captions + $1.image + Self.gap }))
        var top = Self.gap
        for (row, height) in zip(rows, heights) {
            if let heading = row.heading { canvas.text(heading, x: Self.gap, y: top) }
            top += height.heading
            for (column, cell) in row.cells.enumerated() {
                guard let cell else { continue }
                let left = Self.gap + column * (cellWidth + Self.gap)
                for (number, text) in cell.captions.enumerated() {
                    let caption = Canvas.shortened(text, toWidth: cellWidth)
                    let room = cellWidth - Canvas.size(of: caption).width
                    canvas.text(caption, x: left + room / 2, y: top + number * Self.line)
                }
                let size = size(of: cell.image)
                let corner = (
                    x: left + (cellWidth - size.width) / 2,
                    y: top + height.captions + (height.image - size.height) / 2
                )
                draw(cell, at: corner, size, on: &canvas)
            }
            top += height.captions + height.image + Self.gap
        }
        return canvas
    }

    /// The parts of a row: its heading, the captions and the tallest image.
    private func height(of row: Row) -> (heading: Int, captions: Int, image: Int) {
        let cells = row.cells.compactMap { $0 }
        return (
            row.heading == nil ? 0 : Self.line + 4, Self.line * (cells.map(\.captions.count).max() ?? 0) + 4,
            cells.map { size(of: $0.image).height }.max() ?? 0
        )
    }

    private func size(of image: PixelImage) -> (width: Int, height: Int) {
        let long = max(image.width, image.height)
        let factor = max(1, min((smallestSide + long - 1) / long, largestSide / long))
        let share = long > largestSide ? Double(largestSide) / Double(long) : Double(factor)
        return (
            max(1, Int((Double(image.width) * share).rounded())), max(1, Int((Double(image.height) * share).rounded()))
        )
    }

    private func draw(
        _ cell: Cell, at corner: (x: Int, y: Int), _ size: (width: Int, height: Int), on canvas: inout Canvas
    ) {
        let (x, y) = corner
        canvas.image(cell.image, x: x, y: y, width: size.width, height: size.height)
        canvas.frame(x: x - 1, y: y - 1, width: size.width + 2, height: size.height + 2, Colour(200, 200, 200))
        let (across, down) = (size.width / cell.image.width, size.height / cell.image.height)
        for (place, label) in cell.labels.enumerated() {
            let text = Canvas.size(of: label)
            guard text.width + 2 <= across, text.height <= down else { continue }
            let (left, top) = (x + place % cell.image.width * across, y + place / cell.image.width * down)
            let isDark = canvas[left, top].green < 128
            canvas.text(
                label, x: left + (across - text.width) / 2, y: top + (down - text.height) / 2,
                isDark ? .white : .black)
        }
        guard let window = cell.window else { return }
        for inset in 0..<2 {
            canvas.frame(
                x: x + window.columns.lowerBound * across + inset, y: y + window.rows.lowerBound * down + inset,
                width: window.columns.count * across - 2 * inset, height: window.rows.count * down - 2 * inset,
                Colour(220, 60, 40))
        }
    }
}
