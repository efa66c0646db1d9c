// Replies as values of Lua.
//
//     status, error            {ok = ...}, {err = ...}
//     integer                  number
//     bulk string              string
//     null of RESP2, of RESP3  false, nil
//     array                    table
//     map, set                 {map = {...}}, {set = {member = true ...}}
//     double, big number       {double = ...}, {big_number = ...}
//     verbatim string          {verbatim_string = {string = ..., format = ...}}
//     boolean                  boolean

import Glibc
import RespCodec

@safe struct ReplyToLua {
    /// Why a reply could not be pushed.
    enum Mistake: Error {
        case malformed
        case memory
    }

    private let lua: Lua
    private let bytes: ByteSlice
    private(set) var place = 0

    init(_ lua: Lua, _ bytes: ByteSlice) {
        self.lua = lua
        self.bytes = bytes
    }

    /// Pushes the reply that begins here.
    mutating func push(depth: Int = 0) throws(Mistake) {
        guard place < bytes.count, depth < 128, lua.hasRoom(for: 6) else { throw .malformed }
        let type = bytes[place]
        place += 1
        switch type {
        case UInt8(ascii: "$"):
            guard let string = try takeBulk() else { return lua.push(false) }
            try pushString(string)
        case UInt8(ascii: ":"):
            guard let value = Decimal.parse(try takeLine()) else { throw .malformed }
            lua.push(Double(value))
        case UInt8(ascii: "*"), UInt8(ascii: ">"):
            guard let count = try takeCount() else { return lua.push(false) }
            try pushArray(count, depth)
        case UInt8(ascii: "+"):
            lua.pushTable(fields: 1)
            try pushString(try takeLine())
            lua.setField("ok", of: -2)
        case UInt8(ascii: "-"): pushError(try takeLine())
        default: try pushOther(type, depth)
        }
    }

    /// The types of RESP3.
    private mutating func pushOther(_ type: UInt8, _ depth: Int) throws(Mistake) {
        switch type {
        case UInt8(ascii: "_"):
            _ = try takeLine()
            lua.pushNil()
        case UInt8(ascii: "#"): lua.push(try takeLine() == "t")
        case UInt8(ascii: ","):
            let text = try takeLine()
            lua.pushTable(fields: 1)
            lua.push(FloatingPoint64.parseLeniently(text) ?? Double.nan)
            lua.setField("double", of: -2)
        case UInt8(ascii: "("):
            lua.pushTable(fields: 1)
            try pushString(try takeLine())
            lua.setField("big_number", of: -2)
        case UInt8(ascii: "!"): pushError(try takeBulk() ?? .empty)
        case UInt8(ascii: "="):
            guard let string = try takeBulk(), string.count >= 4 else { throw .malformed }
            lua.pushTable(fields: 1)
            lua.pushTable(fields: 2)
            try pushString(string.dropFirst(4))
            lua.setField("string", of: -2)
            lua.push(string[0..<3])
            lua.setField("format", of: -2)
            lua.setField("verbatim_string", of: -2)
        case UInt8(ascii: "%"):
            let count = try takeCount() ?? 0
            lua.pushTable(fields: 1)
            lua.pushTable()
            for _ in 0..<count {
                try push(depth: depth + 1)
                try push(depth: depth + 1)
                lua.setField(of: -3)
            }
            lua.setField("map", of: -2)
        case UInt8(ascii: "~"):
            let count = try takeCount() ?? 0
            lua.pushTable(fields: 1)
            lua.pushTable()
            for _ in 0..<count {
                try push(depth: depth + 1)
                lua.push(true)
                lua.setField(of: -3)
            }
            lua.setField("set", of: -2)
        case UInt8(ascii: "|"):
            // What describes the reply is passed over.
            let count = try takeCount() ?? 0
            for _ in 0..<count {
                try push(depth: depth + 1)
                try push(depth: depth + 1)
                lua.pop(2)
            }
            try push(depth: depth + 1)
        default: throw .malformed
        }
    }

    private mutating func pushArray(_ count: Int, _ depth: Int) throws(Mistake) {
        lua.pushTable(elements: min(count, bytes.count - place))
        for index in 0..<count {
            try push(depth: depth + 1)
            lua.setElement(index + 1, of: -2)
        }
        guard !lua.isOverLimit() else { throw .memory }
    }

    private func pushString(_ string: ByteSlice) throws(Mistake) {
        guard !lua.isOverLimit(adding: string.count) else { throw .memory }
        lua.push(string)
    }

    private func pushError(_ text: ByteSlice) {
        ([UInt8(ascii: "-")] + text.array).withByteSlice { LuaEnvironment.pushError(lua, $0) }
        // It was counted when the command ended.
        lua.push(true)
        lua.setField("ignore_error_stats_update", of: -2)
    }

    // MARK: bytes

    /// The bytes up to the end of the line, which is passed over.
    @inline(__always)
    private mutating func takeLine() throws(Mistake) -> ByteSlice {
        let start = place
        var end = start
        while end < bytes.count, bytes[end] != 0x0D { end += 1 }
        guard end + 1 < bytes.count else { throw .malformed }
        place = end + 2
        return bytes[start..<end]
    }

    /// A count or a length; nil for the null that it stands for.
    @inline(__always)
    private mutating func takeCount() throws(Mistake) -> Int? {
        guard let count = Decimal.parse(try takeLine()), count >= -1, count <= Int(Int32.max) else {
            throw .malformed
        }
        return count < 0 ? nil : count
    }

    @inline(__always)
    private mutating func takeBulk() throws(Mistake) -> ByteSlice? {
        guard let count = try takeCount() else { return nil }
        guard count <= bytes.count - place - 2 else { throw .malformed }
        defer { place += count + 2 }
        return bytes[place..<place + count]
    }
}
