// A terminal as far as tests need one: rows of characters, a cursor, and the sequences that this library writes.

import TerminalKit

struct ScreenModel {
    let width: Int
    private(set) var rows: [[String]] = [[]]
    private(set) var row = 0
    private(set) var column = 0
    /// The cursor is behind the last column: the next character begins a row.
    private var isPending = false

    init(width: Int) { self.width = width }

    var text: [String] {
        rows.map { $0.joined() }.map { line in
            var line = line
            while line.last == " " { line.removeLast() }
            return line
        }
    }

    private mutating func put(_ character: String, _ columns: Int) {
        if columns == 0 {
            let place = isPending ? column : column - 1
            if place >= 0, place < rows[row].count { rows[row][place] += character }
            return
        }
        if isPending || column + columns > width {
            lineFeed()
            column = 0
        }
        while rows[row].count < column { rows[row].append(" ") }
        for offset in 0..<columns {
            let cell = offset == 0 ? character : ""
            if column < rows[row].count { rows[row][column] = cell } else { rows[row].append(cell) }
            column += 1
        }
        isPending = column == width
        if isPending { column -= 1 }
    }

    private mutating func lineFeed() {
        row += 1
        isPending = false
        if row == rows.count { rows.append([]) }
    }

    mutating func take(_ bytes: [UInt8]) {
        let scalars = Array(String(decoding: bytes, as: UTF8.self).unicodeScalars)
        var index = 0
        while index < scalars.count {
            let scalar = scalars[index]
            index += 1
            switch scalar {
            case "\r":
                column = 0
                isPending = false
            case "\n": lineFeed()
            case "\u{08}": column = max(0, column - 1)
            case "\u{07}": break
            case "\u{1B}":
                index += 1
                var number = ""
                while index < scalars.count, !("A"..."z").contains(scalars[index]) {
                    number.unicodeScalars.append(scalars[index])
                    index += 1
                }
                let count = Int(number) ?? 1
                switch scalars[index] {
                case "A": row = max(0, row - count)
                case "B": row = min(rows.count - 1, row + count)
                case "C": column = min(width - 1, column + count)
                case "J":
                    rows.removeSubrange((row + 1)...)
                    rows[row].removeLast(max(0, rows[row].count - column))
                case "K": rows[row].removeLast(max(0, rows[row].count - column))
                default: break
                }
                if scalars[index] != "m" { isPending = false }
                index += 1
            default: put(String(scalar), CharacterWidth.of(scalar))
            }
        }
    }
}
