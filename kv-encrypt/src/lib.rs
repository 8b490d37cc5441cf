//! Encryption for any Larder store: Fernet and AEAD, bound to the key, with rotation.
