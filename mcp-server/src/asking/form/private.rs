//! What the expansion of `#[derive(Form)]` calls. Not for use by hand, and changed at will.

pub use super::field::{Entered, Field};
pub use super::format::Format;
pub use super::rules::Rules;
pub use super::schema::{FormSchema as Fields, Property};
pub use super::value::{FormValue, Ranged, Several, Textual};
