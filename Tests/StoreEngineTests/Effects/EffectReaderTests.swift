// Goal: a log is read to its end whatever pieces it comes in; where it was cut, exactly the whole requests and groups before are read, and the
// place of the cut is told; and damage is never taken for the end. Method: a log with groups, notes and long words is cut at every byte,
// changed at every byte, and read through windows of all kinds.

import Glibc
import RespCodec
import Testing

@testable import StoreEngine

/// Bytes that come in pieces of at most `piece`.
private final class Pieces: SnapshotInput {
    let byteCount: Int
    private let bytes: [UInt8]
    private let piece: Int
    private var position = 0

    init(_ bytes: [UInt8], piece: Int = Int.max) {
        self.bytes = bytes
        self.piece = piece
        byteCount = bytes.count
    }

    func read(to target: UnsafeMutableRawBufferPointer) -> Int {
        let count = min(target.count, piece, bytes.count - position)
        bytes.withUnsafeBytes {
            target.copyMemory(from: UnsafeRawBufferPointer(rebasing: $0[position..<position + count]))
        }
        position += count
        return count
    }
}

@Suite struct EffectReaderTests {
    /// A log, and where each of its requests and groups ends, with how many requests there are up to there.
    private struct Made {
        var bytes: [UInt8] = []
        var ends: [(place: Int, count: Int)] = [(0, 0)]
        /// Where groups begin and end.
        var groups: [Range<Int>] = []
    }

    private static func request(_ line: String) -> [UInt8] {
        let words = line.split(separator: " ")
        return Array("*\(words.count)\r\n".utf8) + words.flatMap { Array("$\($0.utf8.count)\r\n\($0)\r\n".utf8) }
    }

    private static let made: Made = {
        var made = Made()
        var count = 0
        func add(_ lines: [String], isGroup: Bool = false, note: String = "") {
            made.bytes += Array(note.utf8)
            if !note.isEmpty { made.ends.append((made.bytes.count, count)) }
            let start = made.bytes.count
            if isGroup { made.bytes += request("MULTI") }
            for line in lines { made.bytes += request(line) }
            count += lines.count
            if isGroup { made.bytes += request("exec") }
            made.ends.append((made.bytes.count, count))
            if isGroup { made.groups.append(start..<made.bytes.count) }
        }
        add(["SELECT 0"])
        add(["SET a 1"], note: "#TS:1700000000\r\n")
        for index in 0..<40 { add(["SET key:\(index) \(String(repeating: "v", count: index * 5))"]) }
        add(["SET b 1", "SET c 2", "DEL a"], isGroup: true, note: "#TS:1700000001\r\n")
        add(["RPUSH list \(String(repeating: "x ", count: 120))"])
        add([], isGroup: true)
        add(["SELECT 3", "SET d \(String(repeating: "d", count: 300))"], isGroup: true)
        add(["DEL d"])
        return made
    }()

    /// All requests up to the end, and what the end is.
    private func read(_ bytes: [UInt8], piece: Int = Int.max) -> (count: Int, outcome: EffectReader.Outcome) {
        let reader = EffectReader(Pieces(bytes, piece: piece))
        var count = 0
        while true {
            let outcome = reader.next()
            guard outcome == .requests else { return (count, outcome) }
            for index in 0..<reader.count { _ = reader.words(index).owned }
            count += reader.count
        }
    }

    @Test(arguments: [1, 2, 7, 100, 1000, Int.max])
    func itIsReadInPieces(piece: Int) {
        let (count, outcome) = read(Self.made.bytes, piece: piece)
        #expect(count == Self.made.ends.last?.count && outcome == .end)
    }

    @Test func aCutAnywhereIsToldWithItsPlace() {
        for length in 0..<Self.made.bytes.count {
            let before = Self.made.ends.last { $0.place <= length }!
            let (count, outcome) = read(Array(Self.made.bytes[..<length]))
            #expect(count == before.count, "cut at \(length)")
            if before.place == length {
                #expect(outcome == .end, "cut at \(length)")
            } else {
                let isGroup =
                    Self.made.groups.contains { $0.lowerBound == before.place && length >= before.place + 15 }
                #expect(outcome == .torn(offset: before.place, isGroup: isGroup), "cut at \(length)")
            }
        }
    }

    @Test func aCutInZerosIsFound() {
        for length in stride(from: 1, to: Self.made.bytes.count, by: 3) {
            let before = Self.made.ends.last { $0.place <= length }!
            for zeros in [1, 2, 600] {
                let reader = EffectReader(
                    Pieces(Self.made.bytes[..<length] + [UInt8](repeating: 0, count: zeros), piece: 500))
                var count = 0
                while true {
                    let outcome = reader.next()
                    if outcome == .requests {
                        count += reader.count
                        continue
                    }
                    switch outcome {
                    case .damaged(let offset, _): #expect(reader.endsInZeros(from: offset), "cut at \(length)")
                    case .torn: break
                    default: Issue.record("\(outcome) with zeros from \(length) on")
                    }
                    break
                }
                #expect(count == before.count, "cut at \(length)")
            }
        }
    }

    @Test func zerosWithinAreNoEnd() {
        var bytes = Self.made.bytes
        let place = Self.made.ends[5].place
        for index in 0..<8 { bytes[place + index] = 0 }
        let reader = EffectReader(Pieces(bytes))
        var outcome = reader.next()
        while outcome == .requests { outcome = reader.next() }
        guard case .damaged(let offset, _) = outcome else {
            Issue.record("\(outcome)")
            return
        }
        #expect(offset == place && !reader.endsInZeros(from: offset))
    }

    /// A transaction without an end whose words are not all commands was not cut off: its EXEC was damaged.
    @Test func anUnknownCommandIsNoTornTransaction() {
        func word(_ text: String) -> String { "*1\r\n$\(text.utf8.count)\r\n\(text)\r\n" }
        let before = word("PING") + word("MULTI") + word("FLUSHALL")
        let isCommand: (ByteSlice) -> Bool = { !$0.equalsIgnoringCase("eyec") }
        for (text, outcome) in [
            (
                before + word("EYEC") + word("PING"),
                EffectReader.Outcome.damaged(offset: 47, what: "Unknown command 'EYEC'")
            ),
            (before + word("PING"), .torn(offset: 14, isGroup: true)),
        ] {
            let reader = EffectReader(Pieces(Array(text.utf8)), isCommand: isCommand)
            #expect(reader.next() == .requests && reader.count == 1)
            #expect(reader.next() == outcome)
        }
    }

    /// A value that was cut off may hold what looks like requests; what is torn is told from a damaged length by what comes behind that.
    @Test func aTornValueMayHoldRequests() {
        let value = "text\r\n*2\r\n$3\r\nGET\r\n$1\r\na\r\nand text again, which goes on for longer than that"
        let text = "*1\r\n$4\r\nPING\r\n*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$\(value.utf8.count)\r\n\(value)\r\n"
        let bytes = Array(text.utf8)
        for missing in 1..<30 {
            let (count, outcome) = read(Array(bytes.dropLast(missing)))
            #expect(count == 1 && outcome == .torn(offset: 14, isGroup: false), "\(missing) bytes are missing")
        }
        let many = String(repeating: "\r\n*1\r\n$1\r\na", count: 30_000) + "\r\nno request any more"
        let (count, outcome) = read(Array("*2\r\n$3\r\nGET\r\n$9000000\r\n\(many)".utf8))
        #expect(count == 0 && outcome == .torn(offset: 0, isGroup: false))
    }

    /// Even one that is nothing but requests is torn wherever it was cut off but at the end of one.
    @Test func aTornValueMayBeRequests() {
        let value = String(decoding: (0..<12).flatMap { Self.request("SET key:\($0) value") }, as: UTF8.self)
        let text = "*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$\(value.utf8.count)\r\n\(value)\r\n"
        let bytes = Array(text.utf8)
        let ends = (1...12).map { bytes.count - 424 + $0 * 35 + max(0, $0 - 10) }
        for length in 1..<bytes.count where !ends.contains(length) {
            let (count, outcome) = read(Array(bytes[..<length]))
            #expect(count == 0 && outcome == .torn(offset: 0, isGroup: false), "cut at \(length)")
        }
        for length in ["4611686018427387903", "0000422", "0000000000999"] {
            let (count, outcome) = read(Array(text.replacing("$422", with: "$" + length).dropLast(5).utf8))
            #expect(count == 0 && outcome == .torn(offset: 0, isGroup: false), "\(length)")
        }
        // The request behind it is cut off, too.
        for (length, isTorn) in [("1422", true), ("999", true), ("522", false), ("622", false)] {
            let changed = text.replacing("$422", with: "$" + length) + "*1\r\n$4\r\nPIN"
            let (count, outcome) = read(Array(changed.utf8))
            let damage = EffectReader.Outcome.damaged(offset: 0, what: "a word that is shorter than it says")
            #expect(count == 0 && outcome == (isTorn ? .torn(offset: 0, isGroup: false) : damage), "\(length)")
        }
    }

    /// What is not whole is not parsed anew with all that came before it whenever more of it is read.
    @Test(arguments: [1, 4]) func groupsAndRequestsAreParsedInOneGo(factor: Int) {
        let count = 200_000 * factor
        var group = Self.request("SELECT 1") + Self.request("MULTI")
        for _ in 0..<count { group += Self.setting }
        group += Self.request("EXEC")
        let stepsOfGroup = StepCount.of { #expect(read(group, piece: 1 << 20).count == count + 1) }
        #expect(stepsOfGroup < 5 * (count + 100_000), "\(stepsOfGroup) steps")
        var long = Array("*\(3 * count)\r\n".utf8)
        for _ in 0..<count { long += Self.setting[4...] }
        let steps = StepCount.of { #expect(read(long).count == 1) }
        #expect(steps < 3 * (3 * count + 200_000), "\(steps) steps")
    }

    private static let setting = request("SET a 1")

    /// A byte that has changed is within a word, or it is noticed; and what stands behind it is not taken for what was not written to its end.
    @Test func aChangedByteIsNeverTakenForTheEnd() {
        let total = Self.made.ends.last!.count
        let last = Self.made.ends.dropLast().last!.place
        for place in 0..<last {
            for bit in 0..<8 {
                var bytes = Self.made.bytes
                bytes[place] ^= 1 << bit
                let (count, outcome) = read(bytes)
                switch outcome {
                case .end:
                    // A changed name of MULTI or EXEC is a request of another name.
                    #expect(count >= total - 1, "bit \(bit) at \(place): only \(count) of \(total)")
                case .damaged(let offset, _):
                    #expect(offset <= last, "bit \(bit) at \(place)")
                case .torn(let offset, let isGroup):
                    // The end of a group is not found any more where its EXEC bears another name: what follows is seen to be no part of it
                    // where there is another group.
                    let isEndOfGroup = Self.made.groups.last!.contains(place)
                    #expect(isGroup && isEndOfGroup, "bit \(bit) at \(place): torn at \(offset)")
                default: Issue.record("\(outcome)")
                }
            }
        }
    }

    @Test(arguments: [
        "*0\r\n", "*-1\r\n$1\r\na\r\n", "*99999999999999999999\r\n", "*1\r\n$-1\r\n", "*1\r\n$99999999999999999999\r\n",
        "*1\r\n$1\r\nab\r\n", "*1\n$1\na\n", "$1\r\na\r\n", "PING\r\n", "*1\r\n:1\r\n", "*\r\n", "*1\r\n$\r\n\r\n",
        "*1\r\n$4\r\nEXEC\r\n", "*1\r\n$5\r\nMULTI\r\n*1\r\n$5\r\nMULTI\r\n", "#" + String(repeating: "x", count: 2000),
        "* 1\r\n$1\r\na\r\n", "*+1\r\n$1\r\na\r\n", "*1\r\r$1\r\na\r\n",
    ])
    func whatIsNoLogIsDamage(text: String) {
        let (_, outcome) = read(Array((text + "*1\r\n$4\r\nPING\r\n").utf8))
        guard case .damaged = outcome else {
            Issue.record("\(outcome)")
            return
        }
    }

    @Test func longRequestsAndGroupsGrowTheWindow() {
        let long = String(repeating: "l", count: 3_000_000)
        var bytes = Self.request("SET a \(long)") + Self.request("SET b 1") + Self.request("MULTI")
        for index in 0..<50_000 { bytes += Self.request("SET key:\(index) \(String(repeating: "v", count: 40))") }
        bytes += Self.request("EXEC") + Self.request("SET c \(long)")
        let (count, outcome) = read(bytes, piece: 100_000)
        #expect(count == 50_003 && outcome == .end)
        let cut = read(Array(bytes.dropLast(3_000_100)))
        #expect(cut.count == 2)
        guard case .torn(_, true) = cut.outcome else {
            Issue.record("\(cut.outcome)")
            return
        }
    }
}
