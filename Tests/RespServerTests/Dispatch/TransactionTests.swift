import RespCodec
import TestSupport
import Testing

@testable import RespServer

@Suite struct TransactionTests {
    private let table: CommandTable = {
        let table = CommandTable()
        for command in SessionCommands.all { table.add(CommandRecord(command)) }
        return table
    }()

    private func append(_ words: [[UInt8]], to transaction: Transaction) {
        let owned = OwnedArguments(words)
        guard let command = Array("PING".utf8).withByteSlice({ table.find($0) }) else { return }
        transaction.append(command, owned.view, flags: [.write])
        withExtendedLifetime(owned) {}
    }

    /// Whatever the sizes: the arguments of all commands are what they were, also after the memory has moved.
    @Test func argumentsAreKept() {
        var random = SeededRandom(seed: TestSeed.fixed(5))
        let transaction = Transaction()
        var requests: [[[UInt8]]] = []
        for _ in 0..<300 {
            let words = (0..<Int.random(in: 1...5, using: &random)).map { _ in
                let most = [0, 3, 40, 3000].randomElement(using: &random) ?? 0
                return [UInt8](
                    repeating: UInt8.random(in: 0...255, using: &random),
                    count: Int.random(in: 0...most, using: &random))
            }
            requests.append(words)
            append(words, to: transaction)
        }
        #expect(transaction.queue.map { transaction.arguments(of: $0).owned } == requests)
        let bytes = requests.joined().reduce(0) { $0 + $1.count }
        #expect(
            transaction.argumentByteCount == bytes
                && transaction.byteCount == bytes + requests.joined().count * 16 + requests.count * 24)
        #expect(transaction.flags.contains(.write))
    }

    @Test func anotherTransactionFindsNothingOfIt() {
        let transaction = Transaction()
        append([Array("SET".utf8), Array("k".utf8)], to: transaction)
        transaction.isAborted = true
        #expect(transaction.reset())
        #expect(transaction.queue.isEmpty && transaction.flags == [] && !transaction.isAborted)
        #expect(transaction.byteCount == 0 && transaction.argumentByteCount == 0)
        append([Array("GET".utf8)], to: transaction)
        #expect(transaction.queue.map { transaction.arguments(of: $0).owned } == [[Array("GET".utf8)]])
    }

    /// What has taken much memory is not kept.
    @Test(arguments: [(1, 100_000), (2000, 1), (3, 40_000)]) func largeOnesGo(commands: Int, bytes: Int) {
        let transaction = Transaction()
        for _ in 0..<commands { append([[UInt8](repeating: 1, count: bytes)], to: transaction) }
        #expect(!transaction.reset())
    }
}
