#include "driver.h"

#include <event2/event.h>
#include <event2/thread.h>
#include <stdlib.h>

DECLARE_DRIVER(libevent);

/* The key of a wake. */
#define WAKE ((size_t)-1)

struct source {
    struct driver *driver;
    struct event *event;
    size_t key;
};

struct driver {
    struct event_base *base;
    struct source wake;
    struct event *timer;
    struct source **sources;
    size_t room;
    on_ready ready;
    void *context;
};

static void on_event(evutil_socket_t fd, short what, void *of) {
    struct source *source = of;
    (void)fd;
    (void)what;
    if (source->driver->ready) source->driver->ready(source->driver->context, source->key);
}

/* Nothing is to be done: that the loop's turn ends is enough. */
static void on_timer(evutil_socket_t fd, short what, void *of) {
    (void)fd;
    (void)what;
    (void)of;
}

void *libevent_new(void) {
    struct driver *driver = calloc(1, sizeof *driver);
    evthread_use_pthreads();
    driver->base = event_base_new();
    driver->wake.driver = driver;
    driver->wake.key = WAKE;
    driver->wake.event = event_new(driver->base, -1, EV_PERSIST, on_event, &driver->wake);
    event_add(driver->wake.event, NULL);
    driver->timer = event_new(driver->base, -1, 0, on_timer, NULL);
    return driver;
}

void libevent_remove(void *of, size_t key) {
    struct driver *driver = of;
    struct source *source = driver->sources[key];
    if (!source) return;
    event_free(source->event);
    free(source);
    driver->sources[key] = NULL;
}

void libevent_free(void *of) {
    struct driver *driver = of;
    for (size_t key = 0; key < driver->room; key++) libevent_remove(driver, key);
    event_free(driver->wake.event);
    event_free(driver->timer);
    event_base_free(driver->base);
    free(driver->sources);
    free(driver);
}

void libevent_add(void *of, int fd, size_t key, int edge) {
    struct driver *driver = of;
    struct source *source = calloc(1, sizeof *source);
    short what = EV_READ | EV_PERSIST | (edge ? EV_ET : 0);
    if (key >= driver->room) {
        size_t room = 2 * key + 64;
        driver->sources = realloc(driver->sources, room * sizeof *driver->sources);
        for (size_t fresh = driver->room; fresh < room; fresh++) driver->sources[fresh] = NULL;
        driver->room = room;
    }
    source->driver = driver;
    source->key = key;
    source->event = event_new(driver->base, fd, what, on_event, source);
    event_add(source->event, NULL);
    driver->sources[key] = source;
}

void libevent_turn(void *of, long long micros, on_ready ready, void *context) {
    struct driver *driver = of;
    driver->ready = ready;
    driver->context = context;
    if (micros > 0) {
        struct timeval timeout = {micros / 1000000, micros % 1000000};
        event_add(driver->timer, &timeout);
    }
    /* One turn, and a turn even when nothing is registered. */
    int flags = EVLOOP_ONCE | EVLOOP_NO_EXIT_ON_EMPTY;
    event_base_loop(driver->base, micros == 0 ? flags | EVLOOP_NONBLOCK : flags);
    if (micros > 0) event_del(driver->timer);
    driver->ready = NULL;
}

void libevent_wake(void *of) { event_active(((struct driver *)of)->wake.event, EV_READ, 0); }
