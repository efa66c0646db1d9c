// `--hotkeys`: the keys with the highest counters of use, which a server keeps if its maxmemory-policy is one of LFU.

import RespCodec
import TerminalKit

struct HotKeysMode {
    private struct Found {
        var counter: Int
        var key: Bytes
    }

    private let session: Session
    private static let listed = 16

    init(_ session: Session) { self.session = session }

    func run() -> CInt {
        Interrupts.cancelLoops()
        let keyCount = session.databaseSize()
        session.announceScan(for: "hot keys")
        let progress = ProgressDisplay(label: "hotkeys", unit: "keys", total: keyCount)
        /// From the hottest down.
        var found: [Found] = []
        var scan = KeyScan(session)
        var sampled = 0
        var percentage = 0.0
        while true {
            let share = 100 * Double(sampled) / Double(keyCount)
            guard let keys = scan.next() else { break }
            percentage = share
            for (key, counter) in zip(keys, counters(of: keys)) {
                sampled += 1
                if sampled % 1_000_000 == 0 {
                    session.show(BigKeysMode.percent(share) + " Sampled \(sampled) keys so far\n", progress)
                }
                // A counter that equals the smallest of a full list, or 0, changes nothing.
                guard counter > 0, found.count < Self.listed || counter > found[found.count - 1].counter else {
                    continue
                }
                let place = found.firstIndex { $0.counter < counter } ?? found.count
                found.insert(Found(counter: counter, key: key), at: place)
                if found.count > Self.listed { found.removeLast() }
                session.show(
                    BigKeysMode.percent(share)
                        + " Hot key '\(Text.quoted(key))' found so far with counter \(counter)\n", progress)
            }
            progress?.update(sampled)
            scan.pause()
        }
        progress?.clear()
        var text = "\n-------- summary -------\n\n"
        if Interrupts.isCancelled { text += BigKeysMode.percent(percentage) + " " }
        text += "Sampled \(sampled) keys in the keyspace!\n"
        for entry in found {
            text += "hot key found with counter: \(entry.counter)\tkeyname: \(Text.quoted(entry.key))\n"
        }
        session.show(text, nil)
        return 0
    }

    private func counters(of keys: [Bytes]) -> [Int] {
        let replies = session.askMode(all: keys.map { [Bytes("OBJECT".utf8), Bytes("FREQ".utf8), $0] })
        return zip(keys, replies).map { key, reply in
            if let message = reply.errorText { session.failMode("Error: \(Text.string(message))") }
            guard case .integer(let counter) = reply.withoutAttributes else {
                StandardError.write(
                    "Warning: OBJECT freq on '\(Text.quoted(key))' failed (may have been deleted)\n")
                return 0
            }
            return counter
        }
    }
}
