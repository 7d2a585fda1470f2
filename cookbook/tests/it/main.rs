//! Runs each program of the cookbook against a real counterpart.

mod util;

mod command_line;
mod connect;
mod datagrams;
mod pages;
mod timers;
