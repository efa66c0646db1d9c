// Scripts that were compiled, by their digests, and by their text so that EVAL need not make a digest each time.
//
// Those of SCRIPT LOAD stay until SCRIPT FLUSH. Those that EVAL brought are the newest 500; a program that writes its arguments into the text of
// its scripts would fill the memory otherwise.

import RespCodec
import StoreEngine

/// A compiled script.
final class Script {
    /// Forty hexadecimal digits.
    let digest: [UInt8]
    let body: [UInt8]
    let flags: ScriptFlags
    /// How many bytes of its text come before the function.
    let headerByteCount: Int
    /// By which number its function is found, in the interpreter of which number.
    var function: Int32
    var environment: Int
    fileprivate let bodyHash: UInt64
    /// Its neighbours among those that may be dropped, if it is one of them.
    fileprivate var isDroppable = false
    fileprivate unowned(unsafe) var older: Script?
    fileprivate unowned(unsafe) var newer: Script?

    init(
        digest: [UInt8], body: [UInt8], bodyHash: UInt64, headerByteCount: Int, flags: ScriptFlags, function: Int32,
        environment: Int
    ) {
        self.digest = digest
        self.body = body
        self.bodyHash = bodyHash
        self.headerByteCount = headerByteCount
        self.flags = flags
        self.function = function
        self.environment = environment
    }

    var byteCount: Int { body.count + digest.count + 128 }
}

struct ScriptCache {
    /// How many scripts of EVAL are kept at most.
    static let mostDroppable = 500

    /// A digest as a number.
    private struct Digest: Hashable {
        let high: UInt64
        let middle: UInt64
        let low: UInt32

        /// - Parameter text: forty hexadecimal digits in either letter case; nil for anything else.
        init?(_ text: ByteSlice) {
            guard text.count == 40 else { return nil }
            var words: (UInt64, UInt64, UInt64) = (0, 0, 0)
            for index in 0..<40 {
                guard let digit = Hexadecimal.value(of: text[index]) else { return nil }
                switch index {
                case ..<16: words.0 = words.0 &<< 4 | UInt64(digit)
                case ..<32: words.1 = words.1 &<< 4 | UInt64(digit)
                default: words.2 = words.2 &<< 4 | UInt64(digit)
                }
            }
            high = words.0
            middle = words.1
            low = UInt32(words.2)
        }

        static func == (left: Digest, right: Digest) -> Bool {
            left.high == right.high && left.middle == right.middle && left.low == right.low
        }

        // Its bits are random enough.
        func hash(into hasher: inout Hasher) { hasher.combine(high) }
    }

    private var scripts: [Digest: Script] = [:]
    private var scriptsByBody: [UInt64: Script] = [:]
    private unowned(unsafe) var oldest: Script?
    private unowned(unsafe) var newest: Script?
    private var droppableCount = 0
    /// The one that was looked for last, as it often is again.
    private var last: Script?
    /// The bytes of them all.
    private(set) var byteCount = 0

    var count: Int { scripts.count }

    /// The script of a digest in either letter case.
    @inline(__always)
    mutating func find(digest: ByteSlice) -> Script? {
        if let last, digest.count == 40, last.digest.withByteSlice({ $0 == digest }) { return last }
        return findAnother(digest)
    }

    private mutating func findAnother(_ digest: ByteSlice) -> Script? {
        guard let digest = Digest(digest), let script = scripts[digest] else { return nil }
        last = script
        return script
    }

    /// The script of a text, by its hash.
    func find(body: ByteSlice, hash: UInt64) -> Script? {
        guard let script = scriptsByBody[hash], script.body.withByteSlice({ $0 == body }) else { return nil }
        return script
    }

    func contains(digest: ByteSlice) -> Bool { Digest(digest).map { scripts[$0] != nil } ?? false }

    /// Takes in a script.
    /// - Parameter isDroppable: whether it goes when there are too many.
    /// - Returns: those that go for it.
    mutating func add(_ script: Script, isDroppable: Bool) -> [Script] {
        var dropped: [Script] = []
        if isDroppable {
            while droppableCount >= Self.mostDroppable, let oldest = unsafe oldest {
                dropped.append(oldest)
                remove(oldest)
            }
            append(script)
        }
        guard let digest = script.digest.withByteSlice({ Digest($0) }) else { return dropped }
        scripts[digest] = script
        scriptsByBody[script.bodyHash] = script
        byteCount += script.byteCount
        return dropped
    }

    /// Has a script stay until all are forgotten.
    mutating func keep(_ script: Script) { if script.isDroppable { unlink(script) } }

    /// Takes note that a script was run.
    @inline(__always)
    mutating func touch(_ script: Script) {
        if script.isDroppable, unsafe newest !== script { moveToEnd(script) }
    }

    private mutating func moveToEnd(_ script: Script) {
        unlink(script)
        append(script)
    }

    private mutating func append(_ script: Script) {
        script.isDroppable = true
        unsafe script.older = newest
        unsafe script.newer = nil
        if let newest = unsafe newest { unsafe newest.newer = script } else { unsafe oldest = script }
        unsafe newest = script
        droppableCount += 1
    }

    private mutating func unlink(_ script: Script) {
        if let older = unsafe script.older { unsafe older.newer = script.newer } else { unsafe oldest = script.newer }
        if let newer = unsafe script.newer { unsafe newer.older = script.older } else { unsafe newest = script.older }
        script.isDroppable = false
        droppableCount -= 1
    }

    private mutating func remove(_ script: Script) {
        unlink(script)
        if last === script { last = nil }
        if let digest = script.digest.withByteSlice({ Digest($0) }) { scripts[digest] = nil }
        if scriptsByBody[script.bodyHash] === script { scriptsByBody[script.bodyHash] = nil }
        byteCount -= script.byteCount
    }
}
