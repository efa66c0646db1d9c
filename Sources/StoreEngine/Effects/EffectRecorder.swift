// Puts the words of effects together, while somebody takes them.

import RespCodec

/// What stands between an engine and the sink of its effects.
@safe final class EffectRecorder {
    unowned(unsafe) let sink: any EffectSink
    /// The same, if it is the usual one: it is called without a detour.
    private let log: Unmanaged<EffectLog>?
    // Each effect looks at what follows, and while one of these is modified no other code runs: exclusive access is not checked at run time.

    /// How far the count of changes is told of: a command that has moved it further has changed something.
    @safe @exclusivity(unchecked) var toldChanges: Int
    @safe @exclusivity(unchecked) fileprivate(set) var isInGroup = false
    /// While it is, nobody is told of what happens.
    @safe @exclusivity(unchecked) var isMuted = false
    /// Large arguments of the command that runs. Whoever runs it holds them.
    @exclusivity(unchecked) private var adoptable: Unmanaged<AdoptableArguments>?
    /// The effect that is being put together.
    @safe @exclusivity(unchecked) private var text: [UInt8] = []
    private let pieces = ArgumentList(capacity: 16)
    /// Words of it that lie elsewhere, and which ones they are.
    @safe @exclusivity(unchecked) private var outside: [(index: Int, word: ByteSlice)] = []

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
            unsafe log._withUnsafeGuaranteedRef { log in
                if unsafe adoptable == nil {
                    log.take(words, database: database)
                } else {
                    takeLarge(words, log, database)
                }
            }
        } else {
            unsafe sink.take(words, database: database)
        }
    }

    @inline(never)
    private func takeLarge(_ words: Arguments, _ log: EffectLog, _ database: Int) {
        unsafe adoptable?._withUnsafeGuaranteedRef { log.take(words, database: database, keptBy: $0) }
    }

    /// Tells of the large arguments of a command before it runs, and that it has run.
    func tell(_ arguments: AdoptableArguments?) {
        unsafe adoptable = arguments.map { unsafe .passUnretained($0) }
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
        if word.count >= EffectLog.leastKept, unsafe adoptable?._withUnsafeGuaranteedRef({ $0.holds(word) }) == true {
            outside.append((pieces.count, word))
            return pieces.append(ArgumentPiece(offset: 0, count: 0))
        }
        pieces.append(ArgumentPiece(offset: text.count, count: word.count))
        unsafe text.append(contentsOf: word.rawBytes)
    }

    fileprivate func end(in database: Int) {
        unsafe text.withUnsafeBytes { bytes in
            guard let base = bytes.baseAddress else { preconditionFailure("an effect has a name") }
            if !outside.isEmpty { return unsafe takeWithOutside(base, database: database) }
            unsafe take(pieces.view(0..<pieces.count, base: base), database: database)
        }
        cancel()
    }

    /// Takes an effect of which words lie elsewhere.
    private func takeWithOutside(_ base: UnsafeRawPointer, database: Int) {
        let all = ArgumentList(capacity: pieces.count)
        defer { unsafe all.deallocate() }
        var words = outside[...]
        for index in 0..<pieces.count {
            guard let first = words.first, first.index == index, let start = unsafe first.word.rawBytes.baseAddress
            else {
                all.append(pieces[index])
                continue
            }
            all.append(unsafe ArgumentPiece(offset: start - base, count: first.word.count))
            words.removeFirst()
        }
        unsafe take(all.view(0..<all.count, base: base), database: database)
    }

    fileprivate func cancel() {
        text.removeAll(keepingCapacity: text.capacity <= 1 << 20)
        pieces.removeAll()
        if !outside.isEmpty { outside.removeAll() }
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
