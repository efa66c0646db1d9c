// Keyspace events: what happens to keys, published as messages: `notify-keyspace-events`.
//
// Each event makes up to two messages. To who is subscribed to a key's channel the message is the event; to who is subscribed to an event's
// channel it is the key:
//
//     __keyspace@0__:KEY      EVENT
//     __keyevent@0__:EVENT    KEY

import RespCodec
import StoreEngine

final class KeyspaceEvents {
    /// Which events are told of, and on which channels.
    var classes: KeyspaceEventClasses = []
    /// Who are the subscribers.
    unowned var pubsub: PubSub?
    /// Sends a message to a channel.
    var publish: (_ channel: ByteSlice, _ payload: ByteSlice) -> Void = { _, _ in }
    /// The name of a channel while it is needed.
    private var channel: [UInt8] = []

    /// Whether an event could reach anybody.
    var isHeard: Bool {
        let channels: KeyspaceEventClasses = [.keyspaceChannel, .keyeventChannel]
        return !classes.isDisjoint(with: channels) && !classes.subtracting(channels).isEmpty
            && pubsub?.hasListeners == true
    }

    /// Whether some of the events are no changes of their own.
    var wantsNotices: Bool { !classes.isDisjoint(with: .notices) }

    func tell(_ key: ByteSlice, database: Int, _ event: KeyEvent) {
        guard let eventClass = KeyspaceEventClasses(event.eventClass), classes.contains(eventClass) else { return }
        if classes.contains(.keyspaceChannel) {
            send("__keyspace@", database, name: key, payload: ByteSlice(event.name))
        }
        if classes.contains(.keyeventChannel) {
            send("__keyevent@", database, name: ByteSlice(event.name), payload: key)
        }
    }

    private func send(_ kind: ByteSlice, _ database: Int, name suffix: ByteSlice, payload: ByteSlice) {
        channel.removeAll(keepingCapacity: true)
        unsafe channel.append(contentsOf: kind.rawBytes)
        Decimal.withText(database) { unsafe channel.append(contentsOf: $0.rawBytes) }
        let separator: ByteSlice = "__:"
        unsafe channel.append(contentsOf: separator.rawBytes)
        unsafe channel.append(contentsOf: suffix.rawBytes)
        let name = channel
        name.withByteSlice { publish($0, payload) }
    }
}

extension KeyspaceEventClasses {
    /// The class as the setting has it; nil for what is no event.
    fileprivate init?(_ eventClass: KeyEventClass) {
        switch eventClass {
        case .generic: self = .generic
        case .string: self = .string
        case .list: self = .list
        case .set: self = .set
        case .hash: self = .hash
        case .sortedSet: self = .sortedSet
        case .stream: self = .stream
        case .expired: self = .expired
        case .evicted: self = .evicted
        case .new: self = .newKey
        case .miss: self = .keyMiss
        case .overwritten: self = .overwritten
        case .typeChanged: self = .typeChanged
        case .silent: return nil
        }
    }
}
