// LOLWUT: the version, and in the styles of versions 5 and 6 a random picture.

import RespCodec
import StoreEngine

enum LolwutCommands {
    static let all: [Command<SessionContext>] = [
        Command(
            "LOLWUT", group: .server, since: "5.0.0", arity: -1, flags: [.readOnly, .fast], syntax: "[VERSION version]",
            summary: "Returns the version, with a picture if that of version 5 or 6 is asked for.", complexity: "O(1)",
            run: run)
    ]

    @Sendable static func run(_ context: inout SessionContext, _ arguments: Arguments) throws(CommandError) {
        var width = 64
        var height = 16
        var art: [UInt8] = []
        var options = ArgumentReader(arguments, from: 1)
        if options.takes("version", with: 1) {
            let version = try options.integer()
            // The pictures of versions 5 and 6 take sizes: columns and two counts of squares, or columns and rows.
            var sizes: [Int] = []
            let taken = version == 5 ? 3 : version == 6 ? 2 : 0
            while sizes.count < taken && !options.isAtEnd { sizes.append(try options.integer()) }
            if let first = sizes.first { width = min(max(first, 1), 200) }
            if version == 6 && sizes.count > 1 { height = min(max(sizes[1], 1), 100) }
            if taken > 0 { art = picture(width: width, height: height) + [UInt8(ascii: "\n")] }
        }
        let text = context.reply.beginDeferred()
        art.withByteSlice { context.reply.raw($0) }
        context.reply.text("Redis ver. ", "", string: Product.redisVersion, "\n")
        context.reply.endVerbatim(text)
    }

    /// The interference of circular waves around a few random points.
    private static func picture(width: Int, height: Int) -> [UInt8] {
        let shades = Array(" .:-=+*#%@".utf8)
        let sources = (0..<Int.random(in: 2...4)).map { _ in
            (
                x: Double.random(in: 0..<Double(width)), y: Double.random(in: 0..<Double(height)),
                length: Double.random(in: 4...9)
            )
        }
        let blank = UInt8(ascii: " ")
        var lines: [UInt8] = []
        lines.reserveCapacity((width + 1) * height)
        for row in 0..<height {
            let start = lines.count
            for column in 0..<width {
                var level = 0.0
                for source in sources {
                    // A character is about twice as high as it is wide.
                    let x = Double(column) - source.x
                    let y = (Double(row) - source.y) * 2
                    let phase = (x * x + y * y).squareRoot() / source.length
                    // A triangle wave between 0 and 1.
                    level += abs((phase - phase.rounded()) * 2)
                }
                let share = level / Double(sources.count)
                lines.append(shades[min(Int(share * Double(shades.count)), shades.count - 1)])
            }
            while lines.count > start && lines[lines.count - 1] == blank { lines.removeLast() }
            lines.append(UInt8(ascii: "\n"))
        }
        return lines
    }
}
