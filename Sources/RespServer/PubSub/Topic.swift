// What can be subscribed to, and who is.

import RespCodec

/// A channel, a shard channel or a pattern that somebody is subscribed to.
final class Topic: NamedObject {
    enum Kind {
        case channel
        case shardChannel
        case pattern
    }

    struct Subscription {
        let subscriber: Subscriber
        /// Where the topic stands among the subscriber's of its kind.
        fileprivate(set) var place: Int
    }

    let kind: Kind
    fileprivate(set) var subscriptions: [Subscription] = []
    /// Where a pattern stands among those that begin with the same literal text.
    var placeInGroup = 0

    init(_ name: ByteSlice, hash: UInt64, _ kind: Kind) {
        self.kind = kind
        super.init(name, hash: hash)
    }
}

/// What one client is subscribed to. Its connection has this as long as that is anything.
final class Subscriber {
    /// Its topics of one kind.
    struct Topics {
        /// Up to so many, one is looked for among all.
        private static let few = 8

        fileprivate struct Entry {
            let topic: Topic
            /// Where the subscriber stands among those of the topic.
            var place: Int
        }

        fileprivate private(set) var entries: [Entry] = []
        /// Where each topic stands among the entries, once these are many.
        private var places: [ObjectIdentifier: Int] = [:]

        var count: Int { entries.count }
        var last: Topic? { entries.last?.topic }
        fileprivate var byteCount: Int { entries.capacity * 16 + places.capacity * 24 }

        fileprivate func place(of topic: Topic, _ steps: StepCounter) -> Int? {
            guard places.isEmpty else {
                steps.step()
                return places[ObjectIdentifier(topic)]
            }
            steps.step(entries.count)
            return entries.firstIndex { $0.topic === topic }
        }

        fileprivate mutating func append(_ topic: Topic, at place: Int) {
            entries.append(Entry(topic: topic, place: place))
            if !places.isEmpty {
                places[ObjectIdentifier(topic)] = entries.count - 1
            } else if entries.count > Self.few {
                for (index, entry) in entries.enumerated() { places[ObjectIdentifier(entry.topic)] = index }
            }
        }

        /// Removes an entry. The last one takes its place.
        /// - Returns: the entry that was removed, and the one that was moved, if one was.
        fileprivate mutating func remove(at index: Int) -> (removed: Entry, moved: Entry?) {
            let removed = entries[index]
            let last = entries.removeLast()
            if !places.isEmpty {
                places[ObjectIdentifier(removed.topic)] = nil
                if entries.count <= Self.few / 2 { places = [:] }
            }
            guard index < entries.count else { return (removed, nil) }
            entries[index] = last
            if !places.isEmpty { places[ObjectIdentifier(last.topic)] = index }
            return (removed, last)
        }

        fileprivate mutating func setPlace(_ place: Int, ofEntry index: Int) { entries[index].place = place }
    }

    let connection: Connection
    private(set) var channels = Topics()
    private(set) var shardChannels = Topics()
    private(set) var patterns = Topics()

    init(_ connection: Connection) { self.connection = connection }

    subscript(kind: Topic.Kind) -> Topics {
        _read {
            switch kind {
            case .channel: yield channels
            case .shardChannel: yield shardChannels
            case .pattern: yield patterns
            }
        }
        _modify {
            switch kind {
            case .channel: yield &channels
            case .shardChannel: yield &shardChannels
            case .pattern: yield &patterns
            }
        }
    }

    var isEmpty: Bool { channels.count == 0 && shardChannels.count == 0 && patterns.count == 0 }

    /// The memory that its side of the subscriptions takes.
    var byteCount: Int { channels.byteCount + shardChannels.byteCount + patterns.byteCount }

    func contains(_ topic: Topic, _ steps: StepCounter) -> Bool { self[topic.kind].place(of: topic, steps) != nil }

    /// Subscribes to a topic to which it is not subscribed.
    func join(_ topic: Topic, _ steps: StepCounter) {
        let place = topic.subscriptions.count
        topic.subscriptions.append(Topic.Subscription(subscriber: self, place: self[topic.kind].count))
        self[topic.kind].append(topic, at: place)
        steps.step()
    }

    /// Takes back the subscription to a topic.
    func leave(_ topic: Topic, _ steps: StepCounter) {
        guard let index = self[topic.kind].place(of: topic, steps) else {
            preconditionFailure("a subscription that there is not")
        }
        let (removed, moved) = self[topic.kind].remove(at: index)
        if let moved { moved.topic.subscriptions[moved.place].place = index }
        // The topic's last subscription takes the place of the one that goes.
        let last = topic.subscriptions.removeLast()
        guard removed.place < topic.subscriptions.count else { return }
        topic.subscriptions[removed.place] = last
        last.subscriber[topic.kind].setPlace(removed.place, ofEntry: last.place)
    }
}
