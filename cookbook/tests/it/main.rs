//! Runs each program of the cookbook against a real counterpart.

mod util;

mod command_line;
mod connect;
mod datagrams;
mod options;
mod pages;
mod per_core;
mod signals;
mod timers;
mod tls;
mod undrained;
mod upgrade;
mod workers;
