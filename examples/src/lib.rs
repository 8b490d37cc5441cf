//! Small whole programs on Larder.
