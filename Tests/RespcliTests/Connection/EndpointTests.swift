import Testing

@testable import respcli

@Suite struct EndpointTests {
    private static func uri(_ text: String) throws(ConnectionURI.Failure) -> ConnectionURI {
        try ConnectionURI(Bytes(text.utf8))
    }

    private static func text(_ bytes: Bytes?) -> String? { bytes.map { String(decoding: $0, as: UTF8.self) } }

    @Test func partsThatAreLeftOutStayOpen() throws {
        for text in ["redis://", "REDIS:///"] {
            let uri = try Self.uri(text)
            #expect(uri.host == nil && uri.port == nil && uri.database == nil && uri.user == nil && uri.password == nil)
        }
        #expect(try Self.uri("redis://:7000").port == 7000)
        #expect(try Self.uri("redis:///4").database == 4)
    }

    @Test func everyPart() throws {
        let uri = try Self.uri("redis://us%65r:p%40ss%3a@db.example:7000/12")
        #expect(Self.text(uri.user) == "user" && Self.text(uri.password) == "p@ss:")
        #expect(Self.text(uri.host) == "db.example" && uri.port == 7000 && uri.database == 12)
    }

    @Test func passwordsWithoutAUser() throws {
        for text in ["redis://secret@h", "redis://:secret@h"] {
            let uri = try Self.uri(text)
            #expect(uri.user == nil && Self.text(uri.password) == "secret" && Self.text(uri.host) == "h")
        }
    }

    @Test func ipv6AddressesStandInBrackets() throws {
        let uri = try Self.uri("redis://u:w@[::1]:7000/3")
        #expect(Self.text(uri.host) == "::1" && uri.port == 7000 && uri.database == 3)
        #expect(try Self.uri("redis://[fe80::1]").port == nil)
    }

    @Test func encryptionAndSockets() throws {
        let encrypted = try Self.uri("rediss://u:w@h:7000/3")
        #expect(encrypted.isEncrypted && Self.text(encrypted.host) == "h" && encrypted.port == 7000)
        let socket = try Self.uri("unix://u:w@/run/redis.sock?x=1&db=4")
        #expect(Self.text(socket.socketPath) == "/run/redis.sock" && socket.database == 4)
        #expect(Self.text(socket.user) == "u" && Self.text(socket.password) == "w" && !socket.isEncrypted)
        #expect(try Self.uri("unix:///s").database == nil && Self.uri("unix://").socketPath == nil)
    }

    @Test func mistakes() {
        #expect(throws: ConnectionURI.Failure.invalidScheme) { try Self.uri("http://h") }
        #expect(throws: ConnectionURI.Failure.invalidScheme) { try Self.uri("redis:/") }
        #expect(throws: ConnectionURI.Failure.incompleteEncoding) { try Self.uri("redis://a%4@h") }
        #expect(throws: ConnectionURI.Failure.incompleteEncoding) { try Self.uri("redis://a%@h") }
        #expect(throws: ConnectionURI.Failure.illegalEncoding) { try Self.uri("redis://a%4g@h") }
    }

    @Test func textsForErrorsAndPrompts() {
        let address = Endpoint.tcp(host: Bytes("::1".utf8), port: 1)
        #expect(address.description == "::1:1" && address.promptText == "[::1]:1")
        let name = Endpoint.tcp(host: Bytes("db".utf8), port: 1)
        #expect(name.description == "db:1" && name.promptText == "db:1")
        let path = Endpoint.unix(path: Bytes("/s".utf8))
        #expect(path.description == "/s" && path.promptText == "redis /s")
    }
}
