// Editing a line with the keys of Emacs, as shells have them: what each key does to the text. Nothing here knows a terminal; what it shows
// is worked out by `LineLayout`.
//
//     moving     C-a C-e C-b C-f M-b M-f, arrows, Home, End
//     deleting   C-d, Backspace, M-d, C-w, M-Backspace, C-k, C-u; all but single characters go to the kill ring
//     kill ring  C-y yanks the newest, M-y replaces it by the one before
//     history    C-p C-n, arrows, M-< M->; C-r and C-s search while typing, C-g ends that
//     other      C-t, M-u M-l M-c, C-_ (undo), C-l, Tab (completion), C-v (the next key as it is)

public struct LineEditor: Sendable {
    public enum Outcome: Equatable, Sendable {
        case editing
        /// The line is complete.
        case accepted
        /// Ctrl-D on an empty line.
        case ended
        /// Ctrl-C: the line is given up.
        case interrupted
        /// The screen is to be cleared.
        case clearScreen
        /// Completions are to be listed.
        case list([String])
        /// Nothing could be done.
        case bell
    }

    /// What may stand in place of the bytes of `range`.
    public struct Completion: Equatable, Sendable {
        public var range: Range<Int>
        public var candidates: [String]

        public init(range: Range<Int>, candidates: [String]) {
            self.range = range
            self.candidates = candidates
        }
    }

    public struct Search: Equatable, Sendable {
        public var text: [UInt8] = []
        public var goesBack = true
        public var hasFailed = false
        /// The line of the history that was found.
        var index: Int
        let original: EditedText
        let originalIndex: Int
    }

    public private(set) var text = EditedText()
    public private(set) var search: Search?
    public var history: History
    /// Completions of a text at a place.
    public var complete: (@Sendable (_ text: [UInt8], _ cursor: Int) -> Completion)?

    /// Position in the history; its count for the line that is new.
    private var historyIndex = 0
    /// The new line, and others as they were changed on the way.
    private var changedLines: [Int: [UInt8]] = [:]
    private var kills: [[UInt8]] = []
    /// What the last key did, where that matters for the next.
    private enum Last {
        case other, kill
        case yank(Range<Int>, kill: Int)
        case insert, completion
    }
    private var last = Last.other
    private var undone: [EditedText] = []
    private var takesNextLiterally = false
    private static let killLimit = 32
    private static let undoLimit = 200

    public init(history: History = History()) {
        self.history = history
        historyIndex = history.lines.count
    }

    /// Begins a new line.
    public mutating func begin() {
        text = EditedText()
        search = nil
        historyIndex = history.lines.count
        changedLines = [:]
        last = .other
        undone = []
        takesNextLiterally = false
    }

    public mutating func handle(_ key: Key) -> Outcome {
        if takesNextLiterally {
            takesNextLiterally = false
            insert(Self.literal(key))
            return .editing
        }
        if search != nil, let outcome = handleInSearch(key) { return outcome }
        let previous = last
        last = .other
        switch key {
        case .text(let bytes):
            if case .insert = previous {} else { remember() }
            text.insert(bytes)
            last = .insert
        case .paste(let bytes):
            insert(Self.cleaned(bytes))
        case .enter:
            text.move(to: text.bytes.count)
            return .accepted
        case .control("C"): return .interrupted
        case .control("D"):
            if text.isEmpty { return .ended }
            return delete(to: text.next(after: text.cursor))
        case .delete: return delete(to: text.next(after: text.cursor))
        case .backspace: return delete(to: text.previous(before: text.cursor))
        case .control("A"), .home: text.move(to: 0)
        case .control("E"), .end: text.move(to: text.bytes.count)
        case .control("B"), .left: text.move(to: text.previous(before: text.cursor))
        case .control("F"), .right: text.move(to: text.next(after: text.cursor))
        case .meta("b"), .wordLeft: text.move(to: text.wordStart)
        case .meta("f"), .wordRight: text.move(to: text.wordEnd)
        case .control("K"): kill(to: text.bytes.count, previous)
        case .control("U"): kill(to: 0, previous)
        case .control("W"): kill(to: text.blankStart, previous)
        case .metaBackspace: kill(to: text.wordStart, previous)
        case .meta("d"): kill(to: text.wordEnd, previous)
        case .control("Y"): return yank()
        case .meta("y"): return yankPop(previous)
        case .control("T"):
            remember()
            text.transpose()
        case .meta("u"), .meta("l"), .meta("c"): changeCase(key)
        case .control("_"): return undo()
        case .control("L"): return .clearScreen
        case .control("P"), .up: return moveInHistory(by: -1)
        case .control("N"), .down: return moveInHistory(by: 1)
        case .meta("<"), .pageUp: return goInHistory(to: 0)
        case .meta(">"), .pageDown: return goInHistory(to: history.lines.count)
        case .control("R"): beginSearch(back: true)
        case .control("S"): beginSearch(back: false)
        case .control("V"): takesNextLiterally = true
        case .tab: return completeText(previous)
        default: return .bell
        }
        return .editing
    }

    // MARK: changes

    private mutating func remember() {
        if undone.last != text { undone.append(text) }
        if undone.count > Self.undoLimit { undone.removeFirst() }
    }

    private mutating func insert(_ bytes: [UInt8]) {
        remember()
        text.insert(bytes)
    }

    private mutating func delete(to place: Int) -> Outcome {
        guard place != text.cursor else { return .bell }
        remember()
        text.remove(place, text.cursor)
        return .editing
    }

    private mutating func undo() -> Outcome {
        guard let earlier = undone.popLast() else { return .bell }
        text = earlier
        return .editing
    }

    private mutating func changeCase(_ key: Key) {
        let end = text.wordEnd
        guard end > text.cursor else { return }
        remember()
        let range = text.cursor..<end
        var isFirst = true
        let changed = text.bytes[range].map { byte -> UInt8 in
            let isLetter = byte | 0x20 >= UInt8(ascii: "a") && byte | 0x20 <= UInt8(ascii: "z")
            guard isLetter else { return byte }
            let raises = key == .meta("u") || (key == .meta("c") && isFirst)
            isFirst = false
            return raises ? byte & ~0x20 : byte | 0x20
        }
        text.replace(range, with: changed)
    }

    /// What a key stands for as text.
    private static func literal(_ key: Key) -> [UInt8] {
        switch key {
        case .text(let bytes), .paste(let bytes): bytes
        case .control(let letter): [(letter.asciiValue ?? 0) & 0x1F]
        case .tab: [0x09]
        case .enter: [0x0A]
        case .escape: [0x1B]
        case .backspace: [0x7F]
        default: []
        }
    }

    /// Pasted bytes with one kind of line end, and without the last.
    private static func cleaned(_ bytes: [UInt8]) -> [UInt8] {
        var cleaned: [UInt8] = []
        for (index, byte) in bytes.enumerated() {
            if byte == 0x0D {
                if index + 1 >= bytes.count || bytes[index + 1] != 0x0A { cleaned.append(0x0A) }
            } else {
                cleaned.append(byte)
            }
        }
        while cleaned.last == 0x0A { cleaned.removeLast() }
        return cleaned
    }

    // MARK: the kill ring

    private mutating func kill(to place: Int, _ previous: Last) {
        last = .kill
        guard place != text.cursor else { return }
        remember()
        let goesBack = place < text.cursor
        let removed = text.remove(place, text.cursor)
        if case .kill = previous, let newest = kills.last {
            // Kills in a row are one.
            kills[kills.count - 1] = goesBack ? removed + newest : newest + removed
        } else {
            kills.append(removed)
            if kills.count > Self.killLimit { kills.removeFirst() }
        }
    }

    private mutating func yank() -> Outcome {
        guard let newest = kills.last else { return .bell }
        let start = text.cursor
        insert(newest)
        last = .yank(start..<text.cursor, kill: kills.count - 1)
        return .editing
    }

    private mutating func yankPop(_ previous: Last) -> Outcome {
        guard case .yank(let range, let kill) = previous else { return .bell }
        let earlier = kill == 0 ? kills.count - 1 : kill - 1
        remember()
        text.replace(range, with: kills[earlier])
        last = .yank(range.lowerBound..<text.cursor, kill: earlier)
        return .editing
    }

    // MARK: history

    private mutating func moveInHistory(by step: Int) -> Outcome { goInHistory(to: historyIndex + step) }

    private mutating func goInHistory(to index: Int) -> Outcome {
        guard (0...history.lines.count).contains(index), index != historyIndex else { return .bell }
        changedLines[historyIndex] = text.bytes
        historyIndex = index
        text = EditedText(changedLines[index] ?? history.lines[index])
        undone = []
        return .editing
    }

    private mutating func beginSearch(back: Bool) {
        search = Search(
            goesBack: back, index: historyIndex, original: text, originalIndex: historyIndex)
    }

    /// A key while searching; nil if it ends the search and means what it always does.
    private mutating func handleInSearch(_ key: Key) -> Outcome? {
        guard var current = search else { return nil }
        switch key {
        case .text(let bytes):
            current.text += bytes
            // The line that is shown may still be right.
            find(&current, from: current.goesBack ? current.index + 1 : current.index - 1)
        case .paste(let bytes):
            current.text += Self.cleaned(bytes)
            find(&current, from: current.goesBack ? current.index + 1 : current.index - 1)
        case .control("R"):
            current.goesBack = true
            find(&current, from: current.index)
        case .control("S"):
            current.goesBack = false
            find(&current, from: current.index)
        case .backspace:
            var typed = EditedText(current.text)
            typed.remove(typed.previous(before: typed.cursor), typed.cursor)
            current.text = typed.bytes
            current.index = history.lines.count
            find(&current, from: current.index)
        case .control("G"), .control("C"):
            text = current.original
            historyIndex = current.originalIndex
            search = nil
            return .editing
        default:
            search = nil
            if current.index < history.lines.count, current.index != historyIndex {
                changedLines[historyIndex] = current.original.bytes
                historyIndex = current.index
            }
            // Escape only ends the search.
            return key == .escape ? .editing : nil
        }
        search = current
        return .editing
    }

    private mutating func find(_ search: inout Search, from index: Int) {
        guard !search.text.isEmpty else {
            search.hasFailed = false
            return
        }
        let found =
            search.goesBack
            ? history.search(search.text, before: index) : history.search(search.text, after: index)
        search.hasFailed = found == nil
        guard let found else { return }
        search.index = found
        text = EditedText(history.lines[found])
        text.move(to: History.position(of: search.text, in: text.bytes) ?? 0)
    }

    // MARK: completion

    private mutating func completeText(_ previous: Last) -> Outcome {
        guard let complete else { return .bell }
        let completion = complete(text.bytes, text.cursor)
        guard !completion.candidates.isEmpty, completion.range.upperBound <= text.bytes.count else { return .bell }
        if completion.candidates.count == 1 {
            remember()
            text.replace(completion.range, with: Array(completion.candidates[0].utf8) + [0x20])
            return .editing
        }
        let shared = Self.sharedPrefix(completion.candidates)
        last = .completion
        if shared.count > completion.range.count {
            remember()
            text.replace(completion.range, with: shared)
            return .editing
        }
        if case .completion = previous { return .list(completion.candidates) }
        return .bell
    }

    /// What all candidates begin with, in any letter case.
    static func sharedPrefix(_ candidates: [String]) -> [UInt8] {
        guard var shared = candidates.first.map({ Array($0.utf8) }) else { return [] }
        func folded(_ byte: UInt8) -> UInt8 { (0x41...0x5A).contains(byte) ? byte | 0x20 : byte }
        for candidate in candidates.dropFirst() {
            let count = zip(shared, candidate.utf8).prefix { folded($0) == folded($1) }.count
            shared.removeLast(shared.count - count)
        }
        // Characters may share their first bytes only.
        while !shared.isEmpty, String(validating: shared, as: UTF8.self) == nil { shared.removeLast() }
        return shared
    }
}
