// `--bigkeys` and `--memkeys`: the largest value of each type, and how many values and elements there are.

import RespCodec
import TerminalKit

struct BigKeysMode {
    private struct Total {
        var count = 0
        var size = 0
        var largest = 0
        var largestKey: Bytes?
    }

    private let session: Session
    private let measure: KeyMeasures.Measure

    init(_ session: Session, measure: KeyMeasures.Measure) {
        self.session = session
        self.measure = measure
    }

    func run() -> CInt {
        Interrupts.cancelLoops()
        let keyCount = session.databaseSize()
        session.announceScan(for: "biggest keys")
        let progress = ProgressDisplay(
            label: measure == .memory ? "memkeys" : "bigkeys", unit: "keys", total: keyCount)
        var measures = KeyMeasures(session)
        var totals = [Total](repeating: Total(), count: measures.types.count)
        var scan = KeyScan(session)
        var sampled = 0
        var nameLength = 0
        var percentage = 0.0
        while true {
            let share = 100 * Double(sampled) / Double(keyCount)
            guard let keys = scan.next() else { break }
            percentage = share
            let types = measures.types(of: keys)
            let sizes = measures.sizes(of: keys, types: types, measure)
            while totals.count < measures.types.count { totals.append(Total()) }
            for (index, key) in keys.enumerated() {
                guard let type = types[index] else { continue }
                totals[type].size += sizes[index]
                totals[type].count += 1
                nameLength += key.count
                sampled += 1
                if totals[type].largest < sizes[index] {
                    totals[type].largest = sizes[index]
                    totals[type].largestKey = key
                    let info = measures.types[type]
                    session.show(
                        Self.percent(share)
                            + " Biggest \(padded(info.name, 6)) found so far '\(Text.quoted(key))' with "
                            + "\(sizes[index]) \(unit(of: info))\n", progress)
                }
                if sampled % 1_000_000 == 0 {
                    session.show(Self.percent(share) + " Sampled \(sampled) keys so far\n", progress)
                }
            }
            progress?.update(sampled)
            scan.pause()
        }
        progress?.clear()
        showSummary(
            measures, totals, sampled: sampled, nameLength: nameLength,
            interruptedAt: Interrupts.isCancelled ? percentage : nil)
        return 0
    }

    private func unit(of type: KeyMeasures.TypeInfo) -> String { measure == .memory ? "bytes" : type.unit }

    private func padded(_ name: String, _ width: Int) -> String {
        name + String(repeating: " ", count: max(0, width - name.utf8.count))
    }

    static func percent(_ share: Double) -> String { "[" + Text.format("%05.2f", share) + "%]" }

    /// The order in which redis-cli names the types. It goes through a hash table, which each of the first keys moves a bit.
    private static func order(keyCount: Int) -> [String] {
        switch keyCount {
        case 0: ["hash", "list", "string", "stream", "set", "zset"]
        case 1: ["string", "list", "hash", "stream", "set", "zset"]
        default: ["list", "hash", "string", "stream", "set", "zset"]
        }
    }

    private func showSummary(
        _ measures: KeyMeasures, _ totals: [Total], sampled: Int, nameLength: Int, interruptedAt: Double?
    ) {
        var text = "\n-------- summary -------\n\n"
        if let interruptedAt { text += Self.percent(interruptedAt) + " " }
        let averageLength = nameLength > 0 ? Double(nameLength) / Double(sampled) : 0
        text += "Sampled \(sampled) keys in the keyspace!\n"
        text += "Total key length in bytes is \(nameLength) (avg len \(Text.format("%.2f", averageLength)))\n\n"
        let names = Self.order(keyCount: sampled)
        let order = measures.types.indices.sorted {
            (names.firstIndex(of: measures.types[$0].name) ?? 99, $0)
                < (names.firstIndex(of: measures.types[$1].name) ?? 99, $1)
        }
        for index in order {
            guard let key = totals[index].largestKey else { continue }
            let type = measures.types[index]
            let padding = String(repeating: " ", count: max(0, 6 - type.name.utf8.count))
            text += "Biggest \(padding)\(type.name) found '\(Text.quoted(key))' has \(totals[index].largest) "
            text += "\(unit(of: type))\n"
        }
        text += "\n"
        for index in order {
            let type = measures.types[index]
            let total = totals[index]
            let share = sampled > 0 ? 100 * Double(total.count) / Double(sampled) : 0
            let average = total.count > 0 ? Double(total.size) / Double(total.count) : 0
            text += "\(total.count) \(type.name)s with \(total.size) \(unit(of: type)) "
            text += "(\(Text.format("%05.2f", share))% of keys, avg size \(Text.format("%.2f", average)))\n"
        }
        session.show(text, nil)
    }
}
