// Which connections fit which filters.

import RespCodec
import StoreEngine
import Testing

@testable import RespServer

@Suite struct ClientFilterTests {
    private let one = ScriptedServer()

    private func client(_ lines: String...) -> Connection {
        let client = one.connect()
        for line in lines { one.send(client, line) }
        return client.connection
    }

    /// The filter that some words make; its error's text if they make none.
    private func filter(_ text: String) -> (filter: ClientFilter?, error: String) {
        let words = OwnedArguments(text.split(separator: " ", omittingEmptySubsequences: false).map { Array($0.utf8) })
        defer { withExtendedLifetime(words) {} }
        do throws(CommandError) {
            return (
                try ClientFilter(
                    words.view, from: 0, now: one.server.engine.now, databaseCount: 16, idMessage: "ERR no id"), ""
            )
        } catch {
            let writer = ReplyWriter(capacity: 64)
            defer { writer.deallocate() }
            error.write(to: writer)
            return (nil, writer.lastError.description)
        }
    }

    private func accepts(_ text: String, _ connections: Connection...) -> [Bool] {
        guard let filter = filter(text).filter else { return [] }
        return connections.map { filter.accepts($0) }
    }

    @Test func traitsAndTheirOpposites() {
        let (plain, named) = (client(), client("CLIENT SETNAME n", "SELECT 3", "CLIENT SETINFO LIB-NAME lib"))
        #expect(accepts("id \(plain.id)", plain, named) == [true, false])
        #expect(accepts("ID \(plain.id) \(named.id) 99", plain, named) == [true, true])
        #expect(accepts("not-id \(plain.id)", plain, named) == [false, true])
        #expect(accepts("name n", plain, named) == [false, true])
        #expect(accepts("not-name n", plain, named) == [true, false])
        #expect(accepts("lib-name lib", plain, named) == [false, true])
        #expect(accepts("db 3", plain, named) == [false, true] && accepts("NOT-DB 3", plain, named) == [true, false])
        #expect(accepts("type normal user default", plain, named) == [true, true])
        #expect(accepts("type pubsub", plain, named) == [false, false])
    }

    /// No name is not an empty one.
    @Test func noNameIsNotAnEmptyOne() {
        let plain = client()
        #expect(accepts("name ", plain) == [false] && accepts("not-name ", plain) == [true])
    }

    /// A filter that comes twice counts as it came last, but ids add up; all must fit.
    @Test func severalFilters() {
        let (first, second) = (client("SELECT 1"), client("SELECT 2"))
        #expect(accepts("db 1 db 2", first, second) == [false, true])
        #expect(accepts("id \(first.id) id \(second.id) db 1", first, second) == [true, false])
        #expect(accepts("id \(first.id) not-id \(first.id)", first, second) == [false, false])
        #expect(filter("skipme yes").filter?.skipsSelf == true && filter("skipme NO").filter?.skipsSelf == false)
        #expect(filter("db 1").filter?.skipsSelf == nil)
    }

    @Test func ages() {
        let old = client()
        #expect(accepts("maxage 100", old) == [false] && accepts("idle 100", old) == [false])
    }

    @Test(arguments: [
        "id", "id x", "id 0", "db 16", "db -1", "db x", "type x", "user x", "flags z", "capa z", "maxage x",
        "nothing x",
        "name a b", "skipme maybe", "not-skipme yes",
    ])
    func whatIsNoFilter(_ text: String) {
        let (filter, error) = filter(text)
        #expect(filter == nil && !error.isEmpty)
    }

    @Test func namesOfFilters() {
        for name in ["ID", "not-addr", "skipme", "lib-ver"] {
            #expect(Array(name.utf8).withByteSlice(ClientFilter.isName))
        }
        for name in ["12", "", "not-", "x"] { #expect(!Array(name.utf8).withByteSlice(ClientFilter.isName)) }
    }
}
