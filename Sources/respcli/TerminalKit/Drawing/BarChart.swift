// Numbers as bars of characters, and tables with aligned columns.

public enum BarChart {
    public struct Row: Sendable {
        public var label: String
        public var value: Double
        /// The value as it is shown.
        public var text: String

        public init(label: String, value: Double, text: String) {
            self.label = label
            self.value = value
            self.text = text
        }
    }

    /// A line for each row: label, value, bar.
    ///
    /// - Parameters:
    ///   - isLogarithmic: whether a bar is as long as the number of digits, so to speak: for values that differ by powers of ten.
    ///   - usesBlocks: whether bars are made of block characters of eighths, and not of ASCII.
    public static func lines(_ rows: [Row], width: Int, isLogarithmic: Bool = false, usesBlocks: Bool = true)
        -> [String]
    {
        let labelWidth = rows.map { CharacterWidth.of($0.label) }.max() ?? 0
        let textWidth = rows.map { CharacterWidth.of($0.text) }.max() ?? 0
        let room = max(0, width - labelWidth - textWidth - 3)
        let positive = rows.map(\.value).filter { $0 > 0 && $0.isFinite }
        let most = positive.max() ?? 0
        let least = positive.min() ?? 0
        return rows.map { row in
            var share = 0.0
            if row.value > 0, row.value.isFinite, most > 0 {
                // The smallest keeps a visible bar.
                share =
                    isLogarithmic && most > least
                    ? 0.1 + 0.9 * logarithm(row.value / least) / logarithm(most / least) : row.value / most
            }
            let line =
                right(row.label, labelWidth) + " " + right(row.text, textWidth) + "  " + bar(share, room, usesBlocks)
            return trimmed(line)
        }
    }

    private static let eighths = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"]

    /// A bar over a share, 0...1, of `width` columns.
    public static func bar(_ share: Double, _ width: Int, _ usesBlocks: Bool = true) -> String {
        let share = share.isFinite ? min(1, max(0, share)) : 0
        guard usesBlocks else { return String(repeating: "#", count: Int((share * Double(width)).rounded())) }
        let parts = Int((share * Double(width * 8)).rounded())
        return String(repeating: "█", count: parts / 8) + eighths[parts % 8]
    }

    private static let levels = Array(" ▁▂▃▄▅▆▇█")

    /// A row of columns, one for each of the last `width` values, as high as they are compared with the largest.
    public static func sparkline(_ values: [Double], width: Int) -> String {
        let shown = values.suffix(max(0, width))
        let most = shown.filter(\.isFinite).max() ?? 0
        return String(
            shown.map { value in
                guard value > 0, most > 0, value.isFinite else { return levels[0] }
                return levels[min(8, max(1, Int((value / most * 8).rounded())))]
            })
    }

    /// The natural logarithm, to the precision of a bar. Without the mathematics library, so that this is the same everywhere.
    static func logarithm(_ value: Double) -> Double {
        guard value > 0 else { return 0 }
        // 2 artanh((x - 1) / (x + 1)) for the significand, which is in 1..<2.
        let ratio = (value.significand - 1) / (value.significand + 1)
        var term = ratio
        var sum = 0.0
        for divisor in stride(from: 1.0, to: 20, by: 2) {
            sum += term / divisor
            term *= ratio * ratio
        }
        return 2 * sum + Double(value.exponent) * 0.693_147_180_559_945_3
    }

    public static func right(_ text: String, _ width: Int) -> String {
        String(repeating: " ", count: max(0, width - CharacterWidth.of(text))) + text
    }

    static func left(_ text: String, _ width: Int) -> String {
        text + String(repeating: " ", count: max(0, width - CharacterWidth.of(text)))
    }

    static func trimmed(_ text: String) -> String {
        var text = text
        while text.last == " " { text.removeLast() }
        return text
    }
}

public enum TextTable {
    /// Rows of cells as lines; the first `leftColumns` columns begin at the left, others end at the right.
    public static func lines(_ rows: [[String]], leftColumns: Int) -> [String] {
        let count = rows.map(\.count).max() ?? 0
        let widths = (0..<count).map { column in
            rows.map { column < $0.count ? CharacterWidth.of($0[column]) : 0 }.max() ?? 0
        }
        return rows.map { row in
            let cells = row.enumerated().map { column, cell in
                column < leftColumns ? BarChart.left(cell, widths[column]) : BarChart.right(cell, widths[column])
            }
            return BarChart.trimmed(cells.joined(separator: "  "))
        }
    }
}
