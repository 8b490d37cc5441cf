//! The embedded disk backend of Larder, on sled or redb.
