//! How values are sealed, and what is accepted besides.

/// How new values are sealed. Both forms are always read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Cipher {
    /// AES-256-GCM-SIV, bound by its associated data: 33 bytes more than the value, under a microsecond for small ones.
    #[default]
    Aead,
    /// Fernet tokens, which Python's `cryptography` opens: slower, and a good third larger.
    Fernet,
}

/// What is accepted beside values that are sealed and bound.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Mode {
    /// Nothing: plaintext, and tokens that are not bound to their name, are `Corrupt`.
    #[default]
    Strict,
    /// Plaintext, and Fernet tokens that hold the value alone, so that an older store can be rotated.
    ///
    /// Whoever can write to the backend can then plant values, and a token of ours that was moved opens with 32
    /// bytes of rubbish before its value: for the time of a migration only.
    Migration,
}
