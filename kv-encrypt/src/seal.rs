//! Sealing and opening, whatever the form.

use bytes::Bytes;
use kv_core::{Error, ErrorKind, Key, Meta, Result};

use crate::binding::Binding;
use crate::{Cipher, KeyId, KeyRing, Mode, aead, fernet};

/// Bytes to be sealed or opened between two yields: about 0.1 ms, 1 ms with Fernet. A larger value goes elsewhere.
pub(crate) const PACE: usize = 256 << 10;

/// How values of one store are sealed, opened and bound.
#[derive(Clone, Debug)]
pub(crate) struct Sealer {
    pub(crate) ring: KeyRing,
    pub(crate) cipher: Cipher,
    pub(crate) mode: Mode,
    pub(crate) context: Box<str>,
}

/// A value as it was opened.
#[derive(Debug)]
pub(crate) struct Opened {
    pub(crate) value: Bytes,
    pub(crate) form: Form,
}

/// In which form a value was found; the numbers are indices into the ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    Aead(usize),
    Fernet(usize),
    Unbound(usize),
    Plain,
}

impl Sealer {
    pub(crate) fn seal(&self, key: Key<'_>, meta: &Meta, plain: &[u8]) -> Result<Bytes> {
        let binding = self.binding(key, meta);
        match self.cipher {
            Cipher::Aead => aead::seal(&self.ring, &binding, plain),
            Cipher::Fernet => Ok(fernet::seal(&self.ring, &binding, plain)),
        }
    }

    pub(crate) fn open(&self, key: Key<'_>, meta: &Meta, stored: &Bytes) -> Result<Opened> {
        let binding = self.binding(key, meta);
        if aead::is_sealed(stored) {
            let (value, index) = aead::open(&self.ring, &binding, stored)?;
            return Ok(Opened { value, form: Form::Aead(index) });
        }
        if fernet::is_token(stored) {
            return self.admit(fernet::open(&self.ring, &binding, stored)?);
        }
        match self.mode {
            Mode::Strict => Err(corrupt("the value is not sealed")),
            Mode::Migration => Ok(Opened { value: stored.clone(), form: Form::Plain }),
        }
    }

    /// The longest value that fits once sealed where `stored` bytes fit.
    pub(crate) fn capacity(&self, stored: usize) -> usize {
        match self.cipher {
            Cipher::Aead => stored.saturating_sub(aead::OVERHEAD),
            Cipher::Fernet => fernet::capacity(stored),
        }
    }

    /// Whether a value in this form is as a new one would be.
    pub(crate) fn is_current(&self, form: Form) -> bool {
        form == match self.cipher {
            Cipher::Aead => Form::Aead(0),
            Cipher::Fernet => Form::Fernet(0),
        }
    }

    /// The key that a value in this form was sealed with.
    pub(crate) fn key_of(&self, form: Form) -> Option<KeyId> {
        match form {
            Form::Aead(index) | Form::Fernet(index) | Form::Unbound(index) => self.ring.ids().nth(index),
            Form::Plain => None,
        }
    }

    fn admit(&self, token: fernet::Token) -> Result<Opened> {
        let fernet::Token { value, key, bound } = token;
        match (bound, self.mode) {
            (true, _) => Ok(Opened { value, form: Form::Fernet(key) }),
            (false, Mode::Migration) => Ok(Opened { value, form: Form::Unbound(key) }),
            (false, Mode::Strict) => Err(corrupt("the Fernet token is bound to another name, or to none")),
        }
    }

    fn binding<'a>(&'a self, key: Key<'a>, meta: &'a Meta) -> Binding<'a> {
        Binding { context: &self.context, key, meta }
    }
}

fn corrupt(message: &'static str) -> Error {
    Error::new(ErrorKind::Corrupt, message)
}
