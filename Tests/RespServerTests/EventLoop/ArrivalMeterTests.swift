// When the loop looks away: many clients, one after the other, and fast. Events and cycles are made up.

import Testing

@testable import RespServer

@Suite struct ArrivalMeterTests {
    private static let millisecond: UInt64 = 2_400_000

    /// Clients that send by turns.
    private struct Crowd {
        var meter = ArrivalMeter()
        private var lastEvents: [Int]
        private var next = 0
        private var cycles: UInt64 = 5_000_000

        init(clients: Int) { lastEvents = Array(repeating: 0, count: clients) }

        /// - Parameter gap: cycles between two events.
        mutating func send(events: Int, gap: UInt64, turns: Int = 400) {
            for _ in 0..<turns {
                for _ in 0..<events {
                    meter.count(&lastEvents[next])
                    next = (next + 1) % lastEvents.count
                }
                cycles += gap * UInt64(events)
                meter.turn(events: events, cycles: cycles, millisecond: ArrivalMeterTests.millisecond)
            }
        }
    }

    private func gathers(clients: Int, events: Int, gap: UInt64) -> Bool {
        var crowd = Crowd(clients: clients)
        crowd.send(events: events, gap: gap)
        return crowd.meter.gathers
    }

    @Test func manyFastClientsAreLetGather() {
        #expect(gathers(clients: 50, events: 3, gap: 10_000))
        #expect(gathers(clients: 20, events: 1, gap: 30_000))
    }

    @Test func fewOrSlowOnesAreAnsweredAtOnce() {
        #expect(!gathers(clients: 6, events: 3, gap: 10_000))
        #expect(!gathers(clients: 1, events: 1, gap: 10))
        #expect(!gathers(clients: 50, events: 3, gap: 60_000))
    }

    @Test func whereManyAreFoundAtOnceThereIsNothingToGain() {
        #expect(!gathers(clients: 50, events: 8, gap: 10_000) && gathers(clients: 50, events: 7, gap: 10_000))
    }

    /// Turns without events change nothing; when the clients become slow, it ends.
    @Test func itFollowsWhatClientsDo() {
        var crowd = Crowd(clients: 50)
        #expect(!crowd.meter.gathers)
        crowd.send(events: 3, gap: 10_000)
        crowd.meter.turn(events: 0, cycles: UInt64.max / 2, millisecond: Self.millisecond)
        #expect(crowd.meter.gathers)
        crowd.send(events: 3, gap: 200_000)
        #expect(!crowd.meter.gathers)
    }
}
