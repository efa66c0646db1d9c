// Listpacks against an array of texts, in every width of integer and length.

import RespCodec
import TestSupport
import Testing

@testable import StoreEngine

struct ListpackTests {
    private static let samples: [String] = [
        "", "a", "0", "127", "128", "-1", "4095", "-4096", "4096", "32767", "-32768", "8388607", "-8388608",
        "2147483647",
        "-2147483648", "9223372036854775807", "-9223372036854775808", "007", String(repeating: "x", count: 63),
        String(repeating: "y", count: 64), String(repeating: "z", count: 4096),
    ]

    private func contents<Form>(_ list: PackedElements<Form>) -> [[UInt8]] {
        var all: [[UInt8]] = []
        var offset = list.first
        while offset < list.end {
            all.append(list[offset].withBytes { $0.array })
            offset = list.next(after: offset)
        }
        return all
    }

    @Test func holdsWhatWasPutIn() {
        unsafe withUnsafeTemporaryAllocation(byteCount: 1 << 20, alignment: 8) { buffer in
            let list = unsafe Listpack.makeEmpty(at: buffer.baseAddress!)
            var model: [[UInt8]] = []
            for text in Self.samples + Self.samples.reversed() {
                Array(text.utf8).withByteSlice { bytes in
                    list.append(PackedValue(bytes))
                }
                model.append(Array(text.utf8))
                #expect(contents(list) == model)
                #expect(list.count == model.count)
            }
            var backwards: [[UInt8]] = []
            var offset = list.end
            while let previous = list.previous(before: offset) {
                backwards.append(list[previous].withBytes { $0.array })
                offset = previous
            }
            #expect(backwards == model.reversed())
            for text in Self.samples {
                let found = Array(text.utf8).withByteSlice { list.find(PackedValue($0)) }
                #expect(found.map { list[$0].withBytes { $0.array } } == Array(text.utf8))
            }
            while let first = model.first {
                list.remove(at: list.first, count: 1)
                #expect(first == model.removeFirst())
                #expect(contents(list) == model)
            }
            #expect(list.byteCount == Listpack.emptySize)
        }
    }

    /// A forward list holds what a listpack does, and each can be made of the other, byte for byte what appending makes of it.
    @Test func bothFormsHoldTheSame() {
        unsafe withUnsafeTemporaryAllocation(byteCount: 1 << 18, alignment: 8) { buffer in
            let half = buffer.count / 2
            let list = unsafe Listpack.makeEmpty(at: buffer.baseAddress!)
            let forward = unsafe ForwardList.makeEmpty(at: buffer.baseAddress! + half)
            for text in Self.samples + Self.samples.reversed() {
                Array(text.utf8).withByteSlice { bytes in
                    let value = PackedValue(bytes)
                    let (before, forwardBefore) = (list.byteCount, forward.byteCount)
                    list.append(value)
                    forward.append(value)
                    #expect(list.byteCount - before == Listpack.length(of: value))
                    #expect(forward.byteCount - forwardBefore == ForwardList.length(of: value))
                }
                #expect(contents(forward) == contents(list) && forward.count == list.count)
                #expect(forward.byteCount(as: BothWays.self) == list.byteCount)
                #expect(list.byteCount(as: ForwardOnly.self) == forward.byteCount)
                forward.withListpack { #expect($0.bytes == list.bytes) }
                unsafe withUnsafeTemporaryAllocation(byteCount: forward.byteCount, alignment: 8) { copy in
                    unsafe list.copy(as: ForwardOnly.self, to: copy.baseAddress!)
                    #expect(unsafe ForwardList(copy.baseAddress!).bytes == forward.bytes)
                }
            }
        }
    }

    /// Every change of a forward list, each checked against an array.
    @Test(arguments: [1, 2, 3]) func forwardListsChangeLikeArrays(seed: UInt64) {
        var random = RandomSource(seed: TestSeed.fixed(seed))
        unsafe withUnsafeTemporaryAllocation(byteCount: 1 << 20, alignment: 8) { buffer in
            let list = unsafe ForwardList.makeEmpty(at: buffer.baseAddress!)
            var model: [[UInt8]] = []
            for step in 0..<600 {
                let text = Array(Self.samples[random.below(Self.samples.count)].utf8)
                let place = model.isEmpty ? 0 : random.below(model.count)
                let offset = list.offset(ofElement: place, of: model.count)
                text.withByteSlice { bytes in
                    switch random.below(model.isEmpty ? 2 : 5) {
                    case 0:
                        list.append(PackedValue(bytes))
                        model.append(text)
                    case 1:
                        list.insert(PackedValue(bytes), at: offset)
                        model.insert(text, at: place)
                    case 2:
                        list.replace(at: offset, with: PackedValue(bytes))
                        model[place] = text
                    case 3:
                        list.remove(at: offset, count: 1)
                        model.remove(at: place)
                    default:
                        let found = list.find(PackedValue(bytes))
                        #expect(found.map { list[$0].withBytes { $0.array } } == (model.contains(text) ? text : nil))
                    }
                }
                #expect(contents(list) == model, "step \(step)")
                #expect(list.count == model.count)
            }
            if model.count % 2 == 1 {
                list.remove(at: list.first, count: 1)
                model.removeFirst()
            }
            list.insert(PackedValue(integer: 0), behindEvery: 2)
            var spread: [[UInt8]] = []
            for (index, text) in model.enumerated() { spread += index % 2 == 1 ? [text, Array("0".utf8)] : [text] }
            #expect(contents(list) == spread && list.count == spread.count)
        }
    }

    @Test func elementsAreReplacedByLongerAndShorterOnes() {
        unsafe withUnsafeTemporaryAllocation(byteCount: 1 << 16, alignment: 8) { buffer in
            let list = unsafe Listpack.makeEmpty(at: buffer.baseAddress!)
            var model = ["first", "second", "third"].map { Array($0.utf8) }
            for text in model { text.withByteSlice { list.append(PackedValue($0)) } }
            for (step, text) in Self.samples.enumerated() {
                let place = step % model.count
                model[place] = Array(text.utf8)
                let offset = list.offset(ofElement: place, of: model.count)
                model[place].withByteSlice { list.replace(at: offset, with: PackedValue($0)) }
                #expect(contents(list) == model)
            }
        }
    }

    /// Looking for each of many values in lists that hold some of them, and removing those that are not wanted.
    @Test func findsWhatItHoldsAndNothingElse() {
        var values = Self.samples
        for number in -4100...4100 where number % 7 < 2 || abs(number) > 4080 { values.append("\(number)") }
        for length in 1...70 {
            values += [String(repeating: "q", count: length), String(repeating: "1", count: length) + "x"]
        }
        unsafe withUnsafeTemporaryAllocation(byteCount: 1 << 18, alignment: 8) { buffer in
            for stride in 1...3 {
                let list = unsafe Listpack.makeEmpty(at: buffer.baseAddress!)
                let held = values.enumerated().filter { $0.offset % 11 == 0 }.map { Array($0.element.utf8) }
                for value in held {
                    value.withByteSlice { list.append(PackedValue($0)) }
                    // In between something that is looked for too, but not to be found there.
                    for _ in 1..<stride { Array("12".utf8).withByteSlice { list.append(PackedValue($0)) } }
                }
                for text in values {
                    let value = Array(text.utf8)
                    let found = value.withByteSlice { list.find(PackedValue($0), stride: stride) }
                    #expect(found.map { list[$0].withBytes { $0.array } } == (held.contains(value) ? value : nil))
                }
                guard stride == 1 else { continue }
                var index = 0
                list.removeAll { _ in
                    index += 1
                    return index % 3 == 0
                }
                #expect(contents(list) == held.enumerated().filter { ($0.offset + 1) % 3 != 0 }.map(\.element))
                #expect(list.count == held.count - held.count / 3)
                list.removeAll { _ in true }
                #expect(list.byteCount == Listpack.emptySize && list.count == 0)
            }
        }
    }
}
