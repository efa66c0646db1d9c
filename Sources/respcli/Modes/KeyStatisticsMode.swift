// `--keystats`: memory and elements of all values: the largest, by type, and how sizes and the lengths of names are distributed.

import RespCodec
import TerminalKit

struct KeyStatisticsMode {
    private struct Total {
        var count = 0
        var memory = 0
        var elements = 0
        var mostMemory = 0
        var mostMemoryKey: Bytes = []
        var mostElements = 0
        var mostElementsKey: Bytes = []
    }

    private struct Large {
        var memory: Int
        var type: Int
        var key: Bytes
    }

    private let session: Session
    /// By type.
    private var totals: [Total] = []
    /// From the largest down.
    private var largest: [Large] = []
    private var memory = 0
    private var sampled = 0
    /// How many values take 2^(n-1) to 2^n - 1 bytes, and how many names are so long.
    private var memoryClasses = [Int](repeating: 0, count: 65)
    private var nameClasses = [Int](repeating: 0, count: 65)
    private var measures: KeyMeasures

    init(_ session: Session) {
        self.session = session
        measures = KeyMeasures(session)
    }

    consuming func run() -> CInt {
        var mode = self
        return mode.runAll()
    }

    private mutating func runAll() -> CInt {
        Interrupts.cancelLoops()
        let keyCount = session.databaseSize()
        session.show(
            """

            # Scanning the entire keyspace to find the largest keys and how sizes are distributed.
            # -i 0.1 sleeps 0.1 seconds behind 100 SCAN commands (not usually needed).
            # --top N lists the N largest (10), --cursor N begins at a cursor; Ctrl-C stops.


            """, nil)
        let progress = ProgressDisplay(label: "keystats", unit: "keys", total: keyCount)
        var scan = KeyScan(session)
        while let keys = scan.next() {
            let types = measures.types(of: keys)
            let memory = measures.sizes(of: keys, types: types, .memory)
            let elements = measures.sizes(of: keys, types: types, .elements)
            while totals.count < measures.types.count { totals.append(Total()) }
            for (index, key) in keys.enumerated() {
                guard let type = types[index] else { continue }
                take(key, type: type, memory: memory[index], elements: elements[index])
            }
            progress?.update(sampled)
            scan.pause()
        }
        progress?.clear()
        let share = keyCount > 0 ? min(100, 100 * Double(sampled) / Double(keyCount)) : 100
        showAll(share: Interrupts.isCancelled ? share : 100)
        if Interrupts.isCancelled && scan.cursor != 0 {
            session.show(
                "\nScan interrupted:\nUse 'respcli --keystats --cursor \(scan.cursor)' to restart from the last cursor.\n",
                nil)
        }
        return 0
    }

    private static func classOf(_ size: Int) -> Int { Int.bitWidth - max(0, size).leadingZeroBitCount }

    private mutating func take(_ key: Bytes, type: Int, memory: Int, elements: Int) {
        sampled += 1
        self.memory += memory
        memoryClasses[Self.classOf(memory)] += 1
        nameClasses[Self.classOf(key.count)] += 1
        totals[type].count += 1
        totals[type].memory += memory
        totals[type].elements += elements
        if memory > totals[type].mostMemory {
            totals[type].mostMemory = memory
            totals[type].mostMemoryKey = key
        }
        if elements > totals[type].mostElements {
            totals[type].mostElements = elements
            totals[type].mostElementsKey = key
        }
        let limit = session.options.topCount
        guard limit > 0, largest.count < limit || memory > largest[largest.count - 1].memory else { return }
        let place = largest.firstIndex { $0.memory < memory } ?? largest.count
        largest.insert(Large(memory: memory, type: type, key: key), at: place)
        if largest.count > limit { largest.removeLast() }
    }

    // MARK: showing

    private func showAll(share: Double) {
        var text = "\(sampled) keys sampled (\(Text.format("%.2f", share)) %), \(Text.size(memory)) of memory\n\n"
        text += "--- Top \(session.options.topCount) key sizes ---\n"
        for (index, large) in largest.enumerated() {
            text += Self.right("\(index + 1)", 3) + " " + Self.right(Text.size(large.memory), 9) + " "
            text += Self.left(measures.types[large.type].name, 10) + " " + Text.quoted(large.key) + "\n"
        }
        text += "\n--- Largest by type ---\n"
        for (type, total) in zip(measures.types, totals) where total.count > 0 {
            text += Self.left(type.name, 10) + " " + Self.right(Text.size(total.mostMemory), 9)
            text += " of memory: " + Text.quoted(total.mostMemoryKey) + "\n"
            guard type.command != nil else { continue }
            text += Self.left(type.name, 10) + " " + Self.right("\(total.mostElements)", 9)
            text += " \(type.unit): " + Text.quoted(total.mostElementsKey) + "\n"
        }
        text += "\nType             Keys   Keys %     Memory  Mean memory      Elements  Mean elements\n"
        text += "---------- ---------- -------- ---------- ------------ ------------- --------------\n"
        for (type, total) in zip(measures.types, totals) where total.count > 0 {
            let count = Double(total.count)
            text += Self.left(type.name, 10) + Self.right("\(total.count)", 11)
            text += Self.right(Text.format("%.2f", 100 * count / Double(sampled)), 9)
            text += Self.right(Text.size(total.memory), 11)
            text += Self.right(Text.size(total.memory / total.count), 13)
            text += Self.right(type.command == nil ? "-" : "\(total.elements)", 14)
            text += Self.right(type.command == nil ? "-" : Text.format("%.2f", Double(total.elements) / count), 15)
            text += "\n"
        }
        text += "\nMemory up to       Keys   Up to %\n----------- ----------- ---------\n"
        text += distribution(memoryClasses)
        text += "\nName length up to  Keys   Up to %\n----------- ----------- ---------\n"
        text += distribution(nameClasses)
        session.show(text, nil)
    }

    private func distribution(_ classes: [Int]) -> String {
        var text = ""
        var sum = 0
        for (index, count) in classes.enumerated() where count > 0 {
            sum += count
            let bound = index == 0 ? 0 : index >= 63 ? Int.max : (1 << index) - 1
            text += Self.right(index == 0 ? "0B" : Text.size(bound), 11) + Self.right("\(count)", 12)
            text += Self.right(Text.format("%.2f", 100 * Double(sum) / Double(sampled)), 10) + "\n"
        }
        return text
    }

    private static func left(_ text: String, _ width: Int) -> String {
        text + String(repeating: " ", count: max(0, width - text.utf8.count))
    }

    private static func right(_ text: String, _ width: Int) -> String {
        String(repeating: " ", count: max(0, width - text.utf8.count)) + text
    }
}
