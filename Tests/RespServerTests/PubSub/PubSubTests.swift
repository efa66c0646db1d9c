// Goal: a message reaches exactly those who are subscribed to it, and nothing that is done to one subscription takes longer the more
// others there are. Method: random operations beside a naive model; steps are counted where cost is told of.

import RespCodec
import StoreEngine
import TestSupport
import Testing

@testable import RespServer

@Suite struct PubSubTests {
    private let pubsub = PubSub(engine: Engine(seed: 1))

    private func subscriber(_ number: Int = 1) -> Subscriber {
        let peer = ScriptedPeer(descriptor: Int32(number))
        return Subscriber(Connection(.scripted(peer), id: UInt64(number), isUnix: true, now: 0, unixPath: "test"))
    }

    private func subscribe(_ subscriber: Subscriber, _ name: String, _ kind: Topic.Kind = .channel) {
        Array(name.utf8).withByteSlice { pubsub.subscribe(subscriber, to: $0, kind) }
    }

    private func unsubscribe(_ subscriber: Subscriber, _ name: String, _ kind: Topic.Kind = .channel) {
        Array(name.utf8).withByteSlice { pubsub.unsubscribe(subscriber, from: $0, kind) }
    }

    /// Who gets a message: the numbers of the subscribers, once for each subscription that it comes by.
    private func receivers(of channel: String, isSharded: Bool = false) -> [UInt64] {
        var numbers: [UInt64] = []
        Array(channel.utf8).withByteSlice { name in
            pubsub.forEachTopic(of: name, isSharded: isSharded) { topic in
                numbers += topic.subscriptions.map { $0.subscriber.object.connection.id }
            }
        }
        return numbers.sorted()
    }

    private func steps(_ body: () -> Void) -> Int {
        let before = pubsub.steps.count
        body()
        return pubsub.steps.count - before
    }

    @Test func whatReachesWhom() {
        let (one, two) = (subscriber(1), subscriber(2))
        subscribe(one, "news")
        subscribe(one, "news")
        subscribe(two, "news")
        subscribe(two, "n*", .pattern)
        subscribe(one, "news", .shardChannel)
        subscribe(one, "*", .pattern)
        #expect(receivers(of: "news") == [1, 1, 2, 2] && receivers(of: "news", isSharded: true) == [1])
        #expect(receivers(of: "nothing") == [1, 2] && receivers(of: "other") == [1] && receivers(of: "") == [])
        #expect(pubsub.channels.count == 1 && pubsub.shardChannels.count == 1 && pubsub.patterns.count == 2)
        #expect(pubsub.subscriberCount == 2 && one.channelCount == 1 && two.patternCount == 1)
        unsubscribe(two, "news", .shardChannel)
        unsubscribe(one, "n*", .pattern)
        unsubscribe(one, "news")
        #expect(receivers(of: "news") == [1, 2, 2])
        var left: [String] = []
        for kind in [Topic.Kind.pattern, .channel, .shardChannel] {
            pubsub.unsubscribeFromAll(two, kind) { left.append(String(decoding: $0.name, as: UTF8.self)) }
        }
        #expect(left == ["n*", "news"] && two.isEmpty && pubsub.subscriberCount == 1 && receivers(of: "news") == [1])
    }

    @Test func randomSubscriptions() {
        var random = SeededRandom(seed: TestSeed.fixed(11))
        let clients = (0..<40).map { subscriber($0 + 1) }
        let names = (0..<30).map { "c\($0)" }
        let patterns = ["*", "c*", "c1*", "c?", "c1?", "[cd]1", "\\c2", "c2", "c\\", "", "c[0-9]5", "**", "c*5"]
        var model: Set<[String]> = []
        for step in 0..<20_000 {
            let place = random.below(clients.count)
            // Some clients have many subscriptions, others few.
            guard random.below(clients.count) >= place || step % 3 == 0 else { continue }
            let kind = [Topic.Kind.channel, .pattern, .shardChannel][random.below(3)]
            let name = kind == .pattern ? patterns[random.below(patterns.count)] : names[random.below(names.count)]
            let entry = ["\(kind)", name, "\(place + 1)"]
            if random.below(2) == 0 {
                subscribe(clients[place], name, kind)
                model.insert(entry)
            } else if random.below(200) == 0 {
                pubsub.unsubscribeFromAll(clients[place], kind)
                model = model.filter { $0[0] != entry[0] || $0[2] != entry[2] }
            } else {
                unsubscribe(clients[place], name, kind)
                model.remove(entry)
            }
            guard step % 50 == 0 else { continue }
            for channel in names {
                func expected(_ kind: String, _ fits: (String) -> Bool) -> [UInt64] {
                    model.filter { $0[0] == kind && fits($0[1]) }.compactMap { UInt64($0[2]) }
                }
                let byPattern = expected("pattern") { pattern in
                    Array(pattern.utf8).withByteSlice { pattern in
                        Array(channel.utf8).withByteSlice { GlobPattern.matches(pattern, $0) }
                    }
                }
                #expect(receivers(of: channel) == (expected("channel") { $0 == channel } + byPattern).sorted())
                #expect(receivers(of: channel, isSharded: true) == expected("shardChannel") { $0 == channel }.sorted())
            }
            for client in clients {
                let own = model.filter { $0[2] == "\(client.connection.id)" }
                #expect(client.channelCount == own.count { $0[0] == "channel" })
                #expect(client.patternCount == own.count { $0[0] == "pattern" })
            }
            #expect(pubsub.subscriberCount == Set(model.map { $0[2] }).count)
        }
        for client in clients {
            for kind in [Topic.Kind.channel, .pattern, .shardChannel] { pubsub.unsubscribeFromAll(client, kind) }
        }
        #expect(
            pubsub.channels.count + pubsub.patterns.count + pubsub.shardChannels.count + pubsub.subscriberCount == 0)
    }

    @Test func subscribingCostsTheSameHoweverManyThereAre() {
        let many = (0..<3000).map { subscriber($0) }
        let owner = subscriber(5000)
        for (number, client) in many.enumerated() {
            #expect(steps { subscribe(client, "common") } <= 2)
            #expect(steps { subscribe(owner, "own\(number)") } <= 10)
        }
        subscribe(owner, "common")
        for _ in 0..<3 {
            #expect(steps { subscribe(owner, "common") } <= 10)
            #expect(steps { unsubscribe(owner, "common") } <= 10)
            #expect(steps { subscribe(owner, "common") } <= 10)
        }
        for client in many[1000...] { #expect(steps { unsubscribe(client, "common") } <= 10) }
        #expect(receivers(of: "common").count == 1001)
        #expect(steps { pubsub.unsubscribeFromAll(owner, .channel) } <= 3001 * 10)
    }

    /// What is left of a client that has gone is removed in parts, and counts no more.
    @Test func clientsThatGoAreForgottenInParts() {
        let (gone, other, small) = (subscriber(1), subscriber(2), subscriber(3))
        for number in 0..<1000 {
            subscribe(gone, "c\(number)")
            subscribe(gone, "p\(number)*", .pattern)
        }
        subscribe(other, "c1")
        subscribe(small, "c1")
        pubsub.depart(small)
        #expect(!pubsub.hasDeparted && pubsub.subscriberCount == 2 && receivers(of: "c1") == [1, 2])
        #expect(steps { pubsub.depart(gone) } == 0)
        #expect(pubsub.hasDeparted && pubsub.subscriberCount == 1)
        func count(_ name: String) -> Int {
            Array(name.utf8).withByteSlice { pubsub.subscriptionCount($0, .channel) }
        }
        #expect(count("c1") == 1 && count("c2") == 0)
        var parts = 0
        while pubsub.hasDeparted {
            #expect(steps { pubsub.removeDeparted() } <= PubSub.mostAtOnce * 10)
            parts += 1
        }
        #expect(parts == (2000 + PubSub.mostAtOnce - 1) / PubSub.mostAtOnce)
        #expect(pubsub.channels.count == 1 && pubsub.patterns.count == 0 && receivers(of: "c1") == [2])
    }

    /// Of thousands of patterns only those are tested with whose beginning the channel's name begins.
    @Test func thousandsOfPatterns() {
        let client = subscriber()
        for number in 0..<5000 { subscribe(client, "user:\(number):*", .pattern) }
        for pattern in ["user:77:a?", "user:77:[xy]", "*:name", "\\user:77:n*"] { subscribe(client, pattern, .pattern) }
        // Its own, three that begin alike, and the one that begins with anything; and a look-up for each length of a beginning.
        #expect(receivers(of: "user:77:name").count == 3)
        #expect(steps { _ = receivers(of: "user:77:name") } <= 1 + 5 + 8)
        #expect(steps { _ = receivers(of: "another") } <= 1 + 1 + 8)
        for number in 0..<5000 { #expect(steps { unsubscribe(client, "user:\(number):*", .pattern) } <= 3) }
        #expect(receivers(of: "user:77:name").count == 2)
    }

    @Test func literalBeginnings() {
        for (pattern, beginning) in [
            ("", ""), ("news", "news"), ("n*", "n"), ("*", ""), ("a?c", "a"), ("a[b]", "a"), ("a\\*b*", "a*b"),
            ("a\\", "a\\"), ("\\a\\b?", "ab"), ("a]*", "a]"),
        ] {
            let found = Array(pattern.utf8).withByteSlice { GlobPattern.literalBeginning($0) }
            #expect(found == Array(beginning.utf8), "\(pattern)")
        }
    }

    /// What topics take is counted as they come and go, each once, however many are subscribed to it.
    @Test func memoryOfTopics() {
        let (one, two) = (subscriber(1), subscriber(2))
        let name = String(repeating: "n", count: 1000)
        for kind in [Topic.Kind.channel, .shardChannel, .pattern] {
            for number in 0..<100 { subscribe(one, "\(number)\(name)", kind) }
            let single = pubsub.byteCount
            // The beginning of a pattern is kept, too.
            let least = kind == .pattern ? 200_000 : 100_000
            #expect((least + 10_000..<least + 60_000).contains(single))
            for number in 0..<100 { subscribe(two, "\(number)\(name)", kind) }
            #expect((1600..<10_000).contains(pubsub.byteCount - single))
            for number in 0..<100 { unsubscribe(one, "\(number)\(name)", kind) }
            pubsub.depart(two)
            while pubsub.hasDeparted { pubsub.removeDeparted() }
            #expect(pubsub.byteCount < 200)
            two.hasDeparted = false
        }
    }

    /// Many patterns of one beginning.
    @Test func memoryOfPatterns() {
        let one = subscriber()
        for number in 0..<1000 { subscribe(one, "news*\(number)", .pattern) }
        #expect((100_000..<250_000).contains(pubsub.byteCount))
        for number in 0..<1000 { unsubscribe(one, "news*\(number)", .pattern) }
        #expect(pubsub.byteCount < 200)
    }
}
