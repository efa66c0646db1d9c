// How a prompt, a text and a hint lie on the rows of a terminal of some width, and what to write so that they are shown.
//
//     127.0.0.1:6379> SET key va|       the row and column of the cursor
//     lue [EX seconds]                  the hint is dimmed

public struct LineLayout: Equatable, Sendable {
    /// What is written, with "\r\n" between rows.
    public private(set) var output: [UInt8] = []
    public private(set) var cursorRow = 0
    public private(set) var cursorColumn = 0
    /// The row and column where the output ends.
    public private(set) var lastRow = 0
    public private(set) var lastColumn = 0
    private let width: Int
    /// The columns that each character takes, row by row.
    private var widths: [[UInt8]] = [[]]
    /// How many characters of its row are before the cursor.
    private var charactersBeforeCursor = 0

    /// - Parameters:
    ///   - prompt: may hold escape sequences of colour.
    ///   - hint: shown behind the text, without being part of it.
    public init(prompt: [UInt8], text: EditedText, hint: [UInt8] = [], hintStyle: String = "", width: Int) {
        self.width = max(2, width)
        output.reserveCapacity(prompt.count + text.bytes.count + hint.count + 16)
        appendPrompt(prompt)
        append(text.beforeCursor)
        // A cursor behind the last column is at the beginning of the next row.
        if lastColumn == self.width { breakRow() }
        (cursorRow, cursorColumn) = (lastRow, lastColumn)
        charactersBeforeCursor = widths[lastRow].count
        append(text.afterCursor)
        if !hint.isEmpty {
            output += hintStyle.utf8
            append(hint[...])
            if !hintStyle.isEmpty { output += "\u{1B}[0m".utf8 }
        }
        if lastColumn == self.width { breakRow() }
    }

    private mutating func breakRow() {
        output += [0x0D, 0x0A]
        lastRow += 1
        lastColumn = 0
        widths.append([])
    }

    private mutating func put(_ bytes: some Collection<UInt8>, columns: Int) {
        if lastColumn + columns > width { breakRow() }
        output += bytes
        lastColumn += columns
        widths[lastRow].append(UInt8(clamping: columns))
    }

    /// The row of the cursor after the terminal has become `newWidth` columns wide: most terminals then break rows that have become too long.
    public func cursorRow(afterResizingTo newWidth: Int) -> Int {
        func rows(_ characters: some Sequence<UInt8>) -> (below: Int, column: Int) {
            var (row, column) = (0, 0)
            for width in characters {
                if column + Int(width) > newWidth { (row, column) = (row + 1, 0) }
                column += Int(width)
            }
            return (row, column)
        }
        let before = widths[..<cursorRow].reduce(0) { $0 + rows($1).below + 1 }
        let (row, column) = rows(widths[cursorRow].prefix(charactersBeforeCursor))
        // Behind the last column it is at the beginning of the next row, if there is one.
        let hasMore = charactersBeforeCursor < widths[cursorRow].count
        return before + row + (column >= newWidth && hasMore ? 1 : 0)
    }

    /// Escape sequences take no columns.
    private mutating func appendPrompt(_ prompt: [UInt8]) {
        var index = 0
        while index < prompt.count {
            if prompt[index] == 0x1B, let end = prompt[index...].firstIndex(of: UInt8(ascii: "m")) {
                output += prompt[index...end]
                index = end + 1
            } else {
                let end = prompt[index...].firstIndex(of: 0x1B) ?? prompt.count
                append(prompt[index..<end])
                index = end
            }
        }
    }

    private mutating func append(_ bytes: ArraySlice<UInt8>) {
        var index = bytes.startIndex
        while index < bytes.endIndex {
            let byte = bytes[index]
            switch byte {
            case 0x0A:
                breakRow()
                index += 1
            case 0..<0x20, 0x7F:
                put([UInt8(ascii: "^"), byte ^ 0x40], columns: 2)
                index += 1
            case 0x20..<0x7F:
                put(CollectionOfOne(byte), columns: 1)
                index += 1
            default:
                let (scalar, length) = UTF8Boundary.scalar(at: bytes[index...])
                if let scalar, scalar.value >= 0xA0 {
                    let columns = CharacterWidth.of(scalar)
                    if columns == 0 {
                        output += bytes[index..<(index + length)]
                    } else {
                        put(bytes[index..<(index + length)], columns: columns)
                    }
                } else {
                    // No character: its number, so that nothing unknown reaches the terminal.
                    for byte in bytes[index..<(index + length)] {
                        let digits = Array("0123456789abcdef".utf8)
                        put(
                            [UInt8(ascii: "\\"), UInt8(ascii: "x"), digits[Int(byte >> 4)], digits[Int(byte & 15)]],
                            columns: 4)
                    }
                }
                index += length
            }
        }
    }

    /// What shows this layout where `previous` is shown, with the cursor where that has it.
    public func update(from previous: LineLayout?) -> [UInt8] {
        var bytes: [UInt8] = []
        if let previous {
            // Typing at the end needs no more than the new bytes.
            if previous.isEndOfText, isEndOfText, previous.width == width, lastColumn > 0,
                output.count > previous.output.count, output.starts(with: previous.output)
            {
                return Array(output[previous.output.count...])
            }
            if previous.cursorRow > 0 { bytes += "\u{1B}[\(previous.cursorRow)A".utf8 }
        }
        bytes += "\r\u{1B}[J".utf8
        bytes += output
        if lastRow > cursorRow { bytes += "\u{1B}[\(lastRow - cursorRow)A".utf8 }
        if (cursorRow, cursorColumn) != (lastRow, lastColumn) {
            bytes += [0x0D]
            if cursorColumn > 0 { bytes += "\u{1B}[\(cursorColumn)C".utf8 }
        }
        return bytes
    }

    /// Whether the cursor is where the output ends.
    private var isEndOfText: Bool { (cursorRow, cursorColumn) == (lastRow, lastColumn) }

    /// What moves the cursor from its place to the row below all of this.
    public var leave: [UInt8] {
        var bytes: [UInt8] = []
        if lastRow > cursorRow { bytes += "\u{1B}[\(lastRow - cursorRow)B".utf8 }
        return bytes + [0x0D, 0x0A]
    }
}
