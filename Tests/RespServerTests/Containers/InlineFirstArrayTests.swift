// An array that keeps its first element in itself does what an array does.

import TestSupport
import Testing

@testable import RespServer

@Suite struct InlineFirstArrayTests {
    @Test func asAnArray() {
        var random = SeededRandom(seed: TestSeed.fixed(5))
        var (array, model) = (InlineFirstArray<Int>(), [Int]())
        for step in 0..<20_000 {
            switch random.below(6) {
            case 0 where !model.isEmpty, 1 where model.count > 3:
                let place = random.below(model.count)
                let last = model.removeLast()
                let moved = place < model.count ? last : nil
                if place < model.count { model[place] = last }
                #expect(array.remove(at: place) == moved)
            case 2 where !model.isEmpty:
                #expect(array.removeLast() == model.removeLast())
            case 3 where !model.isEmpty:
                let place = random.below(model.count)
                model[place] = -step
                array[place] = -step
            default:
                model.append(step)
                array.append(step)
            }
            #expect(array.count == model.count && array.isEmpty == model.isEmpty && Array(array) == model)
            #expect(array.first == model.first && array.last == model.last)
        }
    }

    @Test func oneElementNeedsNoMemory() {
        var array = InlineFirstArray<Int>()
        array.append(1)
        #expect(array.byteCount == 0)
        array.append(2)
        #expect(array.byteCount >= 8)
        array.removeLast()
        array.removeLast()
        #expect(array.isEmpty && array.byteCount == 0)
    }
}
