// Copies one value by the commands of its type, some elements at a time, so that memory is bounded whatever its size.

import RespCodec

struct ValueWriter {
    private let source: ToolConnection
    private let target: ToolConnection
    private static let chunk = 500
    private static let stringChunk = 4 * 1024 * 1024

    init(_ source: ToolConnection, _ target: ToolConnection) {
        self.source = source
        self.target = target
    }

    enum Outcome {
        case copied
        /// Without the expiry of its fields, and why.
        case withoutFieldExpiry(ToolFailure)
        /// There is none any more.
        case gone
    }

    private static let types: Set<String> = ["string", "list", "set", "hash", "zset", "stream"]

    /// Copies a value in place of what the target has.
    ///
    /// - Parameter expiry: in Unix milliseconds.
    /// - Throws: a failure of one key if the value cannot be written; the target then has none.
    func copy(_ key: Bytes, expiry: Int?) throws(ToolFailure) -> Outcome {
        let type = Text.string(try source.need([Bytes("TYPE".utf8), key]).stringBytes ?? [])
        if type == "none" { return .gone }
        guard Self.types.contains(type) else {
            throw ToolFailure("values of type \(type) cannot be written by commands", isOfOneKey: true)
        }
        _ = try target.need([Bytes("DEL".utf8), key])
        do throws(ToolFailure) {
            return try write(key, type, expiry)
        } catch {
            // A part of a value would be taken for the whole.
            if error.isOfOneKey { _ = try target.ask([Bytes("DEL".utf8), key]) }
            throw error
        }
    }

    private func write(_ key: Bytes, _ type: String, _ expiry: Int?) throws(ToolFailure) -> Outcome {
        var outcome = Outcome.copied
        switch type {
        case "string": try copyString(key)
        case "list": try copyList(key)
        case "set": try copyScanned(key, scan: "SSCAN", write: "SADD")
        case "hash":
            try copyScanned(key, scan: "HSCAN", write: "HSET")
            do throws(ToolFailure) {
                try copyFieldExpiries(key)
            } catch {
                // The fields are there.
                guard error.isOfOneKey || error.isMissingPermission else { throw error }
                outcome = .withoutFieldExpiry(error)
            }
        case "zset": try copySortedSet(key)
        default: try copyStream(key)
        }
        if let expiry {
            _ = try target.need([Bytes("PEXPIREAT".utf8), key, Decimal.text(expiry)])
        }
        return outcome
    }

    private func words(_ text: String) -> [Bytes] { text.split(separator: " ").map { Bytes($0.utf8) } }

    private func copyString(_ key: Bytes) throws(ToolFailure) {
        var position = 0
        while true {
            let part = try source.need(
                [Bytes("GETRANGE".utf8), key, Decimal.text(position), Decimal.text(position + Self.stringChunk - 1)])
            let bytes = part.stringBytes ?? []
            if position == 0 {
                _ = try target.need([Bytes("SET".utf8), key, bytes])
            } else if !bytes.isEmpty {
                _ = try target.need([Bytes("APPEND".utf8), key, bytes])
            }
            position += bytes.count
            if bytes.count < Self.stringChunk { return }
        }
    }

    private func copyList(_ key: Bytes) throws(ToolFailure) {
        var position = 0
        while true {
            let elements = try source.need(
                [Bytes("LRANGE".utf8), key, Decimal.text(position), Decimal.text(position + Self.chunk - 1)]
            ).listElements.compactMap(\.stringBytes)
            if elements.isEmpty { return }
            _ = try target.need([Bytes("RPUSH".utf8), key] + elements)
            position += elements.count
        }
    }

    private func copyScanned(_ key: Bytes, scan: String, write: String) throws(ToolFailure) {
        var cursor = Bytes("0".utf8)
        repeat {
            let parts = try source.need(
                [Bytes(scan.utf8), key, cursor, Bytes("COUNT".utf8), Decimal.text(Self.chunk)]
            ).listElements
            guard parts.count == 2, let next = parts[0].stringBytes else { return }
            cursor = next
            let elements = parts[1].listElements.compactMap(\.stringBytes)
            if !elements.isEmpty { _ = try target.need([Bytes(write.utf8), key] + elements) }
        } while !cursor.elementsEqual("0".utf8)
    }

    /// Fields that expire by themselves, which servers from 7.4 have.
    private func copyFieldExpiries(_ key: Bytes) throws(ToolFailure) {
        var cursor = Bytes("0".utf8)
        repeat {
            let parts = try source.need(
                [Bytes("HSCAN".utf8), key, cursor, Bytes("COUNT".utf8), Decimal.text(Self.chunk)]
            ).listElements
            guard parts.count == 2, let next = parts[0].stringBytes else { return }
            cursor = next
            let elements = parts[1].listElements.compactMap(\.stringBytes)
            let fields = stride(from: 0, to: elements.count, by: 2).map { elements[$0] }
            guard !fields.isEmpty else { continue }
            let reply = try source.ask(
                [Bytes("HPEXPIRETIME".utf8), key, Bytes("FIELDS".utf8), Decimal.text(fields.count)] + fields)
            // A server that does not know the command has no such fields.
            if reply.errorText != nil { return }
            for (field, moment) in zip(fields, reply.listElements.map(\.integerValue)) {
                guard let moment, moment > 0 else { continue }
                _ = try target.need(
                    [Bytes("HPEXPIREAT".utf8), key, Decimal.text(moment)] + words("FIELDS 1") + [field])
            }
        } while !cursor.elementsEqual("0".utf8)
    }

    private func copySortedSet(_ key: Bytes) throws(ToolFailure) {
        var position = 0
        while true {
            let elements = try source.need(
                [Bytes("ZRANGE".utf8), key, Decimal.text(position), Decimal.text(position + Self.chunk - 1)]
                    + words("WITHSCORES")
            ).listElements.compactMap(\.stringBytes)
            if elements.count < 2 { return }
            var command = [Bytes("ZADD".utf8), key]
            for index in stride(from: 0, to: elements.count - 1, by: 2) {
                command += [elements[index + 1], elements[index]]
            }
            _ = try target.need(command)
            position += elements.count / 2
        }
    }

    // MARK: streams

    private func copyStream(_ key: Bytes) throws(ToolFailure) {
        var start = Bytes("-".utf8)
        while true {
            let entries = try source.need([Bytes("XRANGE".utf8), key, start] + words("+ COUNT \(Self.chunk)"))
                .listElements
            var commands: [[Bytes]] = []
            for entry in entries {
                let parts = entry.listElements
                guard parts.count == 2, let id = parts[0].stringBytes else { continue }
                commands.append([Bytes("XADD".utf8), key, id] + parts[1].listElements.compactMap(\.stringBytes))
                start = Bytes("(".utf8) + id
            }
            for reply in try target.ask(all: commands) { try check(reply, "XADD") }
            if entries.count < Self.chunk { break }
        }
        let information = fields(try source.need([Bytes("XINFO".utf8), Bytes("STREAM".utf8), key]))
        guard let last = information["last-generated-id"]?.stringBytes else { return }
        if information["length"]?.integerValue == 0 {
            // An empty stream exists only after an entry was in it.
            _ = try target.need([Bytes("XADD".utf8), key] + words("MAXLEN 0 0-1 x x"))
        }
        var setting = [Bytes("XSETID".utf8), key, last]
        if let added = information["entries-added"]?.integerValue {
            setting += words("ENTRIESADDED \(added)")
            if let deleted = information["max-deleted-entry-id"]?.stringBytes {
                setting += [Bytes("MAXDELETEDID".utf8), deleted]
            }
        }
        var reply = try target.ask(setting)
        // Servers before 7.0 know only the identifier.
        if reply.errorText != nil { reply = try target.ask(Array(setting.prefix(3))) }
        try check(reply, "XSETID")
        for group in try source.need([Bytes("XINFO".utf8), Bytes("GROUPS".utf8), key]).listElements {
            try copyGroup(fields(group), key)
        }
    }

    private func copyGroup(_ group: [String: Reply], _ key: Bytes) throws(ToolFailure) {
        guard let name = group["name"]?.stringBytes, let last = group["last-delivered-id"]?.stringBytes else { return }
        var creation = words("XGROUP CREATE") + [key, name, last]
        if let read = group["entries-read"]?.integerValue { creation += words("ENTRIESREAD \(read)") }
        var reply = try target.ask(creation)
        if reply.errorText != nil { reply = try target.ask(Array(creation.prefix(5))) }
        try check(reply, "XGROUP CREATE")
        for consumer in try source.need([Bytes("XINFO".utf8), Bytes("CONSUMERS".utf8), key, name]).listElements {
            guard let consumerName = fields(consumer)["name"]?.stringBytes else { continue }
            _ = try target.ask(words("XGROUP CREATECONSUMER") + [key, name, consumerName])
        }
        var start = Bytes("-".utf8)
        while true {
            let pending = try source.need([Bytes("XPENDING".utf8), key, name, start] + words("+ \(Self.chunk)"))
                .listElements
            var commands: [[Bytes]] = []
            for entry in pending {
                let parts = entry.listElements
                guard parts.count == 4, let id = parts[0].stringBytes, let consumer = parts[1].stringBytes,
                    let idle = parts[2].integerValue, let deliveries = parts[3].integerValue
                else { continue }
                commands.append(
                    [Bytes("XCLAIM".utf8), key, name, consumer, Bytes("0".utf8), id]
                        + words("IDLE \(idle) RETRYCOUNT \(deliveries) FORCE JUSTID"))
                start = Bytes("(".utf8) + id
            }
            for reply in try target.ask(all: commands) { try check(reply, "XCLAIM") }
            if pending.count < Self.chunk { return }
        }
    }

    private func check(_ reply: Reply, _ command: String) throws(ToolFailure) {
        guard let message = reply.errorText else { return }
        throw ToolFailure(target, command, message)
    }

    private func fields(_ reply: Reply) -> [String: Reply] {
        let elements = reply.listElements
        var fields: [String: Reply] = [:]
        for index in stride(from: 0, to: elements.count - 1, by: 2) {
            if let name = elements[index].stringBytes { fields[Text.string(name)] = elements[index + 1] }
        }
        return fields
    }
}
