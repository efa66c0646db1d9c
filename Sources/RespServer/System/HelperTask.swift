// Something that a helper thread does once, and what came of it: for whoever goes on with other things meanwhile.

import Glibc
import Synchronization

final class HelperTask: Sendable {
    private let thread: HelperThread
    private let state = Mutex<Result<Void, SyscallError>?>(nil)

    /// Has the thread do something, after what it has to do already.
    init(on thread: HelperThread, _ work: @escaping @Sendable () throws(SyscallError) -> Void) {
        self.thread = thread
        thread.submit { [self] in
            let result = Result<Void, SyscallError> { () throws(SyscallError) in try work() }
            state.withLock { $0 = result }
        }
    }

    /// What came of it; nil while it is not done.
    var outcome: Result<Void, SyscallError>? { state.withLock { $0 } }

    /// Waits until it is done, and whatever else the thread has to do.
    func wait() -> Result<Void, SyscallError> {
        thread.waitUntilIdle()
        return outcome ?? .failure(SyscallError("wait", ECANCELED))
    }
}
