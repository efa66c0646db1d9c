// The settings of the terminal that standard input is, while a program takes keys: every byte is delivered when it is typed, and none is
// shown by the system. However the program ends, the terminal is restored.
//
//     off        as the shell had it
//     running    keys wait; Ctrl-C is a signal
//     editing    Ctrl-C and the others are keys

import Glibc
import Synchronization

public enum RawMode {
    /// Keys that the terminal's settings name for editing.
    public struct EditingKeys: Sendable {
        public var erase: UInt8
        public var eraseWord: UInt8
        public var eraseLine: UInt8
        public var end: UInt8
    }

    /// Written only before keys are taken.
    nonisolated(unsafe) private static var original = termios()
    nonisolated(unsafe) private static var running = termios()
    nonisolated(unsafe) private static var editing = termios()
    private static let isActive = Atomic<Bool>(false)
    private static let isEditing = Atomic<Bool>(false)

    /// Whether the terminal delivers keys.
    public static var isOn: Bool { isActive.load(ordering: .relaxed) }

    /// From now on keys are delivered.
    ///
    /// - Returns: the keys that edit a line; nil if standard input is no terminal.
    public static func enter() -> EditingKeys? {
        if !isOn {
            guard isatty(STDIN_FILENO) == 1, tcgetattr(STDIN_FILENO, &original) == 0 else { return nil }
            running = original
            running.c_lflag &= ~tcflag_t(ICANON | ECHO)
            withUnsafeMutableBytes(of: &running.c_cc) {
                $0[Int(VMIN)] = 1
                $0[Int(VTIME)] = 0
            }
            editing = running
            editing.c_lflag &= ~tcflag_t(ISIG | IEXTEN)
            editing.c_iflag &= ~tcflag_t(ICRNL | IXON)
            isActive.store(true, ordering: .relaxed)
            installHandlers()
            tcsetattr(STDIN_FILENO, TCSANOW, &running)
        }
        return withUnsafeBytes(of: &original.c_cc) {
            EditingKeys(
                erase: $0[Int(VERASE)], eraseWord: $0[Int(VWERASE)], eraseLine: $0[Int(VKILL)], end: $0[Int(VEOF)])
        }
    }

    nonisolated(unsafe) private static var hasHandlers = false

    private static func installHandlers() {
        guard !hasHandlers else { return }
        hasHandlers = true
        atexit { RawMode.leave() }
        for number in [SIGINT, SIGTERM, SIGHUP, SIGQUIT] {
            signal(number) { number in
                RawMode.leave()
                signal(number, SIG_DFL)
                raise(number)
            }
        }
        // The shell changes the settings while the program is stopped.
        signal(SIGCONT) { _ in
            guard RawMode.isOn else { return }
            if RawMode.isEditing.load(ordering: .relaxed) {
                tcsetattr(STDIN_FILENO, TCSANOW, &RawMode.editing)
            } else {
                tcsetattr(STDIN_FILENO, TCSANOW, &RawMode.running)
            }
        }
    }

    /// Whether Ctrl-C is a key.
    public static func setEditing(_ isOn: Bool) {
        guard self.isOn else { return }
        isEditing.store(isOn, ordering: .relaxed)
        if isOn {
            tcsetattr(STDIN_FILENO, TCSADRAIN, &editing)
        } else {
            tcsetattr(STDIN_FILENO, TCSADRAIN, &running)
        }
    }

    /// Restores the original settings. May be called by a signal handler.
    public static func leave() {
        if isActive.exchange(false, ordering: .relaxed) {
            isEditing.store(false, ordering: .relaxed)
            tcsetattr(STDIN_FILENO, TCSANOW, &original)
        }
    }

    /// Stops as Ctrl-Z at the shell does, with the terminal as the shell had it meanwhile.
    public static func suspend() {
        let wasEditing = isEditing.load(ordering: .relaxed)
        leave()
        raise(SIGTSTP)
        _ = enter()
        setEditing(wasEditing)
    }
}
