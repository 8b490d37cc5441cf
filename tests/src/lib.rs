//! Cross-crate behaviour of the Larder family.
