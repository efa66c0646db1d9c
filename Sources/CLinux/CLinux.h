// What Swift's Glibc module leaves out: Linux-only headers, and instructions that Swift has no word for.
#ifndef CLINUX_H
#define CLINUX_H

#include <stddef.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <execinfo.h>
#include <malloc.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/timerfd.h>
#include <wchar.h>

/// Asks the processor to bring a cache line in before it is needed. Never faults, whatever the address.
static inline void clinux_prefetch(const void *_Nullable address) { __builtin_prefetch(address, 0, 3); }

/// A bit for each of eight words that is like `probe` in its bits 48 to 62. Without a branch.
static inline uint32_t clinux_match_tags(const uint64_t *_Nonnull words, uint64_t probe) {
#if defined(__SSE2__)
    typedef int four __attribute__((vector_size(16)));
    typedef short eight __attribute__((vector_size(16)));
    typedef int four_anywhere __attribute__((vector_size(16), aligned(8)));
    const four_anywhere *pairs = (const four_anywhere *)words;
    // The upper halves of the words, of which the upper halves hold the tags; then these alone, and without their top bits.
    four low = __builtin_shufflevector((four)pairs[0], (four)pairs[1], 1, 3, 5, 7) >> 16;
    four high = __builtin_shufflevector((four)pairs[2], (four)pairs[3], 1, 3, 5, 7) >> 16;
    eight tags = (eight)__builtin_ia32_packssdw128(low, high) << 1;
    short tag = (short)(probe >> 47);
    eight wanted = {tag, tag, tag, tag, tag, tag, tag, tag};
    eight same = (eight)(tags == wanted);
    eight none = {0};
    return (uint32_t)__builtin_ia32_pmovmskb128(__builtin_ia32_packsswb128(same, none));
#else
    uint32_t found = 0;
    for (int index = 0; index < 8; index++) {
        found |= (uint32_t)(((words[index] ^ probe) << 1 >> 49) == 0) << index;
    }
    return found;
#endif
}

/// The processor's constant-rate counter (about 10 ns to read, against 25 ns for clock_gettime).
static inline uint64_t clinux_cycle_counter(void) {
#if defined(__x86_64__)
    return __builtin_ia32_rdtsc();
#elif defined(__aarch64__)
    uint64_t value;
    __asm__ volatile("mrs %0, cntvct_el0" : "=r"(value));
    return value;
#else
#error "no cycle counter for this processor"
#endif
}

/// Has this thread's short sleeps end when they should, and not up to 50 microseconds later.
static inline void clinux_use_exact_timers(void) { prctl(PR_SET_TIMERSLACK, 1, 0, 0, 0); }

/// Has the system begin to write a part of a file to the disk, without waiting for it.
static inline void clinux_begin_sync(int descriptor, long offset, long count) {
    long syscall(long, ...);
#if defined(__x86_64__) || defined(__aarch64__)
    syscall(SYS_sync_file_range, descriptor, offset, count, 2);
#endif
}

/// Sets how far the calling thread stands behind others when processors are scarce.
static inline void clinux_set_niceness(int niceness) {
    int setpriority(int, unsigned, int);
    setpriority(0, 0, niceness); // PRIO_PROCESS, which means a thread here, the calling one.
}

/// The bytes a malloc block really has.
size_t malloc_usable_size(void *_Nullable block);

/// Gives memory of malloc that is not in use back to the system.
int malloc_trim(size_t kept);

/// How many bytes of malloc's memory are free; only up to 4 GiB are told by C libraries of before 2.33.
static inline size_t clinux_free_malloc_bytes(void) {
#if defined(__GLIBC__) && __GLIBC_PREREQ(2, 33)
    return mallinfo2().fordblks;
#else
    return (unsigned)mallinfo().fordblks;
#endif
}

/// Has malloc map blocks of at least `mapped` bytes one by one, and keep at most `kept` bytes that are free at the end of its memory. Without
/// this it raises both with the largest block that was ever freed.
int mallopt(int parameter, int value);
static inline void clinux_set_malloc_thresholds(int mapped, int kept) {
    mallopt(-3, mapped); // M_MMAP_THRESHOLD
    mallopt(-1, kept);   // M_TRIM_THRESHOLD
}

/// How many columns of a terminal a character takes in the locale that is set, or -1.
int wcwidth(wchar_t character);

/// accept4 with the flags every connection of the server has. The address is not asked for: see getpeername.
int accept4(int listener, void *_Nullable address, void *_Nullable length, int flags);
static inline int clinux_accept_nonblocking(int listener) {
    return accept4(listener, NULL, NULL, 04000 | 02000000); // SOCK_NONBLOCK, SOCK_CLOEXEC
}

#endif
