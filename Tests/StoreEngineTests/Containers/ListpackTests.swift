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
            #expect(list.byteCount == Listpack.emptySize && list.bytes.array == [7, 0, 0, 0, 0, 0, 0xFF])
        }
    }

    /// Compact lists hold what a listpack does, and each can be made of the other, byte for byte what appending makes of it.
    @Test func allFormsHoldTheSame() {
        unsafe withUnsafeTemporaryAllocation(byteCount: 1 << 18, alignment: 8) { buffer in
            let third = buffer.count / 3
            let list = unsafe Listpack.makeEmpty(at: buffer.baseAddress!)
            var forward = unsafe ForwardList.makeEmpty(at: buffer.baseAddress! + third)
            var twoWay = unsafe TwoWayList.makeEmpty(at: buffer.baseAddress! + 2 * third)
            for text in Self.samples + Self.samples.reversed() {
                Array(text.utf8).withByteSlice { bytes in
                    let value = PackedValue(bytes)
                    let (before, forwardBefore) = (list.byteCount, forward.byteCount)
                    let lengthened = forward.byteCount(with: ForwardList.length(of: value))
                    list.append(value)
                    if !forward.headAllows(ForwardList.length(of: value)) { forward = forward.withLongHead() }
                    if !twoWay.headAllows(TwoWayList.length(of: value)) { twoWay = twoWay.withLongHead() }
                    forward.append(value)
                    twoWay.append(value)
                    #expect(list.byteCount - before == Listpack.length(of: value))
                    #expect(forward.byteCount == lengthened)
                    #expect(
                        forward.byteCount - forwardBefore == ForwardList.length(of: value)
                            + (forwardBefore < 257 && forward.byteCount >= 257 ? 5 : 0))
                }
                #expect(contents(forward) == contents(list) && forward.count == list.count)
                #expect(contents(twoWay) == contents(list) && twoWay.count == list.count)
                #expect(twoWay.byteCount == list.byteCount - (list.end < 255 ? 5 : 0))
                expectConversions(list, to: forward)
                expectConversions(list, to: twoWay)
            }
        }
    }

    private func expectConversions<Form>(_ list: Listpack, to other: PackedElements<Form>) {
        #expect(other.byteCount(as: SavedForm.self) == list.byteCount)
        #expect(list.byteCount(as: Form.self) == other.byteCount)
        other.withListpack { #expect($0.bytes == list.bytes) }
        // Memory of just the size, so that AddressSanitizer sees a step outside.
        let size = other.byteCount
        let copy = UnsafeMutableRawBufferPointer.allocate(byteCount: size, alignment: 1)
        defer { copy.deallocate() }
        unsafe list.copy(as: Form.self, size: size, to: copy.baseAddress!)
        #expect(unsafe PackedElements<Form>(copy.baseAddress!).bytes == other.bytes)
    }

    /// A list of every size around the one from which its head is a long one, in memory of just its size: made so, grown to it and shrunk
    /// to it, and to and from a listpack.
    @Test(arguments: [1, 2]) func headsAreAsLongAsTheyMustBe(width: Int) {
        func expectHeads<Form: PackedForm>(_ form: Form.Type) {
            let element = PackedElements<Form>.length(of: PackedValue(integer: width == 1 ? 5 : 500))
            for length in stride(from: 0, through: 300, by: element) {
                let isLong = length >= 255
                let size = length + (isLong ? 7 : 2)
                #expect(PackedElements<Form>.size(ofElements: length) == size)
                let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: size, alignment: 1)
                defer { memory.deallocate() }
                let list = unsafe PackedElements<Form>.makeEmpty(at: memory.baseAddress!, forElements: length)
                var model: [[UInt8]] = []
                for number in 0..<length / element {
                    list.append(PackedValue(integer: width == 1 ? number % 100 : 500 + number))
                    model.append(Array("\(width == 1 ? number % 100 : 500 + number)".utf8))
                }
                #expect(list.byteCount == size && list.end == length && list.count == model.count)
                #expect(contents(list) == model)
                #expect(list.headAllows(254 - length) && list.headAllows(255 - length) == isLong)
                list.withListpack { listpack in
                    #expect(contents(listpack) == model)
                    expectConversions(listpack, to: list)
                }
                // A long head, and back.
                let larger = UnsafeMutableRawBufferPointer.allocate(byteCount: length + 7, alignment: 1)
                defer { larger.deallocate() }
                larger.copyBytes(from: list.bytes.array)
                let long = unsafe PackedElements<Form>(larger.baseAddress!).withLongHead()
                #expect(long.byteCount == length + 7 && long.count == model.count && contents(long) == model)
                #expect(long.headAllows(1000))
                long.withListpack { listpack in list.withListpack { #expect($0.bytes == listpack.bytes) } }
                let short = long.withShortestHead()
                #expect(short.byteCount == size && short.count == model.count && contents(short) == model)
            }
        }
        expectHeads(ForwardOnly.self)
        expectHeads(BothWays.self)
    }

    /// Counts beyond what heads of any form say, and that a head leaves to be counted.
    @Test func longListsAreCounted() {
        unsafe withUnsafeTemporaryAllocation(byteCount: 1 << 18, alignment: 8) { buffer in
            for count in [254, 255, 256, 65534, 65535, 65536, 70000] {
                let list = unsafe ForwardList.makeEmpty(at: buffer.baseAddress!, forElements: count)
                for number in 0..<count { list.append(PackedValue(integer: number % 7)) }
                #expect(list.count == count)
                list.withListpack { #expect($0.count == count) }
                list.remove(at: list.first, count: 1)
                #expect(list.count == count - 1)
                list.removeAll { $0.integer == 3 }
                #expect(list.count == count - 1 - (count + 3) / 7)
            }
            // A listpack of few elements whose head says to count them.
            var builder = ListpackBuilder()
            for number in 0..<3 { _ = builder.append(PackedValue(integer: number)) }
            builder.list.storedCount = 65535
            let size = builder.list.byteCount(as: ForwardOnly.self)
            unsafe builder.list.copy(as: ForwardOnly.self, size: size, to: buffer.baseAddress!)
            #expect(unsafe ForwardList(buffer.baseAddress!).count == 3 && size == 5)
        }
    }

    /// Every change of a forward list, each checked against an array.
    @Test(arguments: [1, 2, 3]) func forwardListsChangeLikeArrays(seed: UInt64) {
        var random = RandomSource(seed: TestSeed.fixed(seed))
        unsafe withUnsafeTemporaryAllocation(byteCount: 1 << 20, alignment: 8) { buffer in
            let list = unsafe ForwardList.makeEmpty(at: buffer.baseAddress!, forElements: 1 << 16)
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
