// Letting go of much at once: interpreters, and tables of what clients have read. However many objects these are, nobody waits for it.

import Glibc

/// Releases values on a thread of its own, which ends when they are gone. Nobody else may hold any of what goes with them.
enum BackgroundRelease {
    private class Box {}
    private final class Holder<Content>: Box {
        let content: Content
        init(_ content: Content) { self.content = content }
    }

    /// At once where there can be no thread.
    static func release<Content>(_ content: consuming Content) {
        let box = unsafe Unmanaged<Box>.passRetained(Holder(content)).toOpaque()
        var thread = pthread_t()
        var attributes = pthread_attr_t()
        unsafe pthread_attr_init(&attributes)
        unsafe pthread_attr_setdetachstate(&attributes, Int32(PTHREAD_CREATE_DETACHED))
        // Signals are for the loop's thread.
        var all = sigset_t()
        var before = sigset_t()
        unsafe sigfillset(&all)
        unsafe pthread_sigmask(SIG_SETMASK, &all, &before)
        let status = unsafe pthread_create(
            &thread, &attributes,
            { box in
                if let box = unsafe box { unsafe Unmanaged<Box>.fromOpaque(box).release() }
                return nil
            }, box)
        unsafe pthread_sigmask(SIG_SETMASK, &before, nil)
        unsafe pthread_attr_destroy(&attributes)
        if status != 0 { unsafe Unmanaged<Box>.fromOpaque(box).release() }
    }
}
