//! What stores in a directory of this machine have in common, whatever engine keeps their files: one owner at a time, a
//! store that comes into being in one step, one thread that makes writes durable, news within the process, and damage
//! that stops a store without harm.

mod batch;
mod diagnosis;
mod directory;
mod durability;
mod end;
pub mod error;
mod inline;
mod namespace;
mod news;
mod op;
mod poison;
mod queue;
mod scan;
pub mod stored;
mod submit;

pub use batch::{Refused, apart, together};
pub use diagnosis::findings;
pub use directory::{Directory, close_to_others, sync_dir};
pub use durability::Durability;
pub use end::end;
pub use inline::Inline;
pub use namespace::Namespace;
pub use news::News;
pub use op::{Action, Applied, Change, Guard, Op, applied, decide};
pub use poison::Poison;
pub use queue::{Answer, GROUP, Queue};
pub use scan::{Bounds, Request, See};
pub use submit::{Submits, Submitted, submit};
