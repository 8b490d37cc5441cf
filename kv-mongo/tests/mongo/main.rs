//! What the store does beyond the laws, on servers of its own: restarts, access, TLS, clocks, faults, limits, documents
//! that somebody changed, and servers that lack something.

#[cfg(test)]
mod abandoned;
#[cfg(test)]
mod access;
#[cfg(test)]
mod clocks;
#[cfg(test)]
mod collection;
#[cfg(test)]
mod deadlines;
#[cfg(test)]
mod faults;
#[cfg(test)]
mod lacking;
#[cfg(test)]
mod limits;
#[cfg(test)]
mod names;
#[cfg(test)]
mod restart;
#[cfg(test)]
mod sharing;
#[cfg(test)]
mod silent;
#[cfg(test)]
mod stretches;
#[cfg(test)]
mod support;
