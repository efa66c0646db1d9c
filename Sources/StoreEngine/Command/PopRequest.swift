// What LMPOP, ZMPOP and those of them that wait are asked for: "numkeys key [key ...] end [COUNT count]".

import RespCodec

struct PopRequest<End> {
    /// Which arguments are keys.
    let keys: Range<Int>
    /// From which end elements are taken.
    let end: End
    /// How many of them, at most.
    let count: Int

    /// Reads from the number of keys, at argument `start`, on.
    /// - Parameter readEnd: reads the word for an end.
    init(
        _ arguments: Arguments, from start: Int, _ readEnd: (inout ArgumentReader) throws(CommandError) -> End
    ) throws(CommandError) {
        var reader = ArgumentReader(arguments, from: start)
        keys = try reader.keys(leaving: 1)
        end = try readEnd(&reader)
        guard !reader.isAtEnd else {
            count = 1
            return
        }
        guard reader.takes("count", with: 1) else { throw .syntax }
        count = try reader.amount()
        try reader.end()
    }
}
