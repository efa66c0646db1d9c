// What scripts may do: the checks before one begins, and those before each of its commands.
//
// They are not those of `Dispatch/Admission.swift`, though they ask for the same. What a client has to be (authenticated, no subscriber, not
// paused, not within MULTI) was looked at when it asked for the script. What is left depends on what the script has said of itself: whether
// it writes or needs memory is decided once, when it begins, and then it is not stopped halfway. And what is refused is told with other words:
// the script's commands with texts of their own, without the name of the command, and the script as a whole with others again.
//
// What was decided is a gate of flags: a command of the script costs one test.

import RespCodec
import StoreEngine

struct ScriptAdmission {
    /// Commands with one of these flags must be looked at before they run.
    private(set) var gate: CommandFlags = []
    /// Whether data cannot be saved, and whether the script could not write anyway.
    private var storageProblem: CommandError?
    private var onlyReads = false
    private var runsAllCommands = false

    /// What holds when a script begins.
    struct Conditions {
        /// Whether the command that runs it may not write.
        let isReadOnly: Bool
        let isOutOfMemory: Bool
        let storageProblem: CommandError?
        /// Whether it may run commands that are not for scripts, except those that run or keep scripts: DEBUG allows it, for tests.
        let runsAllCommands: Bool
    }

    /// Nothing is admitted yet.
    init() {}

    /// Checks whether a script may begin.
    /// - Parameter flags: what it says of itself.
    /// - Throws: why it may not.
    init(_ flags: ScriptFlags, _ conditions: Conditions) throws(CommandError) {
        gate = .noScript
        runsAllCommands = conditions.runsAllCommands
        storageProblem = conditions.storageProblem
        if flags.contains(.undeclared) {
            if storageProblem != nil { gate.insert(.write) }
            if conditions.isReadOnly { gate.formUnion([.write, .mayWrite]) }
            onlyReads = conditions.isReadOnly
            if conditions.isOutOfMemory { gate.insert(.denyOOM) }
            return
        }
        onlyReads = flags.contains(.noWrites)
        if !onlyReads && conditions.isReadOnly {
            throw .message("ERR Can not execute a script with write flag using *_ro command.")
        }
        if let storageProblem, !onlyReads { throw storageProblem }
        if conditions.isOutOfMemory && flags.isDisjoint(with: [.allowOOM, .noWrites]) {
            throw .message(
                "OOM allow-oom flag is not set on the script, can not run it when used memory > 'maxmemory'")
        }
        if onlyReads { gate.formUnion([.write, .mayWrite]) }
    }

    /// Why a command is not run.
    enum Refusal {
        /// In words that only scripts are told.
        case text(StaticString)
        /// As any client is.
        case error(CommandError)
    }

    /// Why a command whose flags the gate has is not run; nil if it is.
    /// - Parameter hasWritten: whether the script has: it is not stopped halfway.
    func refusal(_ command: CommandRecord, hasWritten: Bool) -> Refusal? {
        let flags = command.flags
        if flags.contains(.noScript) && !(runsAllCommands && command.info.group != .scripting) {
            return .text("This Redis command is not allowed from script")
        }
        if let storageProblem, !onlyReads {
            if flags.contains(.write) && !hasWritten { return .error(storageProblem) }
        } else if gate.contains(.write) && !flags.isDisjoint(with: [.write, .mayWrite]) {
            return .text("Write commands are not allowed from read-only scripts.")
        }
        if gate.contains(.denyOOM) && flags.contains(.denyOOM) && !hasWritten { return .error(.outOfMemory) }
        return nil
    }
}
