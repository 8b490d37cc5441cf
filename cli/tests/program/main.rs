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
#[cfg(unix)]
mod progress;
#[cfg(unix)]
mod servers;
mod settings;
mod support;
mod survival;
