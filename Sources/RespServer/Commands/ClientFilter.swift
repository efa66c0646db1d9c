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
        // An empty text means that there is no name: it matches nobody, not even who has none.
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
        if let capabilities = traits.capabilities,
            !isRight(capabilities.isEmpty || connection.followsRedirections)
        {
            return false
        }
        return true
    }

    // MARK: reading

    /// The filters that the arguments from `index` on name.
    ///
    /// - Parameter idMessage: What is said of a first id that is no number.
    init(
        _ arguments: Arguments, from index: Int, now: Int64, databaseCount: Int, idMessage: StaticString?
    ) throws(CommandError) {
        var reader = ArgumentReader(arguments, from: index)
        while !reader.isAtEnd {
            // Behind other filters the ids that are not wanted may be none.
            guard reader.left >= 2 || reader.index > index && reader.isAt("not-id") else { throw .syntax }
            let option = reader.next()
            let isNegated = Self.isNegated(option)
            let word = isNegated ? option.dropFirst(4) : option
            var traits = isNegated ? unwanted : wanted
            if word.isWord("id") {
                try Self.readIDs(&reader, into: &traits, isNegated ? nil : idMessage)
            } else if let text = Self.texts.first(where: { word.isWord($0.name) }) {
                traits[keyPath: text.trait] = reader.next().description
            } else if !isNegated, word.isWord("skipme") {
                skipsSelf = try reader.either("yes", or: "no")
            } else if !isNegated, word.isWord("maxage") {
                createdBefore = now - (try Self.seconds(&reader, "maxage"))
            } else if !isNegated, word.isWord("idle") {
                idleSince = now - (try Self.seconds(&reader, "idle"))
            } else {
                try Self.read(word, isNegated: isNegated, reader.next(), into: &traits, databaseCount)
            }
            if isNegated { unwanted = traits } else { wanted = traits }
        }
    }

    /// Reads a trait whose value is not any text.
    private static func read(
        _ word: ByteSlice, isNegated: Bool, _ value: ByteSlice, into traits: inout Traits, _ databaseCount: Int
    ) throws(CommandError) {
        if word.isWord("type") {
            guard let kind = ClientKind(value) else { throw .quoting("ERR Unknown client type '", value, "'") }
            traits.kind = kind
        } else if word.isWord("user") {
            guard value == "default" else { throw .quoting("ERR No such user '", value, "'") }
            traits.user = value.description
        } else if word.isWord("db") {
            traits.database = try database(value, option: isNegated ? "NOT-DB" : "DB", of: databaseCount)
        } else if word.isWord("flags") {
            guard areLetters(value, of: "bcdeirtuxABEIMNOPRSTU") else {
                throw unknown("flags", isNegated ? "NOT-FLAGS" : "provided", value)
            }
            traits.flags = value.description
        } else if word.isWord("capa") {
            guard areLetters(value, of: "r") else {
                throw unknown("capa", isNegated ? "NOT-CAPA" : "provided", value)
            }
            traits.capabilities = value.description
        } else {
            throw .syntax
        }
    }

    /// The traits that are compared with any text.
    private static let texts: [(name: StaticString, trait: WritableKeyPath<Traits, String?> & Sendable)] = [
        ("addr", \.address), ("laddr", \.localAddress), ("ip", \.ip), ("name", \.name), ("lib-name", \.libraryName),
        ("lib-ver", \.libraryVersion),
    ]

    private static func isNegated(_ option: ByteSlice) -> Bool {
        option.count > 4 && option[0..<4].equalsIgnoringCase("not-")
    }

    private static let names: [StaticString] =
        texts.map(\.name) + ["id", "type", "user", "db", "flags", "capa", "maxage", "idle", "skipme"]

    /// Whether a word is the name of a filter.
    static func isName(_ option: ByteSlice) -> Bool {
        // None begins with a digit, which ids do.
        guard option.count > 0, option[0] > UInt8(ascii: "9") else { return false }
        let word = isNegated(option) ? option.dropFirst(4) : option
        return names.contains { word.isWord($0) }
    }

    /// Reads ids as long as there are numbers.
    private static func readIDs(
        _ reader: inout ArgumentReader, into traits: inout Traits, _ firstMessage: StaticString?
    ) throws(CommandError) {
        var ids = traits.ids ?? []
        let start = reader.index
        while !reader.isAtEnd, let id = Decimal.parse(reader.current) {
            guard id >= 1 else { throw .message("ERR client-id should be greater than 0") }
            ids.insert(id)
            reader.skip()
        }
        if reader.index == start, let firstMessage { throw .message(firstMessage) }
        traits.ids = ids
    }

    /// As milliseconds.
    private static func seconds(_ reader: inout ArgumentReader, _ name: String) throws(CommandError) -> Int64 {
        let seconds = try reader.integer(otherwise: .text("ERR \(name) is not an integer or out of range"))
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
            (0..<letters.utf8CodeUnitCount).contains { unsafe letters.utf8Start[$0] == value[index] }
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
        guard let found = words.first(where: { word.isWord($0.0) }) else { return nil }
        self = found.1
    }
}

extension Connection {
    var kind: ClientKind { subscriber == nil ? .normal : .subscriber }

    /// The client's address without its port; nil for a socket in the file system.
    fileprivate var ip: String? {
        guard !isUnix, let colon = address.lastIndex(of: ":") else { return nil }
        let host = address[..<colon]
        return String(host.hasPrefix("[") ? host.dropFirst().dropLast() : host)
    }
}
