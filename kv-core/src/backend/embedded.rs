//! What stores in a directory of this machine have in common, whatever engine keeps their files: one owner at a time, a
//! store that comes into being in one step, one thread that makes writes durable, news within the process, and damage
//! that stops a store without harm.

mod access;
mod batch;
mod diagnosis;
mod directory;
mod durability;
mod end;
mod engine;
pub mod error;
mod handle;
mod inline;
mod namespace;
mod news;
mod op;
mod open;
mod poison;
mod queue;
mod room;
mod scan;
mod shared;
pub mod stored;
mod submit;

pub use diagnosis::findings;
pub use directory::{Directory, close_to_others, make_dir, sync_dir};
pub use durability::Durability;
pub use engine::Engine;
pub use handle::{Handle, Held};
pub use namespace::Namespace;
pub use op::{Action, Applied, Change, Guard, Op, applied, decide};
pub use open::Open;
pub use poison::Poison;
pub use scan::{Bounds, See, Shown};
pub use shared::Shared;

use batch::{apart, together};
use end::end;
use inline::Inline;
use news::News;
use queue::{Answer, GROUP, Queue};
use scan::Request;
use submit::submit;
