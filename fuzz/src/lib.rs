//! What several targets share: how a server is spoken to without sockets, and what each of its messages must be.

pub mod conform;
pub mod door;
pub mod sentinel;
