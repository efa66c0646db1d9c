// Values of Lua as replies, the other way round of `ReplyToLua`. A table is an array up to its first nil, unless one of its fields says that
// it is something else.

import RespCodec

@safe struct LuaToReply {
    let lua: Lua
    let reply: ReplyWriter
    /// In which version of the protocol the script had its commands answered: what a boolean becomes depends on it.
    let scriptVersion: ProtocolVersion
    /// Whether an error among it was counted before.
    private(set) var holdsCountedError = false
    private var steps = 0
    /// The script is to end in the middle of this. Then what is on the stack is anything.
    private(set) var isInterrupted = false

    init(_ lua: Lua, _ reply: ReplyWriter, scriptVersion: ProtocolVersion) {
        self.lua = lua
        self.reply = reply
        self.scriptVersion = scriptVersion
    }

    /// Tables within tables that are written. The stack of a coroutine or a script has room for some more.
    private static let mostDepth = 4000

    /// Writes the value on top, and takes it away.
    mutating func write(depth: Int = 0) {
        guard !isInterrupted else { return }
        guard lua.mayGoOn(&steps) else {
            isInterrupted = true
            return
        }
        guard lua.hasRoom(for: 6), depth < Self.mostDepth else {
            reply.error("ERR reached lua stack limit")
            return lua.pop()
        }
        switch lua.type(-1) {
        case .string: reply.bulkString(lua.string(-1) ?? .empty)
        case .number: reply.integer(LuaNumber.int64(lua.number(-1)))
        case .boolean:
            let value = lua.boolean(-1)
            if scriptVersion == .resp3 {
                reply.boolean(value)
            } else if value {
                reply.integer(1)
            } else {
                reply.null()
            }
        case .table:
            writeTable(depth)
            if isInterrupted { return }
        default: reply.null()
        }
        lua.pop()
    }

    private mutating func writeTable(_ depth: Int) {
        // Most tables are arrays without fields of that kind; they are told by having elements and nothing else only by looking.
        if writeTyped(depth) { return }
        var count = 0
        while true {
            lua.pushElement(count + 1, of: -1)
            let isEnd = lua.type(-1) == .nil
            lua.pop()
            if isEnd { break }
            count += 1
        }
        reply.array(count)
        for index in 0..<count {
            lua.pushElement(index + 1, of: -1)
            write(depth: depth + 1)
            if isInterrupted { return }
        }
    }

    /// Writes the table on top as what one of its fields says; false if none does.
    private mutating func writeTyped(_ depth: Int) -> Bool {
        let table = lua.count
        defer { lua.truncate(to: table) }
        if pushField("err", .string) {
            writeError()
            return true
        }
        if pushField("ok", .string) {
            (lua.text(-1)?.array ?? []).map { $0 == 0x0D || $0 == 0x0A ? 0x20 : $0 }
                .withByteSlice { reply.status($0) }
            return true
        }
        if pushField("double", .number) {
            reply.double(lua.number(-1))
            return true
        }
        if pushField("big_number", .string) {
            (lua.string(-1)?.array ?? []).map { $0 == 0x0D || $0 == 0x0A ? 0x20 : $0 }
                .withByteSlice { reply.bigNumber($0) }
            return true
        }
        if pushField("verbatim_string", .table) {
            let verbatim = lua.count
            if pushField("format", .string), pushField("string", .string, of: verbatim) {
                let format = ((lua.text(-2)?.array ?? []) + [0x20, 0x20, 0x20]).prefix(3)
                Array(format).withByteSlice { reply.verbatim(lua.string(-1)?.array ?? [], format: $0) }
                return true
            }
            lua.truncate(to: table)
        }
        if pushField("map", .table) {
            reply.map(entryCount())
            lua.pushNil()
            while lua.pushNext(of: -2) {
                lua.push(copyOf: -2)
                write(depth: depth + 1)
                write(depth: depth + 1)
                if isInterrupted { return true }
            }
            return true
        }
        if pushField("set", .table) {
            reply.set(entryCount())
            lua.pushNil()
            while lua.pushNext(of: -2) {
                lua.pop()
                lua.push(copyOf: -1)
                write(depth: depth + 1)
                if isInterrupted { return true }
            }
            return true
        }
        return false
    }

    /// Pushes a field of the table on top, or of that at `index`, if it has a type.
    private func pushField(_ name: ByteSlice, _ type: LuaType, of index: Int32 = -1) -> Bool {
        lua.pushField(name, of: index)
        if lua.type(-1) == type { return true }
        lua.pop()
        return false
    }

    /// How many entries the table on top has.
    private func entryCount() -> Int {
        var count = 0
        lua.pushNil()
        while lua.pushNext(of: -2) {
            lua.pop()
            count += 1
        }
        return count
    }

    /// Writes the text on top as an error; the table that it is of is below.
    private mutating func writeError() {
        lua.pushField("ignore_error_stats_update", of: -2)
        if lua.boolean(-1) { holdsCountedError = true }
        lua.pop()
        reply.error(lua.text(-1) ?? .empty)
    }
}
