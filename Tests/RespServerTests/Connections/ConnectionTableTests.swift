// Connections by descriptor and by id, where descriptors are used again.

import Testing

@testable import RespServer

@Suite struct ConnectionTableTests {
    private func connection(_ descriptor: Int32, id: UInt64) -> Connection {
        Connection(.scripted(ScriptedClient(descriptor: descriptor)), id: id, isUnix: true, now: 0, unixPath: "test")
    }

    @Test func anEventForAClosedConnectionIsNobodys() {
        let table = ConnectionTable()
        let first = connection(5, id: table.nextID)
        table.insert(first)
        #expect(table[5, registration: first.registration] === first && table[id: 1] === first)
        #expect(table[5, registration: first.registration + 1] == nil)
        #expect(table[4, registration: first.registration] == nil)
        #expect(table[500, registration: first.registration] == nil)
        table.close(first)
        #expect(table.count == 0 && table[id: 1] == nil)
        let second = connection(5, id: table.nextID)
        table.insert(second)
        #expect(second.id == 2 && table[5, registration: first.registration] == nil)
        #expect(table[5, registration: second.registration] === second)
    }

    @Test func theirOrders() {
        let table = ConnectionTable()
        for descriptor: Int32 in [9, 3, 7] { table.insert(connection(descriptor, id: table.nextID)) }
        #expect(table.count == 3 && table.all.map(\.descriptor) == [3, 7, 9])
        #expect(table.byAge.map(\.id) == [1, 2, 3])
        #expect(table[id: 4] == nil && table[id: 0] == nil && table[id: -1] == nil)
    }
}
