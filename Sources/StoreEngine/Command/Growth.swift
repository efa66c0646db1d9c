// How much memory a command may take at once beyond its arguments, told before it runs: where memory is limited, room is made for that first.

import RespCodec

extension Command {
    /// About how many bytes a request takes at once besides its arguments; 0 where it fails. No more than it is certain to take is told, as
    /// keys go for it. It changes nothing.
    public typealias Growth = @Sendable (Context, Arguments) -> Int
}

extension Command where Context == KeyspaceContext {
    /// The same command, known to make large values of small arguments.
    func growing(_ growth: @escaping Growth) -> Command<KeyspaceContext> {
        var command = self
        command.growth = growth
        command.flags.insert(.growsAtOnce)
        return command
    }
}

extension KeyspaceContext {
    /// Less is not worth looking closer.
    static var leastGrowth: Int { 1 << 20 }

    /// Bytes of a value, of a large one by samples; 0 if the key is absent.
    func byteCountOfSource(_ key: ByteSlice) -> Int {
        guard let slot = find(key, .peek) else { return 0 }
        let entry = entry(slot)
        return entry.encoding == .external ? stringLength(entry) : memoryUsage(slot, samples: 5)
    }

    /// What it takes to make a string at least so long.
    func growth(of key: ByteSlice, to length: Int) -> Int {
        guard length <= maximumStringLength else { return 0 }
        let before = find(key, .peek).map { entry($0).isType(.string) ? stringLength(entry($0)) : length } ?? 0
        return max(0, length - before)
    }
}

extension Engine {
    /// How many bytes a request may take at once besides its arguments.
    public func growth(
        _ growth: Command<KeyspaceContext>.Growth, _ arguments: Arguments, database index: Int, reply: ReplyWriter
    ) -> Int {
        growth(KeyspaceContext(self, database: state.database(index), reply: reply), arguments)
    }
}
