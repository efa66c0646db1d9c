import RespCodec
import StoreEngine

@testable import RespServer

/// An engine with those who wait for its keys and those who watch them, and no server around it.
final class WaitingRoom: KeyspaceObserver {
    final class Client: Waiter {
        let name: Int
        let run: Command<KeyspaceContext>.Run
        let keys: KeySpecs
        let request: OwnedArguments
        fileprivate(set) var reply: String?

        init(
            _ name: Int, _ run: @escaping Command<KeyspaceContext>.Run, _ keys: KeySpecs, _ request: OwnedArguments,
            _ wait: Wait, _ database: Int
        ) {
            self.name = name
            self.run = run
            self.keys = keys
            self.request = wait.request.map { OwnedArguments($0) } ?? request
            super.init(database: database, wait: wait)
        }

        deinit { keys.deallocate() }
    }

    let engine = Engine(databases: 4, seed: 1)
    let listeners: KeyspaceListeners
    var blocked: BlockedClients { listeners.blocked }
    var watches: WatchRegistry { listeners.watches }
    private let writer = ReplyWriter()
    /// Whose waits a command has ended, in their order, and how many were run again.
    private(set) var served: [Int] = []
    private(set) var runCount = 0

    init() {
        listeners = KeyspaceListeners(engine: engine)
        engine.observer = self
        engine.isObserved = true
        engine.setTime(1_000_000)
    }

    deinit { writer.deallocate() }

    func keyChanged(_ key: ByteSlice, database: Int, event: KeyEvent) {
        listeners.keyChanged(key, database: database, event: event)
    }
    func keysWillFlush() {}
    func keyNoticed(_ key: ByteSlice, database: Int, event: KeyEvent) {}
    func databaseWillFlush(_ database: Int, presence: (ByteSlice) -> KeyPresence) {
        listeners.databaseWillFlush(database, presence: presence)
    }
    func databasesWillSwap(_ first: Int, _ second: Int, presence: (Int, ByteSlice) -> KeyPresence) {
        listeners.databasesWillSwap(first, second, presence: presence)
    }

    private func words(_ text: String) -> [[UInt8]] { text.split(separator: " ").map { Array($0.utf8) } }

    /// A command that must wait; `name` says who.
    @discardableResult
    func wait(_ name: Int, _ text: String, database: Int = 0) -> Client {
        let request = OwnedArguments(words(text))
        let word = text.prefix { $0 != " " }
        guard let command = Engine.allCommands.first(where: { $0.name == word }), let run = command.run else {
            preconditionFailure("\(text) is no command")
        }
        let keys = KeySpecs(command.keys)
        guard let wait = self.run(run, keys, request, database, .mayWait) else {
            preconditionFailure("\(text) does not wait")
        }
        let client = Client(name, run, keys, request, wait, database)
        blocked.add(client)
        _ = serve()
        return client
    }

    /// Runs commands one after the other as one transaction, then those that waited. Returns who was served.
    @discardableResult
    func run(_ texts: String..., database: Int = 0) -> [Int] {
        for text in texts {
            let reply = engine.execute(words(text), database: database)
            precondition(reply.first != UInt8(ascii: "-"), "\(text): \(String(decoding: reply, as: UTF8.self))")
        }
        return serve()
    }

    func serve() -> [Int] {
        served = []
        runCount = 0
        while blocked.hasReady {
            for queue in blocked.takeReady() {
                var round = blocked.round(through: queue)
                while let client = round.next() as? Client { runAgain(client) }
            }
        }
        return served
    }

    func runAgain(_ client: Client) {
        runCount += 1
        writer.removeAll()
        if let wait = run(client.run, client.keys, client.request, client.database, [.mayWait, .hasWaited]) {
            return blocked.setAlarm(of: client, retryTime: wait.retryTime)
        }
        client.reply = writer.written(0..<writer.count).description
        blocked.remove(client)
        served.append(client.name)
    }

    private func run(
        _ command: Command<KeyspaceContext>.Run, _ keys: KeySpecs, _ request: OwnedArguments, _ database: Int,
        _ options: CallOptions
    ) -> Wait? {
        engine.run(
            command, keys: keys, request.view, database: database, reply: writer, options: options, effect: .explicit)
        return engine.takeWait()
    }

    /// How many steps something takes.
    func steps(of body: () -> Void) -> Int {
        let before = blocked.steps.count + watches.steps.count
        body()
        return blocked.steps.count + watches.steps.count - before
    }
}
