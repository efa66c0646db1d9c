// The ways to declare a setting, one per kind of value.
//
// Each has two forms. With a key path the value is a property of `Settings`, whose initial value is the default. With
// `kept:` there is no property: the default is in the row, and the value has no effect in this version: it is only
// checked, kept and returned, or with `.refused` any other value is an error.

extension Setting {
    typealias Path<Value> = WritableKeyPath<Settings, Value> & Sendable

    static func boolean(
        _ name: String, alias: String? = nil, _ path: Path<Bool>, _ flags: SettingFlags = []
    ) -> Setting {
        Setting(
            name: name, alias: alias, kind: .boolean, flags: flags, load: { .boolean($0[keyPath: path]) },
            store: { if case .boolean(let value) = $1 { $0[keyPath: path] = value } }, check: nil)
    }

    static func boolean(
        _ name: String, alias: String? = nil, kept value: Bool, _ flags: SettingFlags = [],
        check: (@Sendable (SettingValue) -> String?)? = nil
    ) -> Setting {
        kept(name, alias, .boolean, .boolean(value), flags, check)
    }

    static func integer(
        _ name: String, alias: String? = nil, _ path: Path<Int>, _ range: ClosedRange<Int>,
        in unit: IntegerFormat.Unit = .number, isUnsigned: Bool = false, clamp: ClosedRange<Int>? = nil,
        _ flags: SettingFlags = []
    ) -> Setting {
        let format = IntegerFormat(range: range, unit: unit, isUnsigned: isUnsigned, clamp: clamp)
        return Setting(
            name: name, alias: alias, kind: .integer(format), flags: flags,
            load: { .integer($0[keyPath: path]) }, store: { $0[keyPath: path] = $1.integerValue }, check: nil)
    }

    static func integer(
        _ name: String, alias: String? = nil, kept value: Int, _ range: ClosedRange<Int>,
        in unit: IntegerFormat.Unit = .number, isUnsigned: Bool = false, clamp: ClosedRange<Int>? = nil,
        _ flags: SettingFlags = [], check: (@Sendable (SettingValue) -> String?)? = nil
    ) -> Setting {
        let format = IntegerFormat(range: range, unit: unit, isUnsigned: isUnsigned, clamp: clamp)
        return kept(name, alias, .integer(format), .integer(value), flags, check)
    }

    static func choice<Value: SettingChoice>(
        _ name: String, _ path: Path<Value>, _ flags: SettingFlags = []
    ) -> Setting {
        Setting(
            name: name, alias: nil, kind: .choice(Value.allCases.map(\.rawValue)), flags: flags,
            load: { settings in
                let current = settings[keyPath: path].rawValue
                return .choice(Value.allCases.firstIndex { $0.rawValue == current }!)
            },
            store: { if case .choice(let index) = $1 { $0[keyPath: path] = Value.allCases[index] } }, check: nil)
    }

    /// - Parameter value: One of `words`.
    static func choice(_ name: String, kept value: String, of words: [String], _ flags: SettingFlags = []) -> Setting {
        kept(name, nil, .choice(words), .choice(words.firstIndex(of: value)!), flags, nil)
    }

    static func flags<Value: OptionSet & Sendable>(
        _ name: String, _ path: Path<Value>, _ words: [String], _ flags: SettingFlags = [],
        check: (@Sendable (SettingValue) -> String?)? = nil
    ) -> Setting where Value.RawValue == Int {
        Setting(
            name: name, alias: nil, kind: .flags(words), flags: flags.union(.multiWord),
            load: { .choice($0[keyPath: path].rawValue) },
            store: { if case .choice(let bits) = $1 { $0[keyPath: path] = Value(rawValue: bits) } }, check: check)
    }

    static func text(
        _ name: String, _ path: Path<String>, _ flags: SettingFlags = [],
        check: (@Sendable (SettingValue) -> String?)? = nil
    ) -> Setting {
        Setting(
            name: name, alias: nil, kind: .text, flags: flags, load: { .text($0[keyPath: path]) },
            store: { $0[keyPath: path] = $1.textValue }, check: check)
    }

    static func text(
        _ name: String, alias: String? = nil, kept value: String = "", _ flags: SettingFlags = [],
        check: (@Sendable (SettingValue) -> String?)? = nil
    ) -> Setting {
        kept(name, alias, .text, .text(value), flags, check)
    }

    static func bytes(_ name: String, _ path: Path<[UInt8]>, _ flags: SettingFlags = []) -> Setting {
        Setting(
            name: name, alias: nil, kind: .bytes, flags: flags, load: { .bytes($0[keyPath: path]) },
            store: { if case .bytes(let value) = $1 { $0[keyPath: path] = value } }, check: nil)
    }

    static func bytes(_ name: String, kept value: [UInt8] = [], _ flags: SettingFlags = []) -> Setting {
        kept(name, nil, .bytes, .bytes(value), flags, nil)
    }

    static func own(
        _ name: String, _ grammar: SettingGrammar, _ flags: SettingFlags = [],
        load: @escaping @Sendable (Settings) -> SettingValue,
        store: @escaping @Sendable (inout Settings, SettingValue) -> Void
    ) -> Setting {
        Setting(name: name, alias: nil, kind: .own(grammar), flags: flags, load: load, store: store, check: nil)
    }

    static func own(
        _ name: String, alias: String? = nil, _ grammar: SettingGrammar, kept value: SettingValue,
        _ flags: SettingFlags = []
    ) -> Setting {
        kept(name, alias, .own(grammar), value, flags, nil)
    }

    private static func kept(
        _ name: String, _ alias: String?, _ kind: SettingKind, _ initial: SettingValue, _ flags: SettingFlags,
        _ check: (@Sendable (SettingValue) -> String?)?
    ) -> Setting {
        Setting(
            name: name, alias: alias, kind: kind, flags: flags.contains(.refused) ? flags : flags.union(.inert),
            load: { $0.kept[name] ?? initial },
            store: { $0.kept[name] = $1 == initial ? nil : $1 }, check: check)
    }
}
