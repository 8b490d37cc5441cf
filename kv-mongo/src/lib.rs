//! A key-value store on a `MongoDB` server.
