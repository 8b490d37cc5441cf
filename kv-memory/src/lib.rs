//! The in-memory backend of Larder, on moka.
