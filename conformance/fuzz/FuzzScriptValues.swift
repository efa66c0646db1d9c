// modules: RespCodec
// sources: Sources/RespServer/Scripting/Lua/*.swift
// sources: Sources/RespServer/Configuration/Product.swift
// sources: Sources/RespServer/System/Uncounted.swift
//
// Any bytes go between Lua and the outside: as a reply that a command made, as JSON, as MessagePack, as a packed structure with its format, and
// as the source of a script. Besides not crashing, these things must hold:
//   - what was decoded can be encoded, and that decodes to something of the same length;
//   - a script that runs ends, with a result or with an error, within its bounds of memory and instructions;
//   - the stack is as it was, and garbage is all that is left behind.

import RespCodec

private final class Host: LuaHost {
    var questions = 0

    func call(_ lua: Lua, raisesErrors: Bool) -> Int32 {
        lua.truncate(to: 0)
        lua.push(true)
        return 1
    }
    func checkPermission(_ lua: Lua) -> Int32 { call(lua, raisesErrors: false) }
    func setProtocol(_ version: ProtocolVersion) {}
    func setReplication(_ isTold: Bool) {}
    func log(_ level: Int, _ text: ByteSlice) {}
    func registerFunction(_ lua: Lua) -> Int32 { LuaEnvironment.raise(lua, "no library is loaded") }
    func interrupt(_ lua: Lua) -> Int32 {
        questions += 1
        return questions > 20 ? LuaEnvironment.raise(lua, "ended") : 0
    }
}

nonisolated(unsafe) private let host = Host()
nonisolated(unsafe) private let environment = {
    guard let environment = LuaEnvironment(host: host, for: .scripts, limit: 32 << 20) else {
        fatalError("\(LuaLibrary.advice)")
    }
    return environment
}()
nonisolated(unsafe) private let reply = ReplyWriter()

private func compile(_ text: String) -> Int32 {
    let outcome = Array(text.utf8).withByteSlice { environment.lua.load($0, named: "@fuzz") }
    precondition(outcome == .done, "a script of this target is malformed")
    return environment.lua.keep()
}

private let json = compile(
    """
    local text = cjson.encode(cjson.decode((...)))
    return #cjson.encode(cjson.decode(text)) == #text
    """)
private let messagePack = compile(
    """
    local text = cmsgpack.pack(cmsgpack.unpack(cmsgpack.pack(cmsgpack.unpack((...)))))
    return #cmsgpack.pack(cmsgpack.unpack(text)) == #text
    """)
private let structures = compile(
    """
    local format, data = ...
    pcall(struct.size, format)
    pcall(struct.pack, format, 1, -2, 'abc', 4.5, 'defgh', 2^63, -2^63, 1/0, 0/0)
    for _, at in ipairs({2, 0, -1, #data, #data + 1, #data + 2, 2^31, 2^62, 2^63, -2^63, 1/0, -1/0, 0/0}) do
        pcall(struct.unpack, format, data, at)
    end
    struct.unpack(format, data)
    return true
    """)

/// Calls a function with arguments; what it returns must be true, but it may fail.
private func run(_ function: Int32, _ arguments: [ByteSlice]) {
    let lua = environment.lua
    lua.push(kept: function)
    for argument in arguments { lua.push(argument) }
    if lua.call(argumentCount: Int32(arguments.count), resultCount: 1, handler: LuaEnvironment.handlerIndex) == .done {
        precondition(lua.boolean(-1), "what was encoded decodes to something else")
    }
}

@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzScriptValues(_ start: UnsafeRawPointer?, _ count: Int) -> CInt {
    guard count > 1 else { return 0 }
    let block = UnsafeMutableRawBufferPointer.allocate(byteCount: count - 1, alignment: 1)
    defer { block.deallocate() }
    block.copyMemory(from: UnsafeRawBufferPointer(start: start! + 1, count: count - 1))
    let bytes = ByteSlice(UnsafeRawBufferPointer(block))
    let lua = environment.lua
    host.questions = 0
    switch start!.load(as: UInt8.self) % 5 {
    case 0:
        var conversion = ReplyToLua(lua, bytes)
        do throws(ReplyToLua.Mistake) {
            try conversion.push()
            for version in [ProtocolVersion.resp2, .resp3] {
                lua.push(copyOf: -1)
                reply.removeAll()
                reply.version = version
                var back = LuaToReply(lua, reply, scriptVersion: version)
                back.write()
                precondition(reply.count > 2, "a value without a reply")
            }
        } catch {}
    case 1: run(json, [bytes])
    case 2: run(messagePack, [bytes])
    case 3:
        let end = bytes.index(of: 0xFF) ?? bytes.count
        run(structures, [bytes[0..<end], bytes.dropFirst(end + 1)])
    default:
        if lua.load(bytes, named: "@fuzz") == .done {
            if lua.call(argumentCount: 0, resultCount: 1, handler: LuaEnvironment.handlerIndex) == .done {
                reply.removeAll()
                var back = LuaToReply(lua, reply, scriptVersion: .resp2)
                back.write()
            }
            if host.questions > 20 { environment.interruptAtTimes() }
        }
    }
    environment.json.reset()
    environment.rest()
    precondition(lua.count == LuaEnvironment.restingCount, "something is left on the stack")
    precondition(environment.usedBytes < 33 << 20, "more memory than is allowed")
    return 0
}
