// The thread's side of a MIGRATE over a pair of sockets, whose other end is a script, and what the loop's side is told.

import CLinux
import Glibc
import RespCodec
import Testing

@testable import RespServer

@Suite struct TransferRunTests {
    /// So many bytes do not go before the other end takes some.
    private static let moreThanSocketsTake = 4 << 20

    /// A transfer over one end of a pair of sockets, and the other end.
    private struct Pair {
        let transfer: KeyTransfer
        let other: Int32
        let loopSignal: EventSignal

        init(database: Int = 0, selected: Int? = 0, timeout: Int = 10_000) throws {
            var ends: [Int32] = [0, 0]
            #expect(socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0, &ends) == 0)
            let (one, other) = (ends[0], ends[1])
            #expect(fcntl(one, F_SETFL, O_NONBLOCK) == 0)
            self.other = other
            loopSignal = try EventSignal()
            // Nobody listens there.
            let target = KeyTransfer.Target(
                host: Array("127.0.0.1".utf8), port: Array("-1".utf8), database: database, timeoutMilliseconds: timeout,
                login: [])
            transfer = try KeyTransfer(to: target, telling: loopSignal) {
                KeptSocket(descriptor: one, database: selected)
            }
        }

        func send(_ text: String) { #expect(write(other, text, text.utf8.count) == text.utf8.count) }

        /// What comes, up to a number of bytes or the end.
        func receive(_ count: Int) -> String {
            var bytes: [UInt8] = []
            var room = [UInt8](repeating: 0, count: 65_536)
            while bytes.count < count {
                let read = recv(other, &room, min(room.count, count - bytes.count), 0)
                guard read > 0 else { break }
                bytes += room[..<read]
            }
            return String(decoding: bytes, as: UTF8.self)
        }

        func waitForEnd() { while !transfer.isOver { transfer.wait() } }
    }

    private func part(_ count: Int) -> TransferPart {
        let part = TransferPart()
        for _ in 0..<count {
            part.writer.raw(ByteSlice("request..."))
            part.endRequest()
        }
        return part
    }

    /// Adds a request of so many bytes.
    private func add(_ count: Int, to part: TransferPart) {
        Array(repeating: UInt8(0), count: count).withByteSlice { part.writer.raw($0) }
        part.endRequest()
    }

    private func begin(_ pair: Pair) -> HelperThread {
        let (thread, transfer) = (HelperThread(), pair.transfer)
        thread.submit { TransferRun(transfer).run() }
        return thread
    }

    @Test func everythingIsAcknowledgedOrRefused() throws {
        let pair = try Pair(database: 5, selected: 3)
        let thread = begin(pair)
        #expect(pair.receive(23) == "*2\r\n$6\r\nSELECT\r\n$1\r\n5\r\n")
        pair.transfer.add(part(2), isLast: false)
        pair.send("+OK\r\n")
        #expect(pair.receive(20) == "request...request...")
        pair.send("+OK\r\n-BAD a\r\n")
        pair.transfer.add(part(1), isLast: false)
        #expect(pair.receive(10) == "request...")
        pair.send("-BAD b\r\n")
        pair.transfer.add(TransferPart(), isLast: true)
        pair.waitForEnd()
        thread.waitUntilIdle()
        let result = pair.transfer.end()
        #expect(result.outcome == .answered && result.verdicts == [true, false, false])
        #expect(result.refusal == Array("BAD a".utf8))
        // Which database is selected is not relied on after an error.
        #expect(result.socket != nil && result.socket?.database == nil)
        if let socket = result.socket { close(socket.descriptor) }
        close(pair.other)
    }

    @Test func nothingIsSentWhereTheDatabaseIsRefused() throws {
        let pair = try Pair(database: 99, selected: nil)
        pair.transfer.add(part(3), isLast: true)
        _ = begin(pair)
        _ = pair.receive(24)
        pair.send("-ERR DB index is out of range\r\n")
        pair.waitForEnd()
        let result = pair.transfer.end()
        #expect(result.outcome == .answered && result.verdicts.isEmpty)
        #expect(result.refusal == Array("ERR DB index is out of range".utf8))
        if let socket = result.socket { close(socket.descriptor) }
        #expect(pair.receive(1) == "")
        close(pair.other)
    }

    @Test func aConnectionThatBreaksBehindAnAnswer() throws {
        let pair = try Pair()
        pair.transfer.add(part(3), isLast: true)
        _ = begin(pair)
        #expect(pair.receive(30).count == 30)
        pair.send("+OK\r\n")
        shutdown(pair.other, Int32(SHUT_WR))
        pair.waitForEnd()
        let result = pair.transfer.end()
        #expect(result.outcome == .broken(whileWriting: false) && result.verdicts == [true] && result.socket == nil)
        close(pair.other)
    }

    /// Before any answer another connection is tried, which cannot be made here.
    @Test func aConnectionThatBreaksAtOnceIsTriedAgain() throws {
        let pair = try Pair()
        pair.transfer.add(part(3), isLast: true)
        _ = begin(pair)
        #expect(pair.receive(30).count == 30)
        close(pair.other)
        pair.waitForEnd()
        #expect(pair.transfer.end().outcome == .unconnected)
    }

    /// Nobody can have what was not sent.
    @Test func whatIsAcknowledgedBeforeItWasSentIsNot() throws {
        let pair = try Pair()
        let part = part(1)
        add(Self.moreThanSocketsTake, to: part)
        pair.transfer.add(part, isLast: true)
        _ = begin(pair)
        #expect(pair.receive(10) == "request...")
        pair.send("+OK\r\n+OK\r\n")
        pair.waitForEnd()
        let result = pair.transfer.end()
        #expect(result.outcome == .broken(whileWriting: false) && result.verdicts == [true] && result.socket == nil)
        close(pair.other)
    }

    @Test func anErrorMayComeBeforeAllOfTheRequestIsSent() throws {
        let pair = try Pair()
        let part = TransferPart()
        add(Self.moreThanSocketsTake, to: part)
        pair.transfer.add(part, isLast: true)
        _ = begin(pair)
        #expect(pair.receive(10).utf8.count == 10)
        pair.send("-ERR Protocol error\r\n")
        shutdown(pair.other, Int32(SHUT_RDWR))
        pair.waitForEnd()
        let result = pair.transfer.end()
        #expect(result.refusal == Array("ERR Protocol error".utf8) && result.verdicts == [false])
        close(pair.other)
    }

    /// An answer that never ends holds nothing up for longer than one that does not begin.
    @Test func theBeginningOfAnAnswerIsNone() throws {
        let pair = try Pair(timeout: 1000)
        pair.transfer.add(part(1), isLast: true)
        _ = begin(pair)
        #expect(pair.receive(10) == "request...")
        pair.send("-")
        var steps = 0
        while !pair.transfer.isOver && steps < 100 {
            usleep(100_000)
            _ = Glibc.send(pair.other, "x", 1, Int32(MSG_NOSIGNAL))
            steps += 1
        }
        #expect(steps < 100 && pair.transfer.end().outcome == .broken(whileWriting: false))
        close(pair.other)
    }

    @Test func whatIsGivenUpNotesNothingMore() throws {
        let pair = try Pair()
        pair.transfer.add(part(2), isLast: false)
        let thread = begin(pair)
        #expect(pair.receive(20).count == 20)
        pair.send("+OK\r\n")
        // The first may be noted by now.
        let given = pair.transfer.end()
        #expect(given.outcome == .broken(whileWriting: false) && given.verdicts.count <= 1 && given.socket == nil)
        thread.waitUntilIdle()
        #expect(!pair.transfer.isOver && pair.transfer.isCancelled)
        pair.transfer.note([true], refusal: nil)
        #expect(pair.transfer.end().verdicts == given.verdicts)
        // The connection has ended.
        #expect(pair.receive(1) == "")
        close(pair.other)
    }

    @Test func partsHaveABound() throws {
        let pair = try Pair()
        let part = TransferPart()
        for _ in 0..<2 { add(KeyTransfer.mostHeld / 2, to: part) }
        #expect(pair.transfer.hasRoom)
        pair.transfer.add(part, isLast: false)
        #expect(!pair.transfer.hasRoom)
        let thread = begin(pair)
        #expect(pair.receive(KeyTransfer.mostHeld).utf8.count == KeyTransfer.mostHeld)
        // Until the first answer it may have to be sent again.
        #expect(!pair.transfer.hasRoom)
        pair.send("+OK\r\n")
        pair.transfer.wait()
        #expect(pair.transfer.hasRoom)
        pair.send("+OK\r\n")
        pair.transfer.add(TransferPart(), isLast: true)
        pair.waitForEnd()
        thread.waitUntilIdle()
        if let socket = pair.transfer.end().socket { close(socket.descriptor) }
        close(pair.other)
    }
}
