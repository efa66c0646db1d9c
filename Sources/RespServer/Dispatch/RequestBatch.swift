// What the requests of one batch need of the engine, found for all of them before the first is executed: so a pipeline waits for memory
// once instead of once a request.

import RespCodec
import StoreEngine

/// What a request of the batch needs of its command.
struct BatchedCall {
    var command: CommandHandle?
    /// Where its key is among those of the batch; -1 if it has none that can be told without its command.
    var key = -1
}

@safe final class RequestBatch {
    private var calls = UnsafeMutablePointer<BatchedCall>.allocate(capacity: RequestReader.batchCapacity)
    private var keys = UnsafeMutablePointer<HashedKey>.allocate(capacity: RequestReader.batchCapacity)
    private(set) var members = UnsafeMutablePointer<HashedMember>.allocate(capacity: RequestReader.batchCapacity)

    init() {
        // Keys and members are reached by what is in `calls` alone.
        unsafe calls.initialize(repeating: BatchedCall(), count: RequestReader.batchCapacity)
    }

    deinit {
        unsafe calls.deallocate()
        unsafe keys.deallocate()
        unsafe members.deallocate()
    }

    /// Exchanges what two batches hold, as `RequestReader` does.
    func exchange(with other: RequestBatch) {
        unsafe (calls, other.calls) = (other.calls, calls)
        unsafe (keys, other.keys) = (other.keys, keys)
        unsafe (members, other.members) = (other.members, members)
    }

    /// The command of a request, by its place in the reader's batch.
    @inline(__always)
    func command(_ index: Int) -> CommandHandle? { self[index].command }

    @inline(__always)
    private subscript(index: Int) -> BatchedCall {
        precondition(index >= 0 && index < RequestReader.batchCapacity, "a request outside the batch")
        return unsafe calls[index]
    }

    /// Its first key, hashed.
    @inline(__always)
    func key(_ index: Int) -> HashedKey? {
        let place = self[index].key
        return unsafe place < 0 ? nil : keys[place]
    }

    /// Finds the commands of the requests that a reader has found, and has the engine ask for the memory of their keys.
    /// - Parameter base: where the requests' arguments are counted from.
    @inline(__always)
    func lookUp(
        _ reader: RequestReader, _ base: UnsafeRawPointer, commands: CommandTable, engine: Engine, database: Int
    ) {
        var count = KeyCount()
        for index in 0..<reader.count {
            let request = reader[index]
            let name = reader.arguments[request.firstArgument]
            let command = unsafe commands.find(ByteSlice(start: base + name.offset, count: name.count))
            add(command, index, argumentCount: request.argumentCount, &count) { place in
                let piece = reader.arguments[request.firstArgument + place]
                return unsafe ByteSlice(start: base + piece.offset, count: piece.count)
            }
        }
        prepare(count, engine, database)
    }

    /// The same for requests of an append-only file.
    /// - Parameters:
    ///   - range: which of those that the reader has found: at most as many as a batch has.
    ///   - find: finds a command by its name.
    func lookUp(
        _ reader: EffectReader, _ range: Range<Int>, engine: Engine, database: Int,
        _ find: (ByteSlice) -> CommandHandle?
    ) {
        precondition(range.count <= RequestReader.batchCapacity, "more requests than a batch has")
        var count = KeyCount()
        for (place, index) in range.enumerated() {
            let words = reader.words(index)
            add(find(words[0]), place, argumentCount: words.count, &count) { words[$0] }
        }
        prepare(count, engine, database)
    }

    /// How many keys and members a batch has.
    private struct KeyCount {
        var keys = 0
        var members = 0
    }

    /// Takes in a request.
    /// - Parameter argument: its argument at a place.
    @inline(__always)
    private func add(
        _ command: CommandHandle?, _ index: Int, argumentCount: Int, _ count: inout KeyCount,
        _ argument: (Int) -> ByteSlice
    ) {
        var key = -1
        if let command, command.firstKey > 0, command.firstKey < argumentCount {
            key = count.keys
            unsafe keys[key] = HashedKey(argument(command.firstKey))
            count.keys += 1
            let place = command.member
            if place > 0 && place < argumentCount {
                unsafe HashedMember.write(argument(place), ofKey: key, to: members + count.members)
                count.members += 1
            }
        }
        unsafe calls[index] = BatchedCall(command: command, key: key)
    }

    @inline(__always)
    private func prepare(_ count: KeyCount, _ engine: Engine, _ database: Int) {
        guard count.keys > 0 else { return }
        unsafe engine.prepare(
            UnsafeMutableBufferPointer(start: keys, count: count.keys),
            UnsafeMutableBufferPointer(start: members, count: count.members), database: database)
    }
}
