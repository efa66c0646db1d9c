// Goal: what shares the first bytes of an entry, its type, encoding, deadline and access clock, does not disturb each other.

import RespCodec
import Testing

@testable import StoreEngine

struct EntryTests {
    private static let kinds: [(ValueType, Encoding)] = [
        (.string, .integer), (.string, .embedded), (.string, .raw), (.string, .external), (.hash, .packed),
        (.hash, .packedWithDeadlines), (.hash, .table), (.list, .packed), (.list, .chain), (.sortedSet, .packed),
        (.sortedSet, .tree), (.set, .integers), (.set, .packed), (.set, .table), (.stream, .stream),
    ]

    @Test func everyKindIsReadAsItWasWritten() {
        let allocator = SlabAllocator()
        defer { while !allocator.releaseSlice() {} }
        let window = DeadlineWindow(at: 1_700_000_000_000)
        let types: [ValueType] = [.string, .list, .set, .sortedSet, .hash, .stream]
        for (type, encoding) in Self.kinds {
            for deadline in [nil, Int64(1_700_000_000_000), 9_999_999_999_999] {
                for clock: UInt32 in [0, 1, 0x5A5_A5A5, 0x7FF_FFFF] {
                    let entry = unsafe Entry(allocator.allocate(200))
                    Array("some key".utf8).withByteSlice {
                        entry.write(
                            type: type, encoding: encoding, key: $0, deadline: deadline, window, accessClock: clock)
                    }
                    func check(_ encoding: Encoding, _ clock: UInt32) {
                        #expect(entry.type == type && entry.encoding == encoding && entry.accessClock == clock)
                        #expect(types.allSatisfy { entry.isType($0) == ($0 == type) })
                        for (other, another) in Self.kinds {
                            #expect(entry.isKind(other, another) == (other == type && another == encoding))
                        }
                        #expect(entry.hasDeadline == (deadline != nil) && entry.deadline(window) == deadline)
                        #expect(entry.key.description == "some key")
                    }
                    check(encoding, clock)
                    for (other, changed) in Self.kinds where other == type {
                        entry.setEncoding(changed)
                        check(changed, clock)
                        entry.setKind(type, encoding)
                        check(encoding, clock)
                        entry.setKind(type, changed)
                    }
                    entry.accessClock = ~clock & 0x7FF_FFFF
                    check(Self.kinds.last { $0.0 == type }!.1, ~clock & 0x7FF_FFFF)
                }
            }
        }
    }
}
