// Large arguments: a value takes one over, a log keeps it, and all stay as they are as long as anybody reads them.

import Glibc
import RespCodec
import Testing

@testable import StoreEngine

struct AdoptableArgumentsTests {
    private func make(_ marks: [UInt8], size: Int) -> AdoptableArguments {
        let arguments = AdoptableArguments()
        for mark in marks {
            let base = malloc(AdoptableArguments.headerSize + size + 2)!
            memset(base + AdoptableArguments.headerSize, Int32(mark), size)
            arguments.append(base: base, count: size)
        }
        return arguments
    }

    @Test func oneThatIsAdoptedAndFreedStays() throws {
        let allocator = SlabAllocator()
        defer { while !allocator.releaseSlice() {} }
        let arguments = make([1, 2], size: 200_000)
        let bytes = arguments.bytes(0)
        let block = try #require(arguments.adopt(bytes, by: allocator))
        #expect(UnsafeRawPointer(block) == bytes.rawBytes.baseAddress && arguments.adopt(bytes, by: allocator) == nil)
        allocator.deallocate(block)
        #expect(bytes.array == [UInt8](repeating: 1, count: 200_000))
        let kept = try #require(arguments.keep(bytes))
        #expect(kept.isCountedByEngine)
    }

    @Test func oneThatIsKeptIsNotAdopted() throws {
        let allocator = SlabAllocator()
        defer { while !allocator.releaseSlice() {} }
        var arguments: AdoptableArguments? = make([1, 2], size: 200_000)
        let bytes = arguments!.bytes(1)
        let kept = try #require(arguments!.keep(bytes))
        #expect(!kept.isCountedByEngine && arguments!.adopt(bytes, by: allocator) == nil)
        #expect(arguments!.keep(bytes) === kept && arguments!.holds(bytes))
        #expect(arguments!.keep(bytes[1..<bytes.count]) == nil && !arguments!.holds(bytes[0..<5]))
        arguments = nil
        #expect(bytes.array == [UInt8](repeating: 2, count: 200_000))
        withExtendedLifetime(kept) {}
    }
}
