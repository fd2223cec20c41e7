// Tells the thread sanitizer what the counts of references order.
//
// Who is done with the copy of an array gives it back. The last owner then finds itself alone and writes into the same memory, or frees it. The
// count orders the two, but it is changed in libswiftCore, which was built without the sanitizer: the earlier reads seemed to race with
// the write. Giving back comes before being found the only owner, and that alone is told: two who own the same object are not ordered by it.

#define _GNU_SOURCE
#include "library.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef void Release(void *);
typedef void ReleaseMany(void *, uint32_t);
typedef bool IsUnique(void *);

size_t swift_retainCount(void *object);

/// Before `count` references are given back.
UNSEEN static inline void note(void *object, uint32_t count) {
    if (object == NULL) return;
    __tsan_release(object);
    // The last ones: the object is taken apart.
    if (swift_retainCount(object) == count) __tsan_acquire(object);
}

/// Of the storage of a text: the object without its marks; NULL for one that is not counted.
UNSEEN static inline void *unmarked(void *bridge) {
    uintptr_t bits = (uintptr_t)bridge;
    return bits >> 63 ? NULL : (void *)(bits & 0x00FFFFFFFFFFFFF8);
}

UNSEEN void swift_release(void *object) {
    static void *known;
    note(object, 1);
    ((Release *)library(&known, "swift_release"))(object);
}

UNSEEN void swift_release_n(void *object, uint32_t count) {
    static void *known;
    note(object, count);
    ((ReleaseMany *)library(&known, "swift_release_n"))(object, count);
}

UNSEEN void swift_bridgeObjectRelease(void *bridge) {
    static void *known;
    note(unmarked(bridge), 1);
    ((Release *)library(&known, "swift_bridgeObjectRelease"))(bridge);
}

UNSEEN void swift_bridgeObjectRelease_n(void *bridge, uint32_t count) {
    static void *known;
    note(unmarked(bridge), count);
    ((ReleaseMany *)library(&known, "swift_bridgeObjectRelease_n"))(bridge, count);
}

UNSEEN bool swift_isUniquelyReferenced_native(void *object) {
    static void *known;
    bool isUnique = ((IsUnique *)library(&known, "swift_isUniquelyReferenced_native"))(object);
    if (isUnique) __tsan_acquire(object);
    return isUnique;
}

UNSEEN bool swift_isUniquelyReferenced_nonNull_native(void *object) {
    static void *known;
    bool isUnique = ((IsUnique *)library(&known, "swift_isUniquelyReferenced_nonNull_native"))(object);
    if (isUnique) __tsan_acquire(object);
    return isUnique;
}
