// A thread for what would hold up the loop: writing files and waiting until they are on the disk. Jobs run one after the other, in the order
// in which they were submitted. How much waits is known, so that whoever makes work can stop in time.

import CLinux
import Glibc

/// Used by one thread, which submits jobs.
@safe final class HelperThread: @unchecked Sendable {
    private struct Job {
        let size: Int
        let run: @Sendable () -> Void
    }

    private let mutex: UnsafeMutablePointer<pthread_mutex_t>
    private let changed: UnsafeMutablePointer<pthread_cond_t>
    private var jobs: [Job] = []
    private var next = 0
    private var pending = 0
    private var finished = 0
    private var isIdle = true
    private var hasStarted = false
    private let niceness: Int32?

    /// - Parameter niceness: how far the thread stands behind others, 1 to 19, when processors are scarce.
    init(niceness: Int32? = nil) {
        self.niceness = niceness
        unsafe mutex = .allocate(capacity: 1)
        unsafe changed = .allocate(capacity: 1)
        unsafe pthread_mutex_init(mutex, nil)
        // Waiting must not depend on a clock that somebody may put back.
        var attributes = pthread_condattr_t()
        unsafe pthread_condattr_init(&attributes)
        unsafe pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC)
        unsafe pthread_cond_init(changed, &attributes)
        unsafe pthread_condattr_destroy(&attributes)
    }

    private func locked<Result>(_ body: () -> Result) -> Result {
        unsafe pthread_mutex_lock(mutex)
        defer { unsafe pthread_mutex_unlock(mutex) }
        return body()
    }

    // MARK: the other side

    /// Submits a job.
    /// - Parameter size: what it counts in `pendingSize`.
    func submit(size: Int = 0, _ job: @escaping @Sendable () -> Void) {
        if !hasStarted { start() }
        locked {
            jobs.append(Job(size: size, run: job))
            pending += size
            isIdle = false
            unsafe _ = pthread_cond_broadcast(changed)
        }
    }

    /// The sizes of the jobs that were not finished yet.
    var pendingSize: Int { locked { pending } }

    /// How many jobs were finished.
    var finishedCount: Int { locked { finished } }

    /// Waits until jobs of no more than this size are left.
    func wait(untilBelow size: Int) {
        locked { while pending > size { unsafe pthread_cond_wait(changed, mutex) } }
    }

    /// Waits until jobs of no more than this size are left, but no longer than `microseconds`.
    func wait(untilBelow size: Int, microseconds: Int) {
        var end = timespec()
        unsafe clock_gettime(CLOCK_MONOTONIC, &end)
        let nanoseconds = end.tv_nsec + microseconds * 1000
        end.tv_sec += nanoseconds / 1_000_000_000
        end.tv_nsec = nanoseconds % 1_000_000_000
        locked {
            while pending > size, unsafe pthread_cond_timedwait(changed, mutex, &end) == 0 {}
        }
    }

    /// Waits until everything is done.
    func waitUntilIdle() {
        locked { while !isIdle { unsafe pthread_cond_wait(changed, mutex) } }
    }

    private func start() {
        hasStarted = true
        // Signals are for the loop.
        var all = sigset_t()
        var before = sigset_t()
        unsafe sigfillset(&all)
        unsafe pthread_sigmask(SIG_BLOCK, &all, &before)
        var thread = pthread_t()
        let result = unsafe pthread_create(
            &thread, nil,
            { context in
                unsafe Unmanaged<HelperThread>.fromOpaque(context!).takeUnretainedValue().work()
                return nil
            }, Unmanaged.passRetained(self).toOpaque())
        unsafe pthread_sigmask(SIG_SETMASK, &before, nil)
        precondition(result == 0, "no thread could be made")
        pthread_detach(thread)
    }

    // MARK: the thread

    /// To be called by a long job now and then. Where all threads have one processor, the system would have the loop wait until the next tick
    /// of its clock, some milliseconds, once this thread has been chosen.
    static func breathe() { sched_yield() }

    private func work() {
        // On a busy machine clients come first.
        if let niceness { clinux_set_niceness(niceness) }
        while true {
            let job = locked {
                while next == jobs.count {
                    jobs.removeAll(keepingCapacity: true)
                    next = 0
                    isIdle = true
                    unsafe pthread_cond_broadcast(changed)
                    unsafe pthread_cond_wait(changed, mutex)
                }
                let job = jobs[next]
                jobs[next] = Job(size: 0) {}
                next += 1
                if next >= 64 {
                    jobs.removeFirst(next)
                    next = 0
                }
                return job
            }
            job.run()
            locked {
                pending -= job.size
                finished += 1
                unsafe _ = pthread_cond_broadcast(changed)
            }
        }
    }
}
