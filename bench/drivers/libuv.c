#include "driver.h"

#include <stdlib.h>
#include <uv.h>

DECLARE_DRIVER(libuv);

/* The key of a wake. */
#define WAKE ((size_t)-1)

struct driver {
    uv_loop_t loop;
    uv_async_t async;
    uv_timer_t timer;
    on_ready ready;
    void *context;
};

struct source {
    uv_poll_t poll;
    size_t key;
};

static void tell(uv_loop_t *loop, size_t key) {
    struct driver *driver = loop->data;
    if (driver->ready) driver->ready(driver->context, key);
}

static void on_async(uv_async_t *async) { tell(async->loop, WAKE); }

/* Nothing is to be done: that the loop's turn ends is enough. */
static void on_timer(uv_timer_t *timer) { (void)timer; }

static void on_poll(uv_poll_t *poll, int status, int events) {
    (void)status;
    (void)events;
    tell(poll->loop, ((struct source *)poll)->key);
}

void *libuv_new(void) {
    struct driver *driver = calloc(1, sizeof *driver);
    uv_loop_init(&driver->loop);
    driver->loop.data = driver;
    uv_async_init(&driver->loop, &driver->async, on_async);
    uv_timer_init(&driver->loop, &driver->timer);
    return driver;
}

static void free_source(uv_handle_t *handle) { free(handle); }

static void close_handle(uv_handle_t *handle, void *context) {
    (void)context;
    uv_close(handle, handle->type == UV_POLL ? free_source : NULL);
}

void libuv_free(void *of) {
    struct driver *driver = of;
    uv_walk(&driver->loop, close_handle, NULL);
    uv_run(&driver->loop, UV_RUN_DEFAULT);
    uv_loop_close(&driver->loop);
    free(driver);
}

/* libuv has level triggering only. */
void libuv_add(void *of, int fd, size_t key, int edge) {
    struct driver *driver = of;
    struct source *source = calloc(1, sizeof *source);
    (void)edge;
    source->key = key;
    uv_poll_init(&driver->loop, &source->poll, fd);
    uv_poll_start(&source->poll, UV_READABLE, on_poll);
}

/* Not measured: libuv tells the kernel of a source in its next turn only. */
void libuv_remove(void *of, size_t key) {
    (void)of;
    (void)key;
}

void libuv_turn(void *of, long long micros, on_ready ready, void *context) {
    struct driver *driver = of;
    driver->ready = ready;
    driver->context = context;
    if (micros > 0) {
        uint64_t millis = (micros + 999) / 1000;
        uv_update_time(&driver->loop);
        /* It repeats, or libuv before 1.45 would wait for ever if it expires between here and
         * the turn's beginning. */
        uv_timer_start(&driver->timer, on_timer, millis, millis);
    }
    uv_run(&driver->loop, micros == 0 ? UV_RUN_NOWAIT : UV_RUN_ONCE);
    if (micros > 0) uv_timer_stop(&driver->timer);
    driver->ready = NULL;
}

void libuv_wake(void *of) { uv_async_send(&((struct driver *)of)->async); }
