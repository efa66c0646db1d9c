// How commands and expiry tell their effects.

import RespCodec

extension KeyspaceContext {
    /// Whether somebody takes effects. To be asked only by those who would prepare something for it.
    @inline(__always) var isRecorded: Bool { engine.isRecorded }

    /// Tells an effect: a command by its name, a key and what else there is. To be called where the change is told of, in the order in
    /// which another engine is to run the commands.
    @inline(__always)
    func effect<each Word: EffectWord>(
        _ name: StaticString, _ key: ByteSlice, _ words: repeat each Word, in database: Database? = nil
    ) {
        guard let effect = beginEffect(name, key, in: database) else { return }
        repeat effect.add(each words)
        effect.end()
    }

    /// Tells the words of a request as they came.
    @inline(__always)
    func effect(_ arguments: Arguments) {
        if engine.isRecorded { engine.effects?.take(arguments, database: database.index) }
    }

    /// Tells the words of a request as those of another command, which has all of its arguments but one.
    func effect(_ name: StaticString, _ arguments: Arguments, without index: Int) {
        guard let effect = beginEffect(name, arguments[1]) else { return }
        for place in 2..<arguments.count where place != index { effect.add(arguments[place]) }
        effect.end()
    }

    /// Begins an effect of many words; nil while nobody takes effects.
    @inline(__always)
    func beginEffect(_ name: StaticString, _ key: ByteSlice, in database: Database? = nil) -> EffectWords? {
        engine.isRecorded ? engine.beginEffect(name, key, in: database ?? self.database) : nil
    }
}

extension EngineState {
    @inline(never)
    func beginEffect(_ name: StaticString, _ key: ByteSlice, in database: Database) -> EffectWords? {
        guard let effects = self.effects else { return nil }
        let words = EffectWords(effects, name, in: database)
        words.add(key)
        return words
    }

    /// Counts the last changes as told of: their effects were told though no command made them.
    func changesTold(_ count: Int) { self.effects?.toldChanges &+= count }

    /// Tells whoever takes effects of the large arguments of the command that runs.
    @inline(never)
    func tell(_ adoptable: AdoptableArguments?) { self.effects?.tell(adoptable) }

    /// To be called when a command has run.
    @inline(never)
    func commandEnded(_ effect: CommandEffect, _ arguments: Arguments, database: Int) {
        // Whoever has set it keeps it.
        unsafe self.borrowedEffects?._withUnsafeGuaranteedRef { effects in
            if effect == .verbatim && effects.toldChanges != self.changeCount {
                effects.take(arguments, database: database)
            }
            effects.toldChanges = self.changeCount
        }
    }
}

extension Engine {
    /// Who takes the effects of writes from now on; not retained.
    public var effectSink: (any EffectSink)? {
        get { unsafe state.effects?.sink }
        set { state.recordEffects(with: newValue.map { EffectRecorder(sink: $0, changes: state.changeCount) }) }
    }

    /// Whether whoever takes effects is kept from hearing of them.
    public var hidesEffects: Bool {
        get { state.effects?.isMuted ?? false }
        set { state.effects?.isMuted = newValue }
    }

    /// Tells the words of a request that has changed something which is not the engine's, and counts that.
    public func tellEffect(_ arguments: Arguments, database: Int) {
        state.countChanges(1)
        guard let effects = state.effects else { return }
        effects.take(arguments, database: database)
        effects.toldChanges = state.changeCount
    }

    /// To be called after each call (a request, a transaction, a wait that was served): its effects are a group.
    public func endEffects() { unsafe state.borrowedEffects?._withUnsafeGuaranteedRef { $0.endGroup() } }
}
