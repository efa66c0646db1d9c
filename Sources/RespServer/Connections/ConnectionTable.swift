// All open connections, by descriptor and by id, and those that are about to go or have just gone.

final class ConnectionTable {
    // No other code runs while one of these is modified, so exclusive access is not checked at run time: they are looked at in every turn.

    @safe @exclusivity(unchecked) private var byDescriptor: [Connection?] = []
    private var descriptors: [UInt64: Int32] = [:]
    private(set) var count = 0
    /// The id of the next one.
    private(set) var nextID: UInt64 = 1

    func insert(_ connection: Connection) {
        nextID += 1
        let place = Int(connection.descriptor)
        while byDescriptor.count <= place { byDescriptor.append(nil) }
        precondition(byDescriptor[place] == nil, "a descriptor with two connections")
        byDescriptor[place] = connection
        descriptors[connection.id] = connection.descriptor
        count += 1
    }

    private func remove(_ connection: Connection) {
        byDescriptor[Int(connection.descriptor)] = nil
        descriptors[connection.id] = nil
        count -= 1
    }

    /// The connection that an event is about: what was meant for a closed one is nobody's.
    @inline(__always)
    subscript(descriptor: Int, registration registration: UInt64) -> Connection? {
        guard descriptor < byDescriptor.count, let connection = byDescriptor[descriptor],
            connection.registration == registration
        else { return nil }
        return connection
    }

    /// The connection of an id, as CLIENT names it.
    subscript(id id: Int) -> Connection? {
        guard let id = UInt64(exactly: id), let descriptor = descriptors[id] else { return nil }
        return byDescriptor[Int(descriptor)]
    }

    // MARK: those that go

    /// To be closed at the end of the turn.
    @safe @exclusivity(unchecked) private var closing: [Connection] = []
    /// Those that were closed in this turn, kept until its end: others may still be looking at them.
    @safe @exclusivity(unchecked) private var closed: [Connection] = []

    @inline(__always) var hasClosing: Bool { !closing.isEmpty }

    /// Marks a connection to be closed at the end of the turn, after its replies have been sent.
    func closeLater(_ connection: Connection) {
        guard !connection.isClosing else { return }
        connection.isClosing = true
        closing.append(connection)
    }

    /// Returns those that are to be closed, and forgets them.
    func takeClosing() -> [Connection] {
        defer { closing = [] }
        return closing
    }

    /// Removes a connection that has been closed.
    func close(_ connection: Connection) {
        remove(connection)
        closed.append(connection)
    }

    /// To be called at the end of a turn: nobody looks at closed ones any more.
    @inline(__always)
    func forgetClosed() { if !closed.isEmpty { closed.removeAll(keepingCapacity: true) } }

    // MARK: all

    /// By descriptor.
    var all: some Sequence<Connection> { byDescriptor.lazy.compactMap { $0 } }

    /// The oldest first.
    var byAge: [Connection] { all.sorted { $0.id < $1.id } }
}
