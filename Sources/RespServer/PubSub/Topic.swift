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
        /// Kept by its connection, or, when that has gone, among those who have departed.
        let subscriber: Uncounted<Subscriber>
        /// Where the topic stands among the subscriber's.
        fileprivate(set) var place: Int
    }

    /// About what one takes besides its name: the object, and what an array of bytes takes besides them.
    private static let bytesOfTopic = 128

    let kind: Kind
    /// No other code runs while they are modified, so exclusive access is not checked at run time.
    @safe @exclusivity(unchecked) fileprivate(set) var subscriptions = InlineFirstArray<Subscription>()
    /// Where a pattern stands among those that begin with the same literal text.
    var placeInGroup = 0

    init(_ name: ByteSlice, hash: UInt64, _ kind: Kind) {
        self.kind = kind
        super.init(name, hash: hash)
    }

    /// The memory that it takes, without that of subscriptions behind the first.
    var byteCount: Int { name.count + Self.bytesOfTopic }
}

/// What one client is subscribed to. Its connection has this as long as that is anything.
final class Subscriber {
    /// Up to this many, a topic is looked for among all.
    private static let few = 8

    private struct Entry {
        let topic: Topic
        /// Where the subscriber stands among those of the topic.
        var place: Int
    }

    let connection: Connection
    /// Its client has gone.
    @safe @exclusivity(unchecked) var hasDeparted = false
    private var entries = InlineFirstArray<Entry>()
    /// Where each topic stands among the entries, once these are many.
    private var places: [ObjectIdentifier: Int] = [:]
    /// How many entries there are of each kind.
    private var counts: (channels: Int32, shardChannels: Int32, patterns: Int32) = (0, 0, 0)

    init(_ connection: Connection) { self.connection = connection }

    var count: Int { entries.count }
    var isEmpty: Bool { entries.isEmpty }
    var channelCount: Int { Int(counts.channels) }
    var shardChannelCount: Int { Int(counts.shardChannels) }
    var patternCount: Int { Int(counts.patterns) }
    func count(_ kind: Topic.Kind) -> Int {
        switch kind {
        case .channel: channelCount
        case .shardChannel: shardChannelCount
        case .pattern: patternCount
        }
    }

    private func count(_ kind: Topic.Kind, _ change: Int32) {
        switch kind {
        case .channel: counts.channels += change
        case .shardChannel: counts.shardChannels += change
        case .pattern: counts.patterns += change
        }
    }

    /// The topic that stands at a place, from 0 to `count` - 1. When it is left, the last one takes its place.
    func topic(at place: Int) -> Topic { entries[place].topic }

    /// The memory that its side of the subscriptions takes.
    var byteCount: Int { entries.byteCount + places.capacity * 24 }

    private func place(of topic: Topic, _ steps: StepCounter) -> Int? {
        guard places.isEmpty else {
            steps.step()
            return places[ObjectIdentifier(topic)]
        }
        steps.step(entries.count)
        return entries.firstIndex { $0.topic === topic }
    }

    func contains(_ topic: Topic, _ steps: StepCounter) -> Bool { place(of: topic, steps) != nil }

    /// Subscribes to a topic to which it is not subscribed.
    func join(_ topic: Topic, _ steps: StepCounter) {
        entries.append(Entry(topic: topic, place: topic.subscriptions.count))
        topic.subscriptions.append(Topic.Subscription(subscriber: unsafe Uncounted(self), place: entries.count - 1))
        count(topic.kind, 1)
        if !places.isEmpty {
            places[ObjectIdentifier(topic)] = entries.count - 1
        } else if entries.count > Self.few {
            for (index, entry) in entries.enumerated() { places[ObjectIdentifier(entry.topic)] = index }
        }
        steps.step()
    }

    /// Takes back the subscription to a topic.
    func leave(_ topic: Topic, _ steps: StepCounter) {
        guard let index = place(of: topic, steps) else { preconditionFailure("a subscription that there is not") }
        let place = entries[index].place
        count(topic.kind, -1)
        if !places.isEmpty { places[ObjectIdentifier(topic)] = nil }
        if let moved = entries.remove(at: index) {
            moved.topic.subscriptions[moved.place].place = index
            if !places.isEmpty { places[ObjectIdentifier(moved.topic)] = index }
        }
        if entries.count <= Self.few / 2 { places = [:] }
        if let moved = topic.subscriptions.remove(at: place) {
            moved.subscriber.use { $0.entries[moved.place].place = place }
        }
    }
}
