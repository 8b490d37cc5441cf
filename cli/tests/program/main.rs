//! The program as its users meet it: a real process, real streams, real files.

#![cfg(test)]

mod http;
#[cfg(unix)]
mod join;
mod kv;
mod memory;
mod moving_in;
mod operations;
mod owners;
mod print_config;
#[cfg(unix)]
mod progress;
#[cfg(unix)]
mod readme;
#[cfg(unix)]
mod servers;
mod settings;
#[cfg(unix)]
mod socket;
#[cfg(target_os = "linux")]
mod strangers;
mod support;
mod survival;
