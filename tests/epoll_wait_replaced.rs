//! A program that has an `epoll_wait` of its own, and nothing for `epoll_pwait2`, as libraries that
//! are older than that: every poll is made through it, and into initialised memory.
#![cfg(all(
    target_os = "linux",
    target_env = "gnu",
    not(target_feature = "crt-static"),
    feature = "os-poll",
    not(any(
        mio_test_kqueue_shim,
        mio_test_event_port_shim,
        mio_unsupported_force_poll_poll
    ))
))]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::mem;
use std::time::{Duration, Instant};

use libc::{c_int, epoll_event};
use mio::{Events, Poll};

/// The system's allocator; its memory is full of leftovers unless zeroed memory is asked for.
struct Leftovers;

// SAFETY: every call is handed on to the system's allocator; writing does not unwind.
unsafe impl GlobalAlloc for Leftovers {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller guarantees the same.
        let memory = unsafe { System.alloc(layout) };
        if !memory.is_null() {
            // SAFETY: just allocated with that size.
            unsafe { memory.write_bytes(0xaa, layout.size()) };
        }
        memory
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as above.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        // SAFETY: as above.
        unsafe { System.dealloc(memory, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Leftovers = Leftovers;

thread_local! {
    static BUFFER: Cell<Option<(usize, bool)>> = const { Cell::new(None) };
    static TIMEOUT: Cell<Option<c_int>> = const { Cell::new(None) };
}

/// Notes how much room it was given, and whether that was zeroed; finds nothing ready.
#[no_mangle]
extern "C" fn epoll_wait(_: c_int, events: *mut epoll_event, room: c_int, millis: c_int) -> c_int {
    TIMEOUT.with(|timeout| timeout.set(Some(millis)));
    let len = room as usize * mem::size_of::<epoll_event>();
    // SAFETY: the caller's promise of that much room; that it is initialised is what is tested.
    let bytes = unsafe { std::slice::from_raw_parts(events.cast::<u8>(), len) };
    let zeroed = bytes.iter().all(|&byte| byte == 0);
    BUFFER.with(|buffer| buffer.set(Some((room as usize, zeroed))));
    0
}

/// Tools that find uses of uninitialised memory do not see what every system call writes.
#[test]
fn a_new_buffer_is_zeroed() {
    let mut poll = Poll::new().unwrap();
    for capacity in [1, 7, 1024] {
        let mut events = Events::with_capacity(capacity);
        assert_eq!(events.capacity(), capacity);
        poll.poll(&mut events, Some(Duration::ZERO)).unwrap();
        let buffer = BUFFER.with(Cell::take);
        assert_eq!(buffer, Some((capacity, true)));
    }
}

#[test]
fn a_fraction_of_a_millisecond_is_rounded_up_for_it() {
    let mut poll = Poll::new().unwrap();
    let mut events = Events::with_capacity(8);
    for (micros, millis) in [(0, 0), (50, 1), (1000, 1), (1500, 2)] {
        let timeout = Some(Duration::from_micros(micros));
        poll.poll(&mut events, timeout).unwrap();
        assert_eq!(TIMEOUT.with(Cell::take), Some(millis), "{timeout:?}");
    }
}

/// So a system ends a wait that is longer than it can wait at once.
#[test]
fn a_wait_that_ends_early_goes_on_until_its_deadline() {
    let mut poll = Poll::new().unwrap();
    let mut events = Events::with_capacity(1);
    let deadline = Instant::now() + Duration::from_millis(5);
    poll.poll_until(&mut events, Some(deadline)).unwrap();
    assert!(Instant::now() >= deadline);
}
