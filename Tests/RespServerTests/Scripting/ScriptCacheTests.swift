import RespCodec
import Testing

@testable import RespServer

struct ScriptCacheTests {
    private func script(_ number: Int) -> Script {
        let body = Array("return \(number)".utf8)
        return Script(
            digest: body.withByteSlice { SHA1.hexadecimal(of: $0) }, body: body,
            bodyHash: UInt64(bitPattern: Int64(number)), headerByteCount: 0,
            flags: .undeclared, function: Int32(number), environment: 1)
    }

    private func contains(_ script: Script, _ cache: ScriptCache) -> Bool {
        script.digest.withByteSlice { cache.contains(digest: $0) }
    }

    @Test func theScriptThatWasUnusedForLongestGoesFirst() {
        var cache = ScriptCache()
        let scripts = (0..<ScriptCache.mostDroppable + 2).map { script($0) }
        for script in scripts.prefix(ScriptCache.mostDroppable) {
            #expect(cache.add(script, isDroppable: true).isEmpty)
        }
        cache.touch(scripts[0])
        #expect(cache.add(scripts[ScriptCache.mostDroppable], isDroppable: true).map(\.function) == [1])
        #expect(cache.add(scripts[ScriptCache.mostDroppable + 1], isDroppable: true).map(\.function) == [2])
        #expect(contains(scripts[0], cache) && !contains(scripts[1], cache) && contains(scripts[3], cache))
        #expect(cache.count == ScriptCache.mostDroppable)
    }

    @Test func scriptsThatWereLoadedStay() {
        var cache = ScriptCache()
        let loaded = script(-1)
        #expect(cache.add(loaded, isDroppable: false).isEmpty)
        for number in 0..<2 * ScriptCache.mostDroppable { _ = cache.add(script(number), isDroppable: true) }
        #expect(contains(loaded, cache) && cache.count == ScriptCache.mostDroppable + 1)
        // Also one that came as another: it stays, and makes room for another of them.
        let first = script(ScriptCache.mostDroppable)
        let found = first.digest.withByteSlice { cache.find(digest: $0) }
        cache.keep(found!)
        cache.keep(found!)
        #expect(cache.add(script(-2), isDroppable: true).isEmpty)
        for number in -2000 ..< -1000 { _ = cache.add(script(number), isDroppable: true) }
        #expect(contains(loaded, cache) && contains(first, cache) && cache.count == ScriptCache.mostDroppable + 2)
    }

    @Test func digestsAreFoundInEitherLetterCase() {
        var cache = ScriptCache()
        let one = script(1)
        _ = cache.add(one, isDroppable: true)
        let upper = Array(String(decoding: one.digest, as: UTF8.self).uppercased().utf8)
        #expect(upper.withByteSlice { cache.find(digest: $0) } === one)
        #expect(Array("xyz".utf8).withByteSlice { cache.find(digest: $0) } == nil)
        #expect([UInt8](repeating: UInt8(ascii: "g"), count: 40).withByteSlice { cache.find(digest: $0) } == nil)
        #expect(one.body.withByteSlice { cache.find(body: $0, hash: 1) } === one)
        #expect(Array("other".utf8).withByteSlice { cache.find(body: $0, hash: 1) } == nil)
    }
}
