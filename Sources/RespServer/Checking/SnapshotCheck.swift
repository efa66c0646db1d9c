// Examining a snapshot, in the words of redis-check-rdb.

import RespCodec
import StoreEngine

struct SnapshotCheck {
    private let input: LoadedFile
    private let path: String
    private let say: (String) -> Void

    init(_ file: DataFile, byteCount: Int, path: String, say: @escaping (String) -> Void) {
        input = LoadedFile(file, byteCount: byteCount)
        self.path = path
        self.say = say
    }

    /// - Returns: where it ends; nil if it is not sound.
    func run() -> Int? {
        say("[offset 0] Checking RDB file \(path)")
        let engine = Engine(databases: 1)
        engine.setTime(Int64(Log.systemMilliseconds()))
        engine.settings.maximumStringLength = SystemFacts.totalMemory
        var loading = SnapshotLoading()
        loading.keeps = false
        loading.isContinued = true
        loading.database = { [say] in say("[offset \($1)] Selecting DB ID \($0)") }
        loading.information = { [say] in
            say("[offset \($2)] AUX FIELD \(Self.shown($0.array)) = '\(Self.shown($1.array))'")
        }
        // As it is read by whoever loads it, it may be that it cannot be compiled.
        loading.library = { _ in nil }
        do throws(SnapshotError) {
            let contents = try engine.load(from: input, loading)
            if contents.version >= SnapshotContents.firstVersionWithChecksum {
                let offset = "[offset \(contents.byteCount)]"
                say(
                    contents.hasNoChecksum
                        ? "\(offset) RDB file was saved with checksum disabled: no check performed."
                        : "\(offset) Checksum OK")
            }
            say("[offset \(contents.byteCount)] \\o/ RDB looks OK! \\o/")
            sayCounts(contents)
            return contents.byteCount
        } catch {
            tell(error)
            return nil
        }
    }

    private func tell(_ error: SnapshotError) {
        say("--- RDB ERROR DETECTED ---")
        say("[offset \(error.offset)] \(text(of: error))")
        say("[additional info] While doing: \(error.activity.rawValue)")
        if let key = error.key { say("[additional info] Reading key '\(Self.shown(key))'") }
        if let type = error.type { say("[additional info] Reading type \(type.number) (\(type.title))") }
        sayCounts(error.contents)
    }

    private func text(of error: SnapshotError) -> String {
        if let problem = input.error { return "Cannot read the file: \(problem.reason)" }
        return switch error.kind {
        case .truncated: "Unexpected EOF reading RDB file"
        case .noSnapshot: "Wrong signature trying to load DB from file"
        case .unknownVersion(let version): "Can't handle RDB format version \(version)"
        case .unknownType(let type): "Invalid object type: \(type)"
        case .checksum: "RDB CRC error"
        case .other: "Internal error in RDB reading: \(error.reason), in the record at offset \(error.recordOffset)"
        }
    }

    private func sayCounts(_ contents: SnapshotContents) {
        say("[info] \(contents.keyCount) keys read")
        say("[info] \(contents.deadlineCount) expires")
        say("[info] \(contents.expiredCount) already expired")
    }

    /// Text from the file, which must not control a terminal.
    private static func shown(_ bytes: [UInt8]) -> String {
        String(decoding: bytes.prefix(1024).map { $0 < 0x20 || $0 == 0x7F ? UInt8(ascii: "?") : $0 }, as: UTF8.self)
    }
}
