// A system thread that runs one worker. Swift's own concurrency has no place for code that waits in epoll.

import Glibc
import Synchronization

final class WorkerThread: @unchecked Sendable {
    private var worker: BenchWorker
    private var result = BenchWorker.Result()
    private var thread = pthread_t()
    private let ended = Atomic<Bool>(false)
    /// When the worker ended.
    private(set) var endTime = 0

    init(_ worker: BenchWorker) {
        self.worker = worker
        // The thread keeps this object alive until it ends.
        let context = Unmanaged.passRetained(self).toOpaque()
        let code = pthread_create(
            &thread, nil,
            { context in
                let thread = Unmanaged<WorkerThread>.fromOpaque(context!).takeRetainedValue()
                thread.result = thread.worker.run()
                thread.endTime = Clock.nanoseconds
                thread.ended.store(true, ordering: .releasing)
                return nil
            }, context)
        precondition(code == 0, "a thread could not be started: \(Text.systemError(code))")
    }

    var hasEnded: Bool { ended.load(ordering: .acquiring) }

    func join() -> BenchWorker.Result {
        pthread_join(thread, nil)
        return result
    }
}
