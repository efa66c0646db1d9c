// Input that a connection has sent and that was not executed: fed in pieces of every size, it gives the requests that were sent.

import Glibc
import RespCodec
import Testing

@testable import RespServer

@Suite struct PendingInputTests {
    /// Goes on with what is kept as the server does, and gives the requests that are whole.
    private func requests(of pending: PendingInput, reader: RequestReader) -> [[[UInt8]]] {
        var found: [[[UInt8]]] = []
        while !pending.needsInput && !pending.isEmpty {
            if pending.isInsideRequest {
                if !pending.isWhole && pending.parse(limits: RequestLimits()) != .request { break }
                pending.withRequest { found.append($0.owned) }
                pending.executed(upTo: pending.position)
                continue
            }
            var parser = RequestParser()
            let bytes = pending.bytes
            let ending = reader.readBatch(bytes, from: pending.start, limit: 32, parser: &parser)
            for index in 0..<reader.count {
                let request = reader[index]
                let view = reader.arguments.view(
                    request.firstArgument..<request.firstArgument + request.argumentCount, base: bytes.baseAddress!)
                found.append(view.owned)
            }
            let pieces = (ending.firstArgument..<reader.arguments.count).map { reader.arguments[$0] }
            pending.executed(upTo: ending.start)
            if ending.outcome == .needMore {
                pending.begin(parser, position: ending.position, arguments: pieces)
            }
        }
        return found
    }

    private func add(_ bytes: [UInt8], to pending: PendingInput) {
        bytes.withUnsafeBytes { bytes in
            var left = bytes
            while left.count > 0, pending.missingByteCount > 0 {
                let count = min(pending.missingByteCount, left.count)
                pending.receivingRoom?.copyMemory(from: UnsafeRawBufferPointer(rebasing: left[..<count]))
                pending.received(count)
                left = UnsafeRawBufferPointer(rebasing: left[count...])
            }
            pending.append(left)
        }
    }

    /// Adds bytes in pieces, calls `body` with how many there are and what was found up to then after each, and gives the requests that
    /// were found.
    private func feed(
        _ wire: [UInt8], in size: Int, to pending: PendingInput, _ body: (Int, [[[UInt8]]]) -> Void = { _, _ in }
    ) -> [[[UInt8]]] {
        let reader = RequestReader()
        var found: [[[UInt8]]] = []
        var place = 0
        while place < wire.count {
            let end = min(place + size, wire.count)
            add(Array(wire[place..<end]), to: pending)
            place = end
            found += requests(of: pending, reader: reader)
            body(place, found)
        }
        return found
    }

    private static let sent: [[[UInt8]]] = [
        [Array("SET".utf8), Array("k".utf8), [UInt8](repeating: 7, count: 40_000)],
        [Array("PING".utf8)],
        [Array("MSET".utf8)] + (0..<300).map { Array("word \($0)\r\n".utf8) },
        [Array("SET".utf8), [UInt8](repeating: 9, count: 33_000), [UInt8](repeating: 10, count: 70_000)],
        [Array("GET".utf8), []],
    ]

    /// Requests as they are sent.
    private static func wire(_ requests: [[[UInt8]]]) -> [UInt8] {
        var bytes: [UInt8] = []
        for words in requests {
            bytes += Array("*\(words.count)\r\n".utf8)
            for word in words { bytes += Array("$\(word.count)\r\n".utf8) + word + [13, 10] }
        }
        return bytes
    }

    @Test(arguments: [1, 2, 3, 7, 100, 4096, 65_536, 1_000_000])
    func givesWhatWasSent(size: Int) {
        let pending = PendingInput()
        let found = feed(Self.wire(Self.sent), in: size, to: pending)
        #expect(found == Self.sent)
        #expect(pending.isEmpty && pending.byteCount == 0 && pending.unparsedCount == 0)
    }

    /// What counts for the limit of the query buffer is what is no whole argument yet.
    @Test func countsWhatIsNoArgumentYet() {
        let reader = RequestReader()
        let pending = PendingInput()
        add(Array("*3\r\n$3\r\nSET\r\n$50000\r\n".utf8), to: pending)
        #expect(requests(of: pending, reader: reader).isEmpty && pending.needsInput)
        add([UInt8](repeating: 1, count: 30_000), to: pending)
        #expect(pending.unparsedCount == 30_000)
        add([UInt8](repeating: 1, count: 20_002), to: pending)
        _ = requests(of: pending, reader: reader)
        #expect(pending.unparsedCount == 0 && pending.byteCount >= 50_000)
    }

    /// A reader that was left in the middle of a request knows nothing of it in the next call.
    @Test func readersKeepNothing() {
        let reader = RequestReader()
        for cut in 1..<Array("*2\r\n$4\r\nECHO\r\n$2\r\nhi\r\n".utf8).count {
            let cutOff = Array(Array("*2\r\n$4\r\nECHO\r\n$2\r\nhi\r\n".utf8)[..<cut])
            cutOff.withUnsafeBytes {
                var parser = RequestParser()
                #expect(reader.readBatch($0, from: 0, limit: 32, parser: &parser).outcome == .needMore)
            }
            Array("PING\r\n".utf8).withUnsafeBytes {
                var parser = RequestParser()
                let ending = reader.readBatch($0, from: 0, limit: 32, parser: &parser)
                #expect(ending.outcome == .request && reader.count == 1 && reader[0].argumentCount == 1)
            }
        }
    }

    /// What is lost counts as empty, wherever it is lost, takes little, and what comes behind the request is as it was sent.
    @Test(arguments: [1000, 4096, 65_536, 1_000_000], [10_000, 50_000, 120_000, 190_000])
    func losesLargeArguments(size: Int, lostFrom: Int) {
        let request: [[UInt8]] = [
            Array("MSET".utf8), Array("k".utf8), [UInt8](repeating: 1, count: 100_000), Array("l".utf8),
            [UInt8](repeating: 2, count: 90_000), Array("m".utf8), Array("small".utf8),
        ]
        let next = [Array("GET".utf8), Array("k".utf8)]
        let pending = PendingInput()
        let found = feed(Self.wire([request, next]), in: size, to: pending) { place, found in
            if place >= lostFrom && found.isEmpty {
                pending.loseArguments()
                #expect(pending.byteCount < 40_000 + size && pending.arrivedByteCount < 40_000 + size)
            }
        }
        #expect(found.count == 2 && found.last == next)
        if found.first != request { #expect(found.first == request[..<2] + request[2...].map { _ in [] }) }
        if lostFrom + size < 190_000 { #expect(found.first != request) }
        #expect(pending.isEmpty && pending.byteCount == 0 && !pending.hasLostArguments)
    }

    /// Where arguments are thrown away, a shorter one that is under way is, too, with what has come of it.
    @Test(arguments: [100, 1000, 1900]) func losesWhatIsUnderWay(size: Int) {
        let request: [[UInt8]] = [
            Array("MSET".utf8), Array("k".utf8), [UInt8](repeating: 1, count: 20_000), Array("l".utf8),
            [UInt8](repeating: 2, count: 20_000), Array("m".utf8), [UInt8](repeating: 3, count: 2000),
        ]
        let next = [Array("GET".utf8), Array("k".utf8)]
        let pending = PendingInput()
        let found = feed(Self.wire([request, next]), in: size, to: pending) { place, found in
            guard (size...18_000).contains(place) else { return }
            pending.loseArguments()
            #expect(pending.byteCount < 200 && pending.arrivedByteCount < 200 && pending.missingByteCount > 0)
        }
        #expect(found.map { $0.map(\.count) } == [[4, 1, 0, 0, 0, 0, 0], [3, 1]] && found.last == next)
        #expect(pending.isEmpty && pending.byteCount == 0 && !pending.hasLostArguments)
    }

    /// Short ones go, too, as there may be many of them, and the request is as long as it was.
    @Test(arguments: [1, 7, 100, 4096], [0, 1, 5000, 39_000]) func losesShortArguments(size: Int, lostFrom: Int) {
        let request =
            [Array("RPUSH".utf8), Array("key".utf8)] + [[UInt8]](repeating: [7], count: 5000)
            + [[UInt8](repeating: 8, count: 3000)]
        let next = [Array("GET".utf8), Array("k".utf8)]
        let pending = PendingInput()
        let found = feed(Self.wire([request, next, request]), in: size, to: pending) { place, found in
            guard place >= lostFrom && place < 37_000 && pending.isInsideRequest else { return }
            pending.loseArguments()
            #expect(pending.memoryByteCount < 600 + size)
        }
        #expect(found.map(\.count) == [5003, 2, 5003] && found[1] == next && found[2] == request)
        guard lostFrom + size < 37_000 else { return }
        #expect(Array(found[0][..<2]) == Array(request[..<2]) && found[0][2...].allSatisfy(\.isEmpty))
    }

    /// A large one among the first, which lies elsewhere.
    @Test(arguments: [100, 4096, 65_536], [0, 1, 2]) func losesTheFirstArguments(size: Int, largePlace: Int) {
        var request = [Array("MSET".utf8), Array("k".utf8)] + [[UInt8]](repeating: [7], count: 5000)
        request[largePlace] = [UInt8](repeating: 8, count: 100_000)
        let next = [Array("GET".utf8), Array("k".utf8)]
        let pending = PendingInput()
        let found = feed(Self.wire([request, next]), in: size, to: pending) { place, _ in
            guard place > 50_000 && pending.isInsideRequest else { return }
            pending.loseArguments()
            #expect(pending.memoryByteCount < 1600 + size)
        }
        #expect(found.map(\.count) == [5002, 2] && found.last == next)
        #expect(found[0].enumerated().allSatisfy { $1.isEmpty || $0 < 2 && $0 != largePlace && $1 == request[$0] })
    }

    /// Between blocks that stay, malloc would keep the pages of what is thrown away.
    @Test func lostArgumentsLeaveNoPagesBehind() {
        let size = 100_000
        let wire = Self.wire([[[UInt8]("SET".utf8), [1], [UInt8](repeating: 7, count: size)]])
        var blocks: [UInt] = []
        // Many, so that most lie between others.
        let all = (0..<64).map { _ in
            let pending = PendingInput()
            _ = feed(Array(wire[..<(size / 2)]), in: 1000, to: pending)
            add(Array(wire[(size / 2)..<(size - 100)]), to: pending)
            if let room = pending.receivingRoom { blocks.append(UInt(bitPattern: room.baseAddress)) }
            return pending
        }
        #expect(blocks.count == 64 && blocks.map(residentPages).reduce(0, +) > 64 * 20)
        for pending in all { pending.loseArguments() }
        #expect(blocks.map(residentPages).reduce(0, +) < 64 * 4)
        withExtendedLifetime(all) {}
    }

    /// How many of the 24 pages before a place are resident.
    private func residentPages(before end: UInt) -> Int {
        let first = (end & ~4095) - 24 * 4096
        var states = [UInt8](repeating: 0, count: 24)
        // What is not mapped any more is not resident either.
        guard mincore(UnsafeMutableRawPointer(bitPattern: first), 24 * 4096, &states) == 0 else { return 0 }
        return states.count { $0 & 1 != 0 }
    }
}
