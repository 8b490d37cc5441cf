//! Benchmarks of the Larder family, with peers beside us.
