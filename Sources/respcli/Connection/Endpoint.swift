// The address of the server, and its notations: in errors ("127.0.0.1:6379", "/run/server.sock"), in the prompt
// ("[::1]:6379", "redis /run/server.sock") and as a URI.

import RespCodec

enum Endpoint: Equatable {
    case tcp(host: Bytes, port: Int)
    case unix(path: Bytes)

    /// The notation in errors.
    var description: String {
        switch self {
        case .tcp(let host, let port): "\(Text.string(host)):\(port)"
        case .unix(let path): Text.string(path)
        }
    }

    /// The notation in the prompt.
    var promptText: String {
        switch self {
        case .tcp(let host, let port):
            host.contains(UInt8(ascii: ":")) ? "[\(Text.string(host))]:\(port)" : description
        case .unix: "redis \(description)"
        }
    }
}

/// The parts of `redis://[[USER:]PASSWORD@][HOST[:PORT]][/DATABASE]`, of the same with `rediss://` for an encrypted connection, or of
/// `unix://[[USER:]PASSWORD@]PATH[?db=DATABASE]`; nil for those that are missing.
///
/// Bytes of user and password may be written as %HH. An IPv6 address is in brackets. An empty user
/// (`redis://:PASSWORD@HOST`) counts as missing: it means the server's default user.
struct ConnectionURI: Equatable {
    var user: Bytes?
    var password: Bytes?
    var host: Bytes?
    var port: Int?
    var database: Int?
    var socketPath: Bytes?
    var isEncrypted = false

    enum Failure: Error, Equatable {
        case invalidScheme
        case incompleteEncoding
        case illegalEncoding

        var message: String {
            switch self {
            case .invalidScheme: "Invalid URI scheme"
            case .incompleteEncoding: "Incomplete URI encoding"
            case .illegalEncoding: "Illegal character in URI encoding"
            }
        }
    }

    init(_ text: Bytes) throws(Failure) {
        func begins(with scheme: String) -> Bool { Text.matches(Bytes(text.prefix(scheme.utf8.count)), scheme) }
        let isSocket = begins(with: "unix://")
        isEncrypted = begins(with: "rediss://")
        guard isEncrypted || isSocket || begins(with: "redis://") else { throw .invalidScheme }
        var rest = text[(isEncrypted ? 9 : isSocket ? 7 : 8)...]
        if let at = rest.firstIndex(of: UInt8(ascii: "@")) {
            var credentials = rest[..<at]
            if let colon = credentials.firstIndex(of: UInt8(ascii: ":")) {
                let name = try Self.decoded(credentials[..<colon])
                if !name.isEmpty { user = name }
                credentials = credentials[(colon + 1)...]
            }
            password = try Self.decoded(credentials)
            rest = rest[(at + 1)...]
        }
        if isSocket {
            readSocket(rest)
            return
        }
        let slash = rest.firstIndex(of: UInt8(ascii: "/")) ?? rest.endIndex
        readAuthority(rest[..<slash])
        let path = rest[slash...].dropFirst()
        if !path.isEmpty { database = Text.leadingInteger(Bytes(path)) }
    }

    private mutating func readSocket(_ text: ArraySlice<UInt8>) {
        let mark = text.firstIndex(of: UInt8(ascii: "?")) ?? text.endIndex
        if mark > text.startIndex { socketPath = Bytes(text[..<mark]) }
        for parameter in text[mark...].dropFirst().split(separator: UInt8(ascii: "&"))
        where parameter.starts(with: "db=".utf8) {
            database = Text.leadingInteger(Bytes(parameter.dropFirst(3)))
        }
    }

    /// Whether `text` begins as a URI of a server does.
    static func isURI(_ text: Bytes) -> Bool {
        ["redis://", "rediss://", "unix://"].contains { Text.matches(Bytes(text.prefix($0.utf8.count)), $0) }
    }

    private mutating func readAuthority(_ authority: ArraySlice<UInt8>) {
        var name = authority
        var behind = authority[authority.endIndex...]
        if authority.first == UInt8(ascii: "["), let bracket = authority.firstIndex(of: UInt8(ascii: "]")) {
            name = authority[(authority.startIndex + 1)..<bracket]
            behind = authority[(bracket + 1)...]
        } else if let colon = authority.firstIndex(of: UInt8(ascii: ":")) {
            name = authority[..<colon]
            behind = authority[colon...]
        }
        if !name.isEmpty { host = Bytes(name) }
        if behind.first == UInt8(ascii: ":") { port = Text.leadingInteger(Bytes(behind.dropFirst())) }
    }

    private static func decoded(_ text: ArraySlice<UInt8>) throws(Failure) -> Bytes {
        var bytes: Bytes = []
        var index = text.startIndex
        while index < text.endIndex {
            guard text[index] == UInt8(ascii: "%") else {
                bytes.append(text[index])
                index += 1
                continue
            }
            guard index + 2 < text.endIndex else { throw .incompleteEncoding }
            guard let byte = Hexadecimal.byte(text[index + 1], text[index + 2]) else { throw .illegalEncoding }
            bytes.append(byte)
            index += 3
        }
        return bytes
    }
}
