//! What Python's py-key-value-aio 0.4.6 wrote, as a Larder store that can only be read: to move in.
//!
//! ```no_run
//! use kv_core::{Key, Store};
//! use kv_pykv::{FileTree, Opener, PyKeyValue};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> kv_core::Result<()> {
//! let tree = FileTree::open("/var/lib/app".into()).await?; // FastMCP's default
//! let store = PyKeyValue::new(tree, Opener::plain());
//! if let Some(entry) = store.get(Key::new("users", "ann")).await? {
//!     println!("{} bytes of JSON", entry.value.len());
//! }
//! # Ok(())
//! # }
//! ```
//!
//! - A [`Source`] finds the envelopes: [`FileTree`] in a directory, [`Compound`] in a store of strings such as Redis.
//! - [`PyKeyValue`] opens them: the value is the JSON text as it stands there, its codec is JSON, its lifetime that of the
//!   envelope. What has expired is absent, what cannot be read is `Corrupt` by its name.
//! - An [`Opener`] opens what the library's `FernetEncryptionWrapper` sealed.
//!
//! `docs/migration.md` says how to use it, and which names the library did not keep.

mod compound;
mod envelope;
mod file_tree;
mod names;
mod opener;
mod source;
mod store;

pub use compound::Compound;
pub use file_tree::FileTree;
pub use names::file_name;
pub use opener::Opener;
pub use source::{Found, Source};
pub use store::PyKeyValue;
