// Puts the words of effects together, while somebody takes them.

import RespCodec

/// What stands between an engine and the sink of its effects.
@safe final class EffectRecorder {
    unowned(unsafe) let sink: any EffectSink
    /// The same, if it is the usual one: it is called without a detour.
    private let log: Unmanaged<EffectLog>?
    /// How far the count of changes is told of: a command that has moved it further has changed something.
    var toldChanges: Int
    fileprivate(set) var isInGroup = false
    /// While it is, nobody is told of what happens.
    var isMuted = false
    /// The effect that is being put together.
    private var text: [UInt8] = []
    private let pieces = ArgumentList(capacity: 16)

    init(sink: any EffectSink, changes: Int) {
        unsafe self.sink = sink
        unsafe log = (sink as? EffectLog).map { unsafe Unmanaged.passUnretained($0) }
        toldChanges = changes
    }

    deinit { unsafe pieces.deallocate() }

    func take(_ words: Arguments, database: Int) {
        guard !isMuted else { return }
        isInGroup = true
        if let log = unsafe log {
            unsafe log._withUnsafeGuaranteedRef { $0.take(words, database: database) }
        } else {
            unsafe sink.take(words, database: database)
        }
    }

    func endGroup() {
        guard isInGroup else { return }
        isInGroup = false
        if let log = unsafe log {
            unsafe log._withUnsafeGuaranteedRef { $0.endGroup() }
        } else {
            unsafe sink.endGroup()
        }
    }

    // MARK: one effect

    fileprivate func begin() {
        precondition(pieces.count == 0, "one effect within another")
    }

    fileprivate func append(_ word: ByteSlice) {
        pieces.append(ArgumentPiece(offset: text.count, count: word.count))
        unsafe text.append(contentsOf: word.rawBytes)
    }

    fileprivate func end(in database: Int) {
        unsafe text.withUnsafeBytes { bytes in
            guard let base = bytes.baseAddress else { preconditionFailure("an effect has a name") }
            unsafe take(pieces.view(0..<pieces.count, base: base), database: database)
        }
        cancel()
    }

    fileprivate func cancel() {
        text.removeAll(keepingCapacity: text.capacity <= 1 << 20)
        pieces.removeAll()
    }
}

/// An effect to which words are added. To be ended before the next one is begun.
struct EffectWords {
    private let recorder: EffectRecorder
    private let database: Int

    init(_ recorder: EffectRecorder, _ name: StaticString, in database: Database) {
        self.recorder = recorder
        self.database = database.index
        recorder.begin()
        recorder.append(ByteSlice(name))
    }

    func add(_ word: some EffectWord) { word.withWord { recorder.append($0) } }

    /// Hands the effect over.
    func end() { recorder.end(in: database) }
    /// Hands over an effect that no command has asked for, which whoever mutes commands does not mean: what comes later may follow from it.
    func endUnasked() {
        let isMuted = recorder.isMuted
        recorder.isMuted = false
        defer { recorder.isMuted = isMuted }
        recorder.end(in: database)
    }
    /// Forgets it.
    func cancel() { recorder.cancel() }
}

/// What may be a word of an effect.
protocol EffectWord {
    func withWord(_ body: (ByteSlice) -> Void)
}

extension ByteSlice: EffectWord {
    func withWord(_ body: (ByteSlice) -> Void) { body(self) }
}

/// For words that are written in the code.
extension String: EffectWord {
    func withWord(_ body: (ByteSlice) -> Void) {
        var text = self
        text.withUTF8 { body(unsafe ByteSlice($0)) }
    }
}

extension Int: EffectWord {
    func withWord(_ body: (ByteSlice) -> Void) { Decimal.withText(self, body) }
}

extension Int64: EffectWord {
    func withWord(_ body: (ByteSlice) -> Void) { Decimal.withText(Int(self), body) }
}

extension StreamID: EffectWord {
    func withWord(_ body: (ByteSlice) -> Void) { withText { body($0) } }
}

extension PackedElement: EffectWord {
    func withWord(_ body: (ByteSlice) -> Void) { withBytes { body($0) } }
}
