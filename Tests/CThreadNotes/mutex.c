// Tells the thread sanitizer what a `Mutex` of Swift orders when two threads want it at once.
//
// Taking a free lock, and leaving one that nobody waits for, is inlined into our own code, and the sanitizer sees it. Waiting, and waking who
// waits, are calls into libswiftSynchronization, which was built without the sanitizer: whoever waited seemed to hold no lock.

#define _GNU_SOURCE
#include "library.h"
#include <stdbool.h>
#include <stdint.h>

// Methods of `_MutexHandle`, which is `self`.
#define LOCK "$s15Synchronization12_MutexHandleV9_lockSlowyys6UInt32VF"
#define TRY_LOCK "$s15Synchronization12_MutexHandleV12_tryLockSlowSbyF"
#define UNLOCK "$s15Synchronization12_MutexHandleV11_unlockSlowyyF"
#define SWIFT __attribute__((swiftcall))
#define SELF __attribute__((swift_context)) void *

typedef SWIFT void Lock(uint32_t thread, SELF);
typedef SWIFT bool TryLock(SELF);
typedef SWIFT void Unlock(SELF);

SWIFT void lock_slow(uint32_t thread, SELF) __asm__(LOCK);
SWIFT bool try_lock_slow(SELF) __asm__(TRY_LOCK);
SWIFT void unlock_slow(SELF) __asm__(UNLOCK);

UNSEEN SWIFT void lock_slow(uint32_t thread, SELF handle) {
    static void *known;
    ((Lock *)library(&known, LOCK))(thread, handle);
    __tsan_acquire(handle);
}

UNSEEN SWIFT bool try_lock_slow(SELF handle) {
    static void *known;
    bool isTaken = ((TryLock *)library(&known, TRY_LOCK))(handle);
    if (isTaken) __tsan_acquire(handle);
    return isTaken;
}

UNSEEN SWIFT void unlock_slow(SELF handle) {
    static void *known;
    __tsan_release(handle);
    ((Unlock *)library(&known, UNLOCK))(handle);
}
