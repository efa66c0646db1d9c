// Publishing and subscribing: who is subscribed to which channels, shard channels and patterns.
//
//     name -> topic -> its subscriptions: subscriber, and where the topic stands among the subscriber's
//     subscriber -> its topics: topic, and where the subscriber stands among the topic's
//
// Each side of a subscription knows the place of the other, so that subscribing and unsubscribing cost the same however many there are.
// A subscription takes an entry on either side and no object of its own.
//
// A message looks for its channel, and for patterns by the literal text with which they begin: only those are tested with whose beginning the
// channel's name begins.

import RespCodec
import StoreEngine

final class PubSub {
    private let engine: Engine
    // No other code runs while one of these is modified, so exclusive access is not checked at run time: each message looks at them.
    @safe @exclusivity(unchecked) private(set) var channels = NamedTable<Topic>()
    @safe @exclusivity(unchecked) private(set) var shardChannels = NamedTable<Topic>()
    @safe @exclusivity(unchecked) private(set) var patterns = NamedTable<Topic>()
    private var beginnings = PrefixTable<PatternGroup>()
    /// What topics, the groups of patterns and the subscriptions that are kept by topics take.
    private var topicByteCount = 0
    /// How many clients are subscribed to anything.
    private(set) var subscriberCount = 0
    /// Clients that have gone, of whose many subscriptions some are still there.
    @safe @exclusivity(unchecked) private var departed: [Subscriber] = []
    let steps = StepCounter()

    /// - Parameter engine: whose hash names are found by.
    init(engine: Engine) { self.engine = engine }

    /// Patterns that begin with the same literal text, which is the group's name.
    private final class PatternGroup: NamedObject {
        /// About what one takes besides its name and its patterns but the first.
        private static let bytesOfGroup = 176
        var patterns: [Topic] = []
        var byteCount: Int { name.count + Self.bytesOfGroup + patterns.capacity * MemoryLayout<Topic>.stride }
    }

    /// The memory of all topics and of the tables in which they are found. What a subscriber keeps of its own counts with its connection.
    var byteCount: Int {
        topicByteCount + channels.byteCount + shardChannels.byteCount + patterns.byteCount + beginnings.byteCount
    }

    /// Whether a message can reach anybody.
    @inline(__always) var hasListeners: Bool { channels.count > 0 || patterns.count > 0 }

    func topics(_ kind: Topic.Kind) -> NamedTable<Topic> {
        switch kind {
        case .channel: channels
        case .shardChannel: shardChannels
        case .pattern: patterns
        }
    }

    /// How many are subscribed to a channel by its name.
    func subscriptionCount(_ name: ByteSlice, _ kind: Topic.Kind) -> Int {
        topics(kind).find(name, hash: engine.hash(name)).map { receiverCount($0) } ?? 0
    }

    /// How many are subscribed to a topic, without those who have gone.
    @inline(__always)
    func receiverCount(_ topic: Topic) -> Int {
        departed.isEmpty
            ? topic.subscriptions.count : topic.subscriptions.count { !$0.subscriber.object.hasDeparted }
    }

    // MARK: subscribing

    /// Subscribes somebody who may be subscribed already.
    /// - Complexity: O(1).
    func subscribe(_ subscriber: Subscriber, to name: ByteSlice, _ kind: Topic.Kind) {
        let topic: Topic
        if let known = topics(kind).find(name, hash: engine.hash(name)) {
            topic = known
            if subscriber.contains(topic, steps) { return }
        } else {
            topic = Topic(name, hash: engine.hash(name), kind)
            insert(topic)
        }
        if subscriber.isEmpty { subscriberCount += 1 }
        let before = topic.subscriptions.byteCount
        subscriber.join(topic, steps)
        topicByteCount += topic.subscriptions.byteCount - before
    }

    /// Takes back a subscription, if there is one.
    /// - Complexity: O(1); for a pattern O(patterns that begin with the same literal text).
    func unsubscribe(_ subscriber: Subscriber, from name: ByteSlice, _ kind: Topic.Kind) {
        guard let topic = topics(kind).find(name, hash: engine.hash(name)), subscriber.contains(topic, steps) else {
            return
        }
        leave(topic, subscriber)
    }

    /// Takes back all subscriptions of a kind, and calls `body` after each.
    func unsubscribeFromAll(_ subscriber: Subscriber, _ kind: Topic.Kind, _ body: (Topic) -> Void = { _ in }) {
        // From the last to the first: leaving a topic moves the last one to its place, which was visited before.
        for place in stride(from: subscriber.count - 1, through: 0, by: -1) {
            let topic = subscriber.topic(at: place)
            guard topic.kind == kind else { continue }
            leave(topic, subscriber)
            body(topic)
        }
    }

    private func leave(_ topic: Topic, _ subscriber: Subscriber) {
        let before = topic.subscriptions.byteCount
        subscriber.leave(topic, steps)
        topicByteCount += topic.subscriptions.byteCount - before
        if subscriber.isEmpty && !subscriber.hasDeparted { subscriberCount -= 1 }
        if topic.subscriptions.isEmpty { remove(topic) }
    }

    // MARK: going

    /// With more subscriptions than this, what is left of a client that has gone is removed in parts.
    static let mostAtOnce = 256

    /// Whether there is something for `removeDeparted` to do.
    @inline(__always) var hasDeparted: Bool { !departed.isEmpty }

    /// Takes back all subscriptions of a client that has gone: at once if they are few.
    /// - Complexity: O(1).
    func depart(_ subscriber: Subscriber) {
        guard !subscriber.isEmpty else { return }
        subscriber.hasDeparted = true
        subscriberCount -= 1
        departed.append(subscriber)
        if subscriber.count <= Self.mostAtOnce { removeDeparted() }
    }

    /// Removes some subscriptions of clients that have gone, those of the last one first.
    func removeDeparted() {
        var left = Self.mostAtOnce
        while left > 0, let subscriber = departed.last {
            leave(subscriber.topic(at: subscriber.count - 1), subscriber)
            if subscriber.isEmpty { departed.removeLast() }
            left -= 1
        }
    }

    private func insert(_ topic: Topic) {
        topicByteCount += topic.byteCount
        switch topic.kind {
        case .channel: channels.insert(topic)
        case .shardChannel: shardChannels.insert(topic)
        case .pattern:
            patterns.insert(topic)
            let beginning = topic.name.withByteSlice { GlobPattern.literalBeginning($0) }
            beginning.withByteSlice { name in
                let hash = engine.hash(name)
                if let group = beginnings.find(name, hash: hash) {
                    topicByteCount -= group.byteCount
                    topic.placeInGroup = group.patterns.count
                    group.patterns.append(topic)
                    topicByteCount += group.byteCount
                } else {
                    let group = PatternGroup(name, hash: hash)
                    group.patterns.append(topic)
                    beginnings.insert(group)
                    topicByteCount += group.byteCount
                }
            }
        }
    }

    private func remove(_ topic: Topic) {
        topicByteCount -= topic.byteCount
        switch topic.kind {
        case .channel: channels.remove(topic)
        case .shardChannel: shardChannels.remove(topic)
        case .pattern:
            patterns.remove(topic)
            let beginning = topic.name.withByteSlice { GlobPattern.literalBeginning($0) }
            let group = beginning.withByteSlice { beginnings.find($0, hash: engine.hash($0)) }
            guard let group else { preconditionFailure("a pattern without a group") }
            topicByteCount -= group.byteCount
            let last = group.patterns.removeLast()
            if last !== topic {
                last.placeInGroup = topic.placeInGroup
                group.patterns[topic.placeInGroup] = last
            }
            if group.patterns.isEmpty { beginnings.remove(group) } else { topicByteCount += group.byteCount }
        }
    }

    // MARK: publishing

    /// Calls `body` with each topic whose subscribers get what is published to a channel: the channel itself, then patterns. No
    /// subscription may be made or taken back meanwhile.
    /// - Complexity: O(1), and for each pattern that begins as the channel's name does what comparing them takes.
    @inline(__always)
    func forEachTopic(of channel: ByteSlice, isSharded: Bool, _ body: (Topic) -> Void) {
        steps.step()
        if isSharded {
            if let topic = shardChannels.find(channel, hash: engine.hash(channel)) { body(topic) }
            return
        }
        if channels.count > 0, let topic = channels.find(channel, hash: engine.hash(channel)) { body(topic) }
        if patterns.count == 0 { return }
        beginnings.forEach(beginning: channel, hash: { engine.hash($0) }, steps: steps) { group in
            for pattern in group.patterns {
                steps.step()
                if pattern.name.withByteSlice({ GlobPattern.matches($0, channel) }) { body(pattern) }
            }
        }
    }
}
