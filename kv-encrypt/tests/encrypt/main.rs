//! The behaviour of `Encrypted`, through the public API.

#[cfg(test)]
mod binding;
#[cfg(test)]
mod common;
#[cfg(test)]
mod from_env;
#[cfg(test)]
mod golden;
#[cfg(test)]
mod key_file;
#[cfg(test)]
mod note;
#[cfg(test)]
mod odd;
#[cfg(test)]
mod python;
#[cfg(test)]
mod rotation;
