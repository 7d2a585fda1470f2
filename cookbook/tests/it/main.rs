//! Runs each program of the cookbook against a real counterpart.

mod util;

mod children;
mod command_line;
mod connect;
mod datagrams;
mod descriptors;
mod options;
mod pages;
mod per_core;
mod signals;
mod terminal;
mod timers;
mod tls;
mod undrained;
mod upgrade;
mod workers;
