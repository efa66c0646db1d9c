// COMMAND GETKEYS and GETKEYSANDFLAGS: which arguments of a request are keys, as the specs of its command say (`KeySpec.swift`).

import RespCodec
import StoreEngine

extension CommandCommands {
    static func replyKeys(
        _ context: SessionContext, _ arguments: Arguments, withFlags: Bool
    ) throws(CommandError) {
        let request = arguments.dropFirst(2)
        guard let record = context.server.commands.record(of: request) else {
            throw .message("ERR Invalid command specified")
        }
        guard record.info.keys.contains(where: { !$0.flags.contains(.notKey) }) else {
            throw .message("ERR The command has no key arguments")
        }
        guard record.accepts(request.count) else {
            throw .message("ERR Invalid number of arguments specified for command")
        }
        let specs = record.info.keys
        var keys: [(index: Int, flags: KeySpec.Flags)] = []
        if !specs.forEachKey(in: request, { keys.append(($0, $1)) }) {
            keys.removeAll()
            if let spec = specs.first(where: { $0.allKeys != nil }) {
                let flags = spec.flags.subtracting(.incomplete)
                keys = spec.allKeys?(request).map { ($0, flags) } ?? []
            }
            _ = specs.forEachKeyCountedLeniently(in: request) { keys.append(($0, [])) }
        }
        guard !keys.isEmpty || record.flags.contains(.noMandatoryKeys) else {
            throw .message("ERR Invalid arguments specified for command")
        }
        let reply = context.reply
        reply.array(keys.count)
        for key in keys {
            if withFlags { reply.array(2) }
            reply.bulkString(request[key.index])
            if withFlags { statuses(key.flags.names.map { "\($0)" }, reply) }
        }
    }
}
