// Parsing and printing of settings whose values are neither a number, a word nor a plain text: save points, buffer
// limits, lists of addresses, letters for event classes and so on. The rows that use them are in the tables.

import Glibc
import RespCodec

extension SettingGrammar {
    /// "900 1 300 10": pairs of seconds and changes. An empty word removes all; a repeated line adds to those before.
    static let savePoints = SettingGrammar(
        parse: { (words, current, accumulating) throws(SettingError) in
            let words = words.count == 1 && words[0].isEmpty ? [] : words
            guard words.count.isMultiple(of: 2) else { throw SettingError("Invalid save parameters") }
            var numbers = accumulating && !words.isEmpty ? current.integersValue : []
            for (index, word) in words.enumerated() {
                let least = index.isMultiple(of: 2) ? 1 : 0
                guard let number = SettingNumber.saturating(word), number >= least else {
                    throw SettingError("Invalid save parameters")
                }
                numbers.append(number)
            }
            return .integers(numbers)
        },
        text: { joined($0.integersValue) },
        lines: { value in
            let numbers = value.integersValue
            if numbers.isEmpty { return [""] }
            return stride(from: 0, to: numbers.count, by: 2).map { "\(numbers[$0]) \(numbers[$0 + 1])" }
        },
        accumulates: true)

    /// "normal 0 0 0 replica 256mb 64mb 60": per client class the hard limit, the soft limit and its seconds.
    /// The value is nine numbers in the order normal, replica, pubsub; classes that are not mentioned keep theirs.
    static let outputBufferLimits = SettingGrammar(
        parse: { (words, current, _) throws(SettingError) in
            guard words.count.isMultiple(of: 4) else {
                throw SettingError("Wrong number of arguments in buffer limit configuration.")
            }
            var numbers = current.integersValue
            for index in stride(from: 0, to: words.count, by: 4) {
                let first: Int
                switch words[index].lowercasedText {
                case "normal": first = 0
                case "replica", "slave": first = 3
                case "pubsub": first = 6
                default: throw SettingError("Invalid client class specified in buffer limit configuration.")
                }
                guard let hard = SettingNumber.memory(words[index + 1]),
                    let soft = SettingNumber.memory(words[index + 2]),
                    let seconds = SettingNumber.saturating(words[index + 3]), seconds >= 0
                else {
                    throw SettingError("Error in hard, soft or soft_seconds setting in buffer limit configuration.")
                }
                numbers[first] = Int(clamping: hard)
                numbers[first + 1] = Int(clamping: soft)
                numbers[first + 2] = min(seconds, Int(Int32.max))
            }
            return .integers(numbers)
        },
        text: { value in
            let numbers = value.integersValue
            let classes = ["normal", "slave", "pubsub"].enumerated()
            return classes.map { "\($1) \(joined(Array(numbers[$0 * 3..<$0 * 3 + 3])))" }.joined(separator: " ")
        },
        lines: { value in
            let numbers = value.integersValue
            return ["normal", "replica", "pubsub"].enumerated().map { (index, name) in
                let hard = SettingNumber.sizeText(numbers[index * 3])
                let soft = SettingNumber.sizeText(numbers[index * 3 + 1])
                return "\(name) \(hard) \(soft) \(numbers[index * 3 + 2])"
            }
        })

    /// Up to sixteen addresses; a single empty word is the empty list.
    static let addresses = SettingGrammar(
        parse: { (words, _, _) throws(SettingError) in
            guard words.count <= 16 else { throw SettingError("Too many bind addresses specified.") }
            if words.count == 1 && words[0].isEmpty { return .words([]) }
            var addresses: [String] = []
            for word in words {
                guard let text = String(validating: word, as: UTF8.self), !word.contains(0) else {
                    throw SettingError("argument must be valid UTF-8 text")
                }
                addresses.append(text)
            }
            return .words(addresses)
        },
        text: { $0.wordsValue.joined(separator: " ") })

    /// Letters for classes of events, such as "Ex".
    static let eventClasses = SettingGrammar(
        parse: { (words, _, _) throws(SettingError) in
            guard words.count == 1 else { throw SettingError("wrong number of arguments") }
            guard let classes = KeyspaceEventClasses(letters: String(decoding: words[0], as: UTF8.self)) else {
                throw SettingError("Invalid event class character. Use 'Ag$lshzxeKEtmdn'.")
            }
            return .integer(classes.rawValue)
        },
        text: { KeyspaceEventClasses(rawValue: $0.integerValue).letters },
        lines: { ["\"\(KeyspaceEventClasses(rawValue: $0.integerValue).letters)\""] })

    /// Numbers from 0 to 100.
    static let percentiles = SettingGrammar(
        parse: { (words, _, _) throws(SettingError) in
            if words.count == 1 && words[0].isEmpty { return .decimals([]) }
            var percentiles: [Double] = []
            for word in words {
                guard let number = word.withByteSlice({ FloatingPoint64.parse($0) }) else {
                    throw SettingError("Invalid latency-tracking-info-percentiles parameters")
                }
                guard (0...100).contains(number) else {
                    throw SettingError("latency-tracking-info-percentiles parameters should sit between [0.0,100.0]")
                }
                percentiles.append(number)
            }
            return .decimals(percentiles)
        },
        text: { $0.decimalsValue.map(SettingNumber.decimalText).joined(separator: " ") })

    /// Three numbers from -2000 to 2000.
    static let outOfMemoryScores = SettingGrammar(
        parse: { (words, _, _) throws(SettingError) in
            guard words.count == 3 else { throw SettingError("wrong number of arguments") }
            var scores: [Int] = []
            for word in words {
                guard let score = SettingNumber.saturating(word), (-2000...2000).contains(score) else {
                    throw SettingError("Invalid oom-score-adj-values, elements must be between -2000 and 2000.")
                }
                scores.append(score)
            }
            return .integers(scores)
        },
        text: { joined($0.integersValue) })

    /// One of four words, two of which mean the same.
    static let outOfMemoryAdjustment = SettingGrammar(
        parse: { (words, _, _) throws(SettingError) in
            guard words.count == 1 else { throw SettingError("wrong number of arguments") }
            switch words[0].lowercasedText {
            case "no": return .text("no")
            case "yes", "relative": return .text("yes")
            case "absolute": return .text("absolute")
            default: throw SettingError("argument(s) must be one of the following: no, yes, relative, absolute")
            }
        },
        text: \.textValue)

    /// "HOST PORT" or "no one". A server that accepts writes while it should be a replica would lose them, so without
    /// replication only "no one" is accepted.
    static let replicaOf = SettingGrammar(
        parse: { (words, _, _) throws(SettingError) in
            if words.count == 1 && words[0].isEmpty { return .text("") }
            guard words.count == 2 else { throw SettingError("wrong number of arguments") }
            if words[0].lowercasedText == "no" && words[1].lowercasedText == "one" { return .text("") }
            guard let port = SettingNumber.saturating(words[1]), (0...65535).contains(port) else {
                throw SettingError("Invalid master port")
            }
            throw SettingError("replication is not supported by this version of \(Product.name)")
        },
        text: \.textValue)

    /// A directory that exists and can be entered; the value is its absolute path. Relative ones start at the current
    /// value.
    static let directory = SettingGrammar(
        parse: { (words, current, _) throws(SettingError) in
            guard words.count == 1 else { throw SettingError("wrong number of arguments") }
            guard let text = String(validating: words[0], as: UTF8.self), !words[0].contains(0) else {
                throw SettingError("argument must be valid UTF-8 text")
            }
            switch FileAccess.enterableDirectory(text, from: current.textValue) {
            case .success(let path): return .text(path)
            case .failure(let error): throw SettingError(error.text)
            }
        },
        text: \.textValue,
        lines: { [String(decoding: DirectiveSyntax.quoted(Array($0.textValue.utf8)), as: UTF8.self)] })

    private static func joined(_ numbers: [Int]) -> String { numbers.map(String.init).joined(separator: " ") }
}
