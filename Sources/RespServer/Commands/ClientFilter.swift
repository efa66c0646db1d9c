// What CLIENT LIST and CLIENT KILL choose connections by: the filters of Valkey 9, of which Redis has some.
//
// A connection is chosen if it fits all filters, and none of those whose names begin with NOT. Of a filter that comes twice the last
// one counts, but ids add up. What one of the filters asks for is checked for all commands alike.

import RespCodec
import StoreEngine

struct ClientFilter {
    /// What a connection is like; nil stands for "anything".
    private struct Traits {
        var ids: Set<Int>?
        var kind: ClientKind?
        var user: String?
        var address: String?
        var localAddress: String?
        var ip: String?
        var name: String?
        var libraryName: String?
        var libraryVersion: String?
        var database: Int?
        var flags: String?
        var capabilities: String?
    }

    private var wanted = Traits()
    private var unwanted = Traits()
    private var createdBefore: Int64?
    private var idleSince: Int64?
    /// Whether the connection that asks is left out; nil if nothing was said.
    private(set) var skipsSelf: Bool?

    init() {}

    /// The filter that only an address makes.
    init(address: String) { wanted.address = address }

    func accepts(_ connection: Connection) -> Bool {
        if let createdBefore, connection.created > createdBefore { return false }
        if let idleSince, connection.lastActive > idleSince { return false }
        return matches(wanted, connection) { $0 } && matches(unwanted, connection) { !$0 }
    }

    /// Whether the outcome of each comparison is as it should be.
    private func matches(_ traits: Traits, _ connection: Connection, _ isRight: (Bool) -> Bool) -> Bool {
        if let ids = traits.ids, !isRight(ids.contains(Int(connection.id))) { return false }
        if let kind = traits.kind, !isRight(connection.kind == kind) { return false }
        if let user = traits.user, !isRight(connection.user == user) { return false }
        if let address = traits.address, !isRight(connection.address == address) { return false }
        if let local = traits.localAddress, !isRight(connection.localAddress == local) { return false }
        if let ip = traits.ip, !isRight(connection.ip == ip) { return false }
        // Who has no name has not the empty one.
        if let name = traits.name, !isRight(!name.isEmpty && connection.name == name) { return false }
        if let name = traits.libraryName, !isRight(!name.isEmpty && connection.libraryName == name) { return false }
        if let version = traits.libraryVersion, !isRight(!version.isEmpty && connection.libraryVersion == version) {
            return false
        }
        if let database = traits.database, !isRight(connection.database == database) { return false }
        if let flags = traits.flags {
            let present = ClientLine.flags(of: connection)
            if !isRight(flags.allSatisfy(present.contains)) { return false }
        }
        // No connection can have any here.
        if let capabilities = traits.capabilities, !isRight(capabilities.isEmpty) { return false }
        return true
    }

    // MARK: reading

    /// The filters that the arguments from `index` on name.
    ///
    /// - Parameter idMessage: What is said of a first id that is no number.
    init(
        _ arguments: Arguments, from index: Int, now: Int64, databaseCount: Int, idMessage: StaticString?
    ) throws(CommandError) {
        var index = index
        while index < arguments.count {
            guard index + 1 < arguments.count else { throw .syntax }
            let option = arguments[index]
            let value = arguments[index + 1]
            let isNegated = Self.isNegated(option)
            let word = isNegated ? option.dropFirst(4) : option
            var traits = isNegated ? unwanted : wanted
            index += 2
            if word.equalsIgnoringCase("id") {
                index = try Self.readIDs(arguments, from: index - 1, into: &traits, isNegated ? nil : idMessage)
            } else if word.equalsIgnoringCase("type") {
                guard let kind = ClientKind(value) else { throw .quoting("ERR Unknown client type '", value, "'") }
                traits.kind = kind
            } else if word.equalsIgnoringCase("user") {
                guard value == "default" else { throw .quoting("ERR No such user '", value, "'") }
                traits.user = value.description
            } else if word.equalsIgnoringCase("addr") {
                traits.address = value.description
            } else if word.equalsIgnoringCase("laddr") {
                traits.localAddress = value.description
            } else if word.equalsIgnoringCase("ip") {
                traits.ip = value.description
            } else if word.equalsIgnoringCase("name") {
                traits.name = value.description
            } else if word.equalsIgnoringCase("lib-name") {
                traits.libraryName = value.description
            } else if word.equalsIgnoringCase("lib-ver") {
                traits.libraryVersion = value.description
            } else if word.equalsIgnoringCase("db") {
                traits.database = try Self.database(value, option: isNegated ? "NOT-DB" : "DB", of: databaseCount)
            } else if word.equalsIgnoringCase("flags") {
                guard Self.areLetters(value, of: "bcdeirtuxABEIMNOPRSTU") else {
                    throw Self.unknown("flags", isNegated ? "NOT-FLAGS" : "provided", value)
                }
                traits.flags = value.description
            } else if word.equalsIgnoringCase("capa") {
                guard Self.areLetters(value, of: "r") else {
                    throw Self.unknown("capa", isNegated ? "NOT-CAPA" : "provided", value)
                }
                traits.capabilities = value.description
            } else if !isNegated && word.equalsIgnoringCase("maxage") {
                createdBefore = now - (try Self.seconds(value, "maxage"))
            } else if !isNegated && word.equalsIgnoringCase("idle") {
                idleSince = now - (try Self.seconds(value, "idle"))
            } else if !isNegated && word.equalsIgnoringCase("skipme") {
                skipsSelf = value.equalsIgnoringCase("yes")
                guard skipsSelf == true || value.equalsIgnoringCase("no") else { throw .syntax }
            } else {
                throw .syntax
            }
            if isNegated { unwanted = traits } else { wanted = traits }
        }
    }

    private static func isNegated(_ option: ByteSlice) -> Bool {
        option.count > 4 && option[0..<4].equalsIgnoringCase("not-")
    }

    private static let names: [StaticString] = [
        "id", "type", "user", "addr", "laddr", "ip", "name", "lib-name", "lib-ver", "db", "flags", "capa", "maxage",
        "idle",
        "skipme",
    ]

    /// Whether a word is the name of a filter.
    static func isName(_ option: ByteSlice) -> Bool {
        // None begins with a digit, which ids do.
        guard option.count > 0, option[0] > UInt8(ascii: "9") else { return false }
        let word = isNegated(option) ? option.dropFirst(4) : option
        return names.contains { word.equalsIgnoringCase($0) }
    }

    /// Reads ids as long as there are numbers, and returns where they end.
    private static func readIDs(
        _ arguments: Arguments, from start: Int, into traits: inout Traits, _ firstMessage: StaticString?
    ) throws(CommandError) -> Int {
        var ids = traits.ids ?? []
        var index = start
        while index < arguments.count, let id = Decimal.parse(arguments[index]) {
            guard id >= 1 else { throw .message("ERR client-id should be greater than 0") }
            ids.insert(id)
            index += 1
        }
        if index == start, let firstMessage { throw .message(firstMessage) }
        traits.ids = ids
        return index
    }

    /// As milliseconds.
    private static func seconds(_ value: ByteSlice, _ name: String) throws(CommandError) -> Int64 {
        guard let seconds = Decimal.parse(value) else {
            throw .text("ERR \(name) is not an integer or out of range")
        }
        guard seconds >= 1 else { throw .text("ERR \(name) should be greater than 0") }
        return Int64(min(seconds, Int(Int32.max))) * 1000
    }

    private static func database(_ value: ByteSlice, option: String, of count: Int) throws(CommandError) -> Int {
        guard let index = Decimal.parse(value), Int32(exactly: index) != nil else {
            throw .text("ERR \(option) is not an integer or out of range")
        }
        guard index >= 0 && index < count else {
            throw .text("ERR \(option) number should be between 0 and \(count - 1)")
        }
        return index
    }

    private static func areLetters(_ value: ByteSlice, of letters: StaticString) -> Bool {
        (0..<value.count).allSatisfy { index in
            (0..<letters.utf8CodeUnitCount).contains { letters.utf8Start[$0] == value[index] }
        }
    }

    private static func unknown(_ what: String, _ filter: String, _ value: ByteSlice) -> CommandError {
        .bytes(
            Array("ERR Unknown \(what) found in the \(filter) filter: ".utf8)
                + CommandError.shown(value, limit: Int.max))
    }
}

/// What a connection is used for.
enum ClientKind {
    case normal
    case primary
    case replica
    case subscriber

    init?(_ word: ByteSlice) {
        let words: [(StaticString, ClientKind)] = [
            ("normal", .normal), ("master", .primary), ("primary", .primary), ("slave", .replica),
            ("replica", .replica),
            ("pubsub", .subscriber),
        ]
        guard let found = words.first(where: { word.equalsIgnoringCase($0.0) }) else { return nil }
        self = found.1
    }
}

extension Connection {
    var kind: ClientKind { .normal }

    /// The client's address without its port; empty for a socket in the file system.
    fileprivate var ip: String {
        guard !isUnix, let colon = address.lastIndex(of: ":") else { return "" }
        let host = address[..<colon]
        return String(host.hasPrefix("[") ? host.dropFirst().dropLast() : host)
    }
}
