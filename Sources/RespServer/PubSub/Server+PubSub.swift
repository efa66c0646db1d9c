// Publishing to connections, and what becomes of a connection that subscribes.

import RespCodec
import StoreEngine

extension Connection {
    /// Whether it is only sent messages: RESP2 cannot tell them from replies.
    var isLimitedToMessages: Bool { subscriber != nil && version == .resp2 }

    /// To be called after a connection has become a subscriber, or has ceased to be one.
    fileprivate func setSubscriber(_ subscriber: Subscriber?) {
        self.subscriber = subscriber
        clientClass = subscriber == nil ? .normal : .pubsub
        updateGate()
    }
}

extension Server {
    /// From this many receivers on, what it takes to send to each at the end of the turn outweighs what the messages themselves cost.
    private static let manyReceivers = 32

    /// Sends a message to those who are subscribed to a channel.
    /// - Returns: How many get it.
    @discardableResult
    func publish(_ payload: ByteSlice, to channel: ByteSlice, isSharded: Bool = false) -> Int {
        var count = 0
        pubsub.forEachTopic(of: channel, isSharded: isSharded) { topic in
            var message = Message()
            // From the last to the first: who is closed for what it is sent leaves its place to the last one.
            var place = topic.subscriptions.count
            while place > 0 {
                place &-= 1
                topic.subscriptions[place].subscriber.use { subscriber in
                    if subscriber.hasDeparted { return }
                    replies.push(&message, to: subscriber.connection) { writer in
                        Self.write(payload, of: channel, topic, to: writer)
                    }
                    count += 1
                }
            }
        }
        if count >= Self.manyReceivers { clock.extendSlice() }
        return count
    }

    private static func write(_ payload: ByteSlice, of channel: ByteSlice, _ topic: Topic, to writer: ReplyWriter) {
        switch topic.kind {
        case .channel: writer.push(beginning: "3\r\n$7\r\nmessage")
        case .shardChannel: writer.push(beginning: "3\r\n$8\r\nsmessage")
        case .pattern:
            writer.push(beginning: "4\r\n$8\r\npmessage")
            writer.bulkString(topic.name)
        }
        writer.bulkString(channel)
        writer.bulkString(payload)
    }

    // MARK: subscribing

    /// Subscribes a client to topics, calling `body` after each with what it is subscribed to now.
    func subscribe(
        _ connection: Connection, to names: ArgumentReader, _ kind: Topic.Kind, _ body: (ByteSlice, Subscriber) -> Void
    ) {
        let subscriber = connection.subscriber ?? Subscriber(connection)
        var names = names
        while !names.isAtEnd {
            let name = names.next()
            pubsub.subscribe(subscriber, to: name, kind)
            body(name, subscriber)
        }
        if connection.subscriber == nil { connection.setSubscriber(subscriber) }
        keyspaceListeners.update()
    }

    /// To be called after subscriptions of a client were taken back.
    func followSubscriptions(of connection: Connection) {
        guard let subscriber = connection.subscriber else { return }
        if subscriber.isEmpty { connection.setSubscriber(nil) }
        keyspaceListeners.update()
    }

    /// Takes back all subscriptions of a client, and tells it nothing.
    func unsubscribeFromAll(_ connection: Connection) {
        guard let subscriber = connection.subscriber else { return }
        pubsub.depart(subscriber)
        connection.setSubscriber(nil)
        keyspaceListeners.update()
    }

    /// Goes on with taking back what clients were subscribed to that have gone.
    func removeDepartedSubscriptions() {
        pubsub.removeDeparted()
        if !pubsub.hasDeparted { keyspaceListeners.update() }
    }
}
