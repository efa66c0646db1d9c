// All open connections, by descriptor and by id.

struct ConnectionTable {
    private var byDescriptor: [Connection?] = []
    private var descriptors: [UInt64: Int32] = [:]
    private(set) var count = 0
    /// The id of the next one.
    private(set) var nextID: UInt64 = 1

    mutating func insert(_ connection: Connection) {
        nextID += 1
        let place = Int(connection.descriptor)
        while byDescriptor.count <= place { byDescriptor.append(nil) }
        precondition(byDescriptor[place] == nil, "a descriptor with two connections")
        byDescriptor[place] = connection
        descriptors[connection.id] = connection.descriptor
        count += 1
    }

    mutating func remove(_ connection: Connection) {
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

    /// By descriptor.
    var all: some Sequence<Connection> { byDescriptor.lazy.compactMap { $0 } }

    /// The oldest first.
    var byAge: [Connection] { all.sorted { $0.id < $1.id } }
}
