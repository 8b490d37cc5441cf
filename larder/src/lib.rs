//! One key-value API over many databases, picked by URL.
