// Who is served when: in the order in which they were queued, once, and the first of the next turn if this one is over.

import Testing

@testable import RespServer

@Suite struct TurnQueueTests {
    private let turns = TurnQueue()
    private let connections = (0..<4).map {
        Connection(
            .scripted(ScriptedPeer(descriptor: Int32($0))), id: UInt64($0 + 1), isUnix: true, now: 0, unixPath: "")
    }

    /// The descriptors of those who are served in a turn that is over when so many were.
    private func serve(most: Int = .max, _ body: (Connection) -> Void = { _ in }) -> [Int32] {
        var served: [Int32] = []
        turns.beginServing()
        while turns.isServing {
            if served.count == most {
                turns.putOff()
                break
            }
            let connection = turns.next()
            served.append(connection.descriptor)
            body(connection)
        }
        return served
    }

    @Test func theOrder() {
        for connection in connections { turns.enqueue(connection) }
        turns.enqueue(connections[0])
        #expect(turns.hasQueued && !turns.isIdle)
        // Who is queued again while it is served comes in the next turn.
        #expect(serve { turns.enqueue($0) } == [0, 1, 2, 3])
        #expect(serve() == [0, 1, 2, 3])
        #expect(!turns.hasQueued && turns.isIdle && connections.allSatisfy { !$0.isQueued })
    }

    @Test func whoIsPutOffIsAmongTheFirst() {
        for connection in connections { turns.enqueue(connection) }
        #expect(serve(most: 1) { turns.enqueue($0) } == [0])
        #expect(serve() == [1, 2, 3, 0])
    }

    /// Whose command others are served in is not served itself, and then comes behind them.
    @Test func servingOthersWithinACommand() {
        for connection in connections { turns.enqueue(connection) }
        var inner: [Int32] = []
        let outer = serve { connection in
            guard connection === connections[1], inner.isEmpty else { return }
            turns.enqueue(connection)
            turns.setAside(connection)
            turns.enqueue(connection)
            turns.putOff()
            inner = serve()
            turns.putBack(connection)
        }
        #expect(outer == [0, 1] && inner == [2, 3])
        #expect(serve() == [1])
    }

    @Test func events() {
        turns.beginEvents(2)
        #expect(!turns.isIdle && turns.nextEvent() == 0)
        #expect(turns.nextEvent() == 1 && turns.nextEvent() == nil && turns.isIdle)
        #expect(!turns.isStopping)
        turns.stop()
        #expect(turns.isStopping)
    }
}
