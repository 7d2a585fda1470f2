/* What a driver offers over an event loop written in C; src/loops/c.rs calls it. */
#ifndef DRIVER_H
#define DRIVER_H

#include <stddef.h>

typedef void (*on_ready)(void *context, size_t key);

/* Waits for events once. `micros` is the longest wait: 0 does not block, a negative number
 * waits for ever. Calls `ready` for every source that is. */
#define DECLARE_DRIVER(name)                                                               \
    void *name##_new(void);                                                                \
    void name##_free(void *driver);                                                        \
    void name##_add(void *driver, int fd, size_t key, int edge);                           \
    void name##_remove(void *driver, size_t key);                                          \
    void name##_turn(void *driver, long long micros, on_ready ready, void *context);       \
    void name##_wake(void *driver)

#endif
