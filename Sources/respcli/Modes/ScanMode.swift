// `--scan`: the names of all keys, one a line; quoted in the terminal's format.

import Glibc
import RespCodec
import TerminalKit

struct ScanMode {
    private let session: Session

    init(_ session: Session) { self.session = session }

    func run() -> CInt {
        Interrupts.cancelLoops()
        // A terminal that shows the keys needs no bar.
        let hasProgress = !Terminal.isOutput && TerminalDevice.canMoveCursor(STDERR_FILENO)
        let progress =
            hasProgress ? ProgressDisplay(label: "scan", unit: "keys", total: session.databaseSize()) : nil
        var scan = KeyScan(session)
        var count = 0
        while let keys = scan.next() {
            for key in keys {
                if session.formatter.format == .terminal {
                    ReplyFormatter.appendQuoted(key, to: &session.output.pending)
                } else {
                    session.output.pending += key
                }
                session.output.write("\n")
            }
            session.output.flush()
            count += keys.count
            progress?.update(count)
            if let pause = session.options.intervalMicroseconds { Clock.sleep(microseconds: pause) }
        }
        return 0
    }
}
