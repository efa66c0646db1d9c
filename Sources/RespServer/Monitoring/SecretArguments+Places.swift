// Which arguments of a request are not to be shown: to monitors, and in the command logs.

import RespCodec
import StoreEngine

extension SecretArguments {
    static let shownInstead = Array("(redacted)".utf8)

    /// The places of the arguments that are secrets.
    func places(in arguments: Arguments) -> Set<Int> {
        switch self {
        case .none: return []
        case .all: return Set(min(1, arguments.count)..<arguments.count)
        case .options(let start, let options): return Self.places(in: arguments, from: start, options)
        case .valuesOfSettings:
            var places: Set<Int> = []
            for index in stride(from: 2, to: arguments.count - 1, by: 2)
            where SettingTable.shared.setting(arguments[index].array)?.flags.contains(.sensitive) == true {
                places.insert(index + 1)
            }
            return places
        }
    }

    /// The operands of secret options, as far as the options go on.
    private static func places(in arguments: Arguments, from start: Int, _ options: [Option]) -> Set<Int> {
        var places: Set<Int> = []
        var index = start
        while index < arguments.count,
            let option = options.first(where: { arguments[index].equalsIgnoringCase(Array($0.word.lowercased().utf8)) })
        {
            let end = min(index + 1 + option.operandCount, arguments.count)
            if option.isSecret { places.formUnion(index + 1..<end) }
            index = end
        }
        return places
    }
}
