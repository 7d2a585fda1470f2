//! The loops of C libraries, through the drivers in `drivers/`.

use std::ffi::{c_int, c_longlong, c_void};
use std::marker::PhantomData;
use std::os::fd::RawFd;
use std::time::Duration;

use super::Loop;

/// The functions of a driver; see `drivers/driver.h`.
pub struct Functions {
    new: unsafe extern "C" fn() -> *mut c_void,
    free: unsafe extern "C" fn(*mut c_void),
    add: unsafe extern "C" fn(*mut c_void, c_int, usize, c_int),
    remove: unsafe extern "C" fn(*mut c_void, usize),
    turn: unsafe extern "C" fn(*mut c_void, c_longlong, OnReady, *mut c_void),
    wake: unsafe extern "C" fn(*mut c_void),
}

type OnReady = unsafe extern "C" fn(*mut c_void, usize);

pub trait Library: 'static {
    const FUNCTIONS: Functions;
    const REGISTERS_AT_ONCE: bool;
}

macro_rules! library {
    ($alias:ident, $library:ident, $at_once:expr, $($name:ident: $function:ident,)*) => {
        pub struct $library;
        pub type $alias = CLoop<$library>;

        impl Library for $library {
            const FUNCTIONS: Functions = Functions { $($name: ffi::$function,)* };
            const REGISTERS_AT_ONCE: bool = $at_once;
        }
    };
}

mod ffi {
    use super::*;

    macro_rules! driver {
        ($new:ident, $free:ident, $add:ident, $remove:ident, $turn:ident, $wake:ident) => {
            extern "C" {
                pub fn $new() -> *mut c_void;
                pub fn $free(driver: *mut c_void);
                pub fn $add(driver: *mut c_void, fd: c_int, key: usize, edge: c_int);
                pub fn $remove(driver: *mut c_void, key: usize);
                pub fn $turn(
                    driver: *mut c_void,
                    micros: c_longlong,
                    ready: OnReady,
                    of: *mut c_void,
                );
                pub fn $wake(driver: *mut c_void);
            }
        };
    }

    #[cfg(has_libuv)]
    driver!(
        libuv_new,
        libuv_free,
        libuv_add,
        libuv_remove,
        libuv_turn,
        libuv_wake
    );
    #[cfg(has_libevent)]
    driver!(
        libevent_new,
        libevent_free,
        libevent_add,
        libevent_remove,
        libevent_turn,
        libevent_wake
    );
}

#[cfg(has_libuv)]
library! {
    Libuv, LibuvLibrary, false,
    new: libuv_new,
    free: libuv_free,
    add: libuv_add,
    remove: libuv_remove,
    turn: libuv_turn,
    wake: libuv_wake,
}

#[cfg(has_libevent)]
library! {
    Libevent, LibeventLibrary, true,
    new: libevent_new,
    free: libevent_free,
    add: libevent_add,
    remove: libevent_remove,
    turn: libevent_turn,
    wake: libevent_wake,
}

pub struct CLoop<L: Library> {
    driver: *mut c_void,
    library: PhantomData<L>,
}

impl<L: Library> Loop for CLoop<L> {
    const REGISTERS_AT_ONCE: bool = L::REGISTERS_AT_ONCE;

    fn new() -> Self {
        CLoop {
            // SAFETY: takes no argument.
            driver: unsafe { (L::FUNCTIONS.new)() },
            library: PhantomData,
        }
    }

    fn add(&mut self, fd: RawFd, key: usize, edge: bool) {
        // SAFETY: the driver lives as long as `self`.
        unsafe { (L::FUNCTIONS.add)(self.driver, fd, key, edge.into()) }
    }

    fn remove(&mut self, _: RawFd, key: usize) {
        // SAFETY: as above.
        unsafe { (L::FUNCTIONS.remove)(self.driver, key) }
    }

    fn turn(&mut self, timeout: Option<Duration>, mut ready: impl FnMut(usize)) {
        let micros = timeout.map_or(-1, |it| it.as_micros() as c_longlong);
        // SAFETY: as above; the driver calls `ready` during this call only.
        unsafe { turn::<L, _>(self.driver, micros, &mut ready) }
    }

    fn wake(&self) {
        // SAFETY: as above.
        unsafe { (L::FUNCTIONS.wake)(self.driver) }
    }
}

/// # Safety
///
/// `driver` is one of `L`.
unsafe fn turn<L: Library, F: FnMut(usize)>(
    driver: *mut c_void,
    micros: c_longlong,
    ready: &mut F,
) {
    unsafe extern "C" fn call<F: FnMut(usize)>(context: *mut c_void, key: usize) {
        // SAFETY: what was handed to the driver below, and is borrowed by nobody else.
        unsafe { (*context.cast::<F>())(key) }
    }
    // SAFETY: the caller's promise.
    unsafe { (L::FUNCTIONS.turn)(driver, micros, call::<F>, (ready as *mut F).cast()) }
}

impl<L: Library> Drop for CLoop<L> {
    fn drop(&mut self) {
        // SAFETY: nobody uses it any more.
        unsafe { (L::FUNCTIONS.free)(self.driver) }
    }
}
