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
        case .behind(let word, let count):
            let name = Array(word.lowercased().utf8)
            for index in 1..<max(arguments.count, 1) where arguments[index].equalsIgnoringCase(name) {
                return Set(min(index + 1, arguments.count)..<min(index + 1 + count, arguments.count))
            }
            return []
        case .valuesOfSettings:
            var places: Set<Int> = []
            for index in stride(from: 2, to: arguments.count - 1, by: 2)
            where SettingTable.shared.setting(arguments[index].array)?.flags.contains(.sensitive) == true {
                places.insert(index + 1)
            }
            return places
        }
    }
}
