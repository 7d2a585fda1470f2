//! In the place of the library's table: the real files, over a modelled system.

include!(concat!(env!("OUT_DIR"), "/sys_modules.rs"));
include!(concat!(env!("OUT_DIR"), "/edge.rs"));

pub use event::Event;

#[cfg(not(any(feature = "edge", feature = "iocp")))]
include!(concat!(env!("OUT_DIR"), "/poll2.rs"));
#[cfg(not(any(feature = "edge", feature = "iocp")))]
use poll2 as selector;

#[cfg(all(feature = "edge", not(feature = "iocp")))]
#[path = "edge.rs"]
mod selector;

#[cfg(feature = "iocp")]
include!(concat!(env!("OUT_DIR"), "/iocp.rs"));
#[cfg(feature = "iocp")]
use iocp as selector;

#[cfg(not(feature = "iocp"))]
include!(concat!(env!("OUT_DIR"), "/unix.rs"));

#[cfg(not(feature = "iocp"))]
#[path = "bell.rs"]
mod bell;

#[cfg(not(feature = "iocp"))]
#[path = "pollable.rs"]
mod pollable;

#[cfg_attr(not(feature = "iocp"), path = "unix.rs")]
#[cfg_attr(feature = "iocp", path = "windows.rs")]
mod family;

pub(crate) use family::*;
pub(crate) use selector::{Selector, Waker};
pub(crate) type RawEvent = <Selector as backend::Selector>::RawEvent;
pub(crate) type Registration = <Selector as backend::Selector>::Registration;
