// When the consumers of a stream last got something, where the form of the stream has only one time for each: when they last asked.
//
// That is the form of Redis 7.0, in which snapshots are written. The times stand in front of the key as information, which servers skip that do
// not know its name: those of all consumers of all groups in the order in which they are saved, -1 for never. A reader that finds other
// consumers than there are times leaves them as they are.

import RespCodec

enum ConsumerTimes {
    static var name: ByteSlice { "consumer-active-times" }

    /// The times as text; nil if the form of the stream has them, or they say nothing new.
    static func text(of entry: Entry, as type: RecordType) -> [UInt8]? {
        guard type == .streamOfRedis7 else { return nil }
        let stream = unsafe StreamValue(at: entry.pointer)
        var text: [UInt8] = []
        var differs = false
        stream.forEachGroup { group in
            group.forEachConsumer { consumer in
                if consumer.activeTime != consumer.seenTime { differs = true }
                if !text.isEmpty { text.append(0x20) }
                text += Decimal.text(Int(consumer.activeTime))
            }
        }
        return differs ? text : nil
    }

    static func set(_ text: ByteSlice, in stream: StreamValue) {
        let words = text.array.split(separator: 0x20)
        let times = words.compactMap { word in Array(word).withByteSlice { Decimal.parse($0) } }
        var count = 0
        stream.forEachGroup { count += $0.consumerCount }
        guard times.count == count && words.count == count && times.allSatisfy({ $0 >= -1 }) else { return }
        var next = 0
        stream.forEachGroup { group in
            group.forEachConsumer { consumer in
                consumer.activeTime = Int64(times[next])
                next += 1
            }
        }
    }
}
