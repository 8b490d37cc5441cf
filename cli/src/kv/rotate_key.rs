//! `larder kv rotate-key`.

use clap::Args;
use kv_core::{AnyStore, ErrorKind, Store as _};
use larder::encrypt::{Encrypted, KeyId, KeysInUse, Rotation};
use larder::platform;
use serde_json::json;

use super::export::tell;
use super::output::Output;
use super::progress::{Progress, Whom};
use super::{Common, failed};
use crate::store::Program;
use crate::{Failure, store};

/// Arguments of `larder kv rotate-key`.
#[derive(Debug, Args)]
#[command(after_help = "\
The key that seals is the first one of LARDER_KEY, or of the key file. To change it:
  1. make the new one the second key everywhere (LARDER_KEY=old,new) and restart;
  2. make it the first one everywhere (LARDER_KEY=new,old) and restart;
  3. run this: every entry of the namespace, under every prefix, is sealed anew, while readers and writers go on;
     lifetimes stay;
  4. when it ends with exit status 0 for every namespace of every store that uses the old key, remove that everywhere.
The first two steps are one if nobody else uses the store. Stopped midway, every entry still opens: run it
again. With --migrate, values that were never sealed and Fernet tokens that are bound to no name (both as other
programs write them) are sealed as well, those under other prefixes too; do that once, since whoever can write to the
database could have put them there.
Exit status 1, also with --check, if an entry does not open or could not be sealed anew, or if an entry or the note of the
store still needs another key than the first one.")]
pub(crate) struct RotateKey {
    #[command(flatten)]
    common: Common,

    /// Change nothing, only tell which keys the entries need
    #[arg(long)]
    check: bool,

    /// Also seal what is in the clear, or bound to no name
    #[arg(long)]
    migrate: bool,
}

impl RotateKey {
    pub(super) async fn run(self) -> Result<(), Failure> {
        let url = self.common.resolved()?;
        let opened = platform::open_encrypted(&Program, &url).await;
        let sealed = opened.map_err(|error| store::failure(&url, &self.common.place(), error))?;
        let sealed = if self.migrate { sealed.mode(larder::encrypt::Mode::Migration) } else { sealed };
        let done = self.rotate(&sealed).await;
        if let Err(error) = sealed.close().await {
            tracing::warn!(%error, "the store did not close properly");
        }
        done
    }

    async fn rotate(&self, sealed: &Encrypted<AnyStore>) -> Result<(), Failure> {
        let rotation =
            if self.check { None } else { Some(rotated(sealed, Whom::of(self.common.json)).await?) };
        let in_use = sealed.keys_in_use().await.map_err(unlisted)?;
        self.answer(sealed, rotation.as_ref(), &in_use)?;
        match rotation.filter(|rotation| !rotation.is_complete()) {
            Some(Rotation { unreadable, contended, refused, .. }) => Err(Failure::new(format!(
                "{unreadable} entries do not open, {contended} were rewritten by others all the time, {refused} are too \
                 large for the store once they are sealed anew"
            ))),
            None => needs_no_other_key(&in_use, sealed.keys().active()),
        }
    }

    fn answer(
        &self,
        sealed: &Encrypted<AnyStore>,
        rotation: Option<&Rotation>,
        in_use: &KeysInUse,
    ) -> Result<(), Failure> {
        let entries = |id| in_use.entries.get(&id).copied().unwrap_or(0);
        let active = sealed.keys().active();
        if self.common.json {
            let keys: Vec<_> = sealed
                .keys()
                .ids()
                .map(|id| {
                    json!({ "key": id.to_string(), "active": id == active, "entries": entries(id),
                    "noted": in_use.notes.contains_key(&id) })
                })
                .collect();
            let rotation = rotation.map(|r| {
                json!({ "rotated": r.rotated, "already": r.already, "gone": r.gone,
                    "unreadable": r.unreadable, "contended": r.contended, "refused": r.refused,
                    "left": r.left.iter().map(ToString::to_string).collect::<Vec<_>>() })
            });
            let mut output = Output::new();
            output.json(&json!({ "rotation": rotation, "keys": keys, "unreadable": in_use.unreadable,
                "unbound": in_use.unbound, "plain": in_use.plain }))?;
            return output.flush().map(drop);
        }
        if let Some(Rotation { rotated, already, gone, left, .. }) = rotation {
            for error in left {
                tell(&format!("left as it is: {error}"));
            }
            tell(&format!(
                "sealed {rotated} entries anew; {already} were sealed by the key {active} already, {gone} are gone"
            ));
        }
        // What did not open, or opens unbound only, may need any of them.
        let open_ends = in_use.unreadable > 0 || rotation.is_some_and(|rotation| !rotation.is_complete());
        for id in sealed.keys().ids() {
            let role = match (id == active, entries(id)) {
                (true, _) => "seals",
                (false, 0) if open_ends => "seals none of those that were opened",
                (false, 0) if in_use.notes.contains_key(&id) => {
                    "seals nothing, but the note of the store names it still: run this once more, without --check"
                }
                (false, 0) => "opens nothing any more in this namespace of this store",
                (false, _) => "is still needed",
            };
            tell(&format!("key {id}: {} entries; it {role}", entries(id)));
        }
        if in_use.unbound + in_use.plain > 0 {
            let KeysInUse { unbound, plain, .. } = in_use;
            tell(&format!("{unbound} entries are bound to no name, {plain} are in the clear"));
        }
        if in_use.unreadable > 0 {
            tell(&format!(
                "{} entries do not open: sealed by another key, damaged, in the clear or bound to no name (for the last \
                 two see --migrate); remove no key while they are needed",
                in_use.unreadable
            ));
        }
        Ok(())
    }
}

/// # Errors
/// Something may be lost with a key that is not the active one.
fn needs_no_other_key(in_use: &KeysInUse, active: KeyId) -> Result<(), Failure> {
    let unreadable = in_use.unreadable;
    let others: u64 =
        in_use.entries.iter().filter(|(id, _)| **id != active).map(|(_, entries)| entries).sum();
    let is_noted = in_use.notes.keys().any(|id| *id != active);
    match (unreadable, others, is_noted) {
        (0, 0, false) => Ok(()),
        (0, 0, true) => Err(Failure::new(
            "the note of the store names another key than the active one: run this once more, without --check",
        )),
        _ => Err(Failure::new(format!(
            "{unreadable} entries do not open, {others} need another key than the active one: remove no key yet"
        ))),
    }
}

async fn rotated(sealed: &Encrypted<AnyStore>, whom: Whom) -> Result<Rotation, Failure> {
    let progress = Progress::new("looked at", whom);
    let mut seen = 0;
    let rotation = sealed.rotate(|so_far| {
        let &Rotation { rotated, already, gone, unreadable, contended, refused, .. } = so_far;
        let now = rotated + already + gone + unreadable + contended + refused;
        progress.add(now - seen);
        seen = now;
    });
    rotation.await.map_err(unlisted)
}

fn unlisted(error: kv_core::Error) -> Failure {
    if error.kind() == ErrorKind::Unsupported {
        return Failure::usage(
            "this store cannot list its entries, so none can be found: let them expire under a ring of both keys",
        );
    }
    failed(error)
}
