// One option of a command line, and a table of them: what parses the arguments, and what --help, the shells' completions and the
// manual pages are made from.

/// What a shell may offer for the value of an option.
enum OptionCompletion: Equatable, Sendable {
    case nothing
    case file
    case folder
    case host
    case words([String])
}

/// An option. `Target` is what it changes.
struct OptionEntry<Target>: Sendable {
    typealias Completion = OptionCompletion

    /// All spellings, the usual one first.
    let names: [String]
    /// What the help calls the value; nil for an option without one.
    let value: String?
    let section: String
    /// Lines of the help.
    let help: String
    let completion: Completion
    /// Whether the value is a password.
    let isSecret: Bool
    /// Applies the option; returns an error message, or nil.
    let apply: @Sendable (inout Target, Bytes) -> String?

    init(
        _ names: String..., value: String? = nil, section: String, completion: Completion = .nothing,
        isSecret: Bool = false, help: String, apply: @escaping @Sendable (inout Target, Bytes) -> String?
    ) {
        self.names = names
        self.value = value
        self.section = section
        self.completion = completion
        self.isSecret = isSecret
        self.help = help
        self.apply = apply
    }

    /// The same option for a target that contains this one's.
    func lifted<Outer>(_ path: WritableKeyPath<Outer, Target> & Sendable) -> OptionEntry<Outer> {
        OptionEntry<Outer>(
            allNames: names, value: value, section: section, completion: completion, isSecret: isSecret, help: help,
            apply: { [apply] outer, value in apply(&outer[keyPath: path], value) })
    }

    private init(
        allNames: [String], value: String?, section: String, completion: Completion, isSecret: Bool, help: String,
        apply: @escaping @Sendable (inout Target, Bytes) -> String?
    ) {
        names = allNames
        self.value = value
        self.section = section
        self.completion = completion
        self.isSecret = isSecret
        self.help = help
        self.apply = apply
    }

    /// An option without a value that cannot fail.
    static func flag(
        _ name: String, section: String, help: String, set: @escaping @Sendable (inout Target) -> Void
    ) -> OptionEntry {
        OptionEntry(name, section: section, help: help) { target, _ in
            set(&target)
            return nil
        }
    }

    /// An option whose value is a whole number of `range`; anything else is refused.
    static func number(
        _ name: String, value placeholder: String, section: String, range: ClosedRange<Int>, help: String,
        set: @escaping @Sendable (inout Target, Int) -> Void
    ) -> OptionEntry {
        OptionEntry(name, value: placeholder, section: section, help: help) { target, value in
            let (number, isWhole, fits) = Text.integer(value)
            guard isWhole, fits, !value.isEmpty, range.contains(number) else {
                return "\(name) takes a number from \(range.lowerBound) to \(range.upperBound)."
            }
            set(&target, number)
            return nil
        }
    }

    /// The notation in help: "-a, --pass WORD".
    var notation: String { names.joined(separator: ", ") + (value.map { " " + $0 } ?? "") }
}

struct OptionTable<Target>: Sendable {
    let entries: [OptionEntry<Target>]
    private let byName: [String: Int]

    init(_ entries: [OptionEntry<Target>]) {
        self.entries = entries
        var byName: [String: Int] = [:]
        for (index, entry) in entries.enumerated() {
            for name in entry.names {
                precondition(byName[name] == nil, "an option has two meanings: \(name)")
                byName[name] = index
            }
        }
        self.byName = byName
    }

    subscript(name: String) -> OptionEntry<Target>? { byName[name].map { entries[$0] } }

    /// The sections in the order of the table.
    var sections: [String] {
        var sections: [String] = []
        for entry in entries where !sections.contains(entry.section) { sections.append(entry.section) }
        return sections
    }

    /// The options as lines of help, by section.
    var help: String {
        let indentation = String(repeating: " ", count: 21)
        var text = ""
        for section in sections {
            text += "\n\(section)\n"
            for entry in entries where entry.section == section {
                let lines = entry.help.split(separator: "\n", omittingEmptySubsequences: false)
                let notation = "  " + entry.notation
                if notation.utf8.count < indentation.utf8.count {
                    text += notation + String(repeating: " ", count: indentation.utf8.count - notation.utf8.count)
                } else {
                    text += notation + "\n" + indentation
                }
                text += lines.joined(separator: "\n" + indentation) + "\n"
            }
        }
        return text
    }

    /// Applies one option and its value.
    ///
    /// - Returns: how many arguments it took; 0 if the first is not an option of the table or its value is missing. And an error message
    ///   from applying it.
    func take(_ arguments: ArraySlice<Bytes>, into target: inout Target) -> (count: Int, message: String?) {
        guard let first = arguments.first, let entry = self[Text.string(first)] else { return (0, nil) }
        guard entry.value != nil else { return (1, entry.apply(&target, [])) }
        guard let value = arguments.dropFirst().first else { return (0, nil) }
        return (2, entry.apply(&target, value))
    }
}
