//! What the capabilities of a store mean for those who stand on it.

use kv_core::{Capabilities, Consistency, Finding, Judge};

/// One finding for each fact that matters.
pub(super) fn on(capabilities: &Capabilities, sealed: bool) -> Vec<Finding> {
    let mut findings = vec![keeping(capabilities), consistency(capabilities), judge(capabilities)];
    if let Some(max) = capabilities.max_value {
        findings.push(Finding::good("largest value", format!("{max} bytes")));
    }
    findings.push(if sealed {
        Finding::good("encryption", "values are sealed before they leave this program; names are not")
    } else {
        let advice = "add `encrypt=aead` to the URL; where there are values already, then run `larder kv rotate-key \
                      --migrate`";
        Finding::notice("encryption", "values are stored in the clear", advice)
    });
    findings.push(fit(capabilities));
    findings
}

fn keeping(capabilities: &Capabilities) -> Finding {
    match (capabilities.durable, capabilities.evicts) {
        (true, false) => Finding::good("keeping", "entries outlive this program, and none leaves early"),
        (_, true) => Finding::notice(
            "keeping",
            "live entries are dropped when room is needed",
            "good for caches; for sessions and tokens choose a store, or a policy of this one, that does not evict",
        ),
        (false, false) => Finding::notice(
            "keeping",
            "all is gone when this program ends",
            "choose disk, or a server, for what shall be there after a restart",
        ),
    }
}

fn consistency(capabilities: &Capabilities) -> Finding {
    match capabilities.consistency {
        Consistency::Linearizable => {
            Finding::good("consistency", "what was acknowledged is seen by everybody from then on")
        }
        Consistency::UntilFailover => Finding::notice(
            "consistency",
            "a crash or a failover may undo the last acknowledged writes",
            "a one-time code that was just spent could be spent again after one; the page of the backend says how to \
             make that rarer",
        ),
        _ => Finding::notice("consistency", "entries may vanish at any time", "use it for caches alone"),
    }
}

fn judge(capabilities: &Capabilities) -> Finding {
    let whose = match capabilities.judge {
        Judge::Process => "the clock of this process decides about expiry",
        Judge::Machine => "the clock of this machine decides about expiry",
        Judge::Server => "the server's clock decides about expiry",
        _ => {
            return Finding::notice(
                "expiry",
                "each caller's own clock decides about expiry",
                "synchronise the clocks of all machines that use the store (NTP)",
            );
        }
    };
    Finding::good("expiry", whose)
}

/// For what an MCP server may use it.
fn fit(capabilities: &Capabilities) -> Finding {
    let keeps = !capabilities.evicts && capabilities.writable;
    let sessions = keeps && capabilities.consistency != Consistency::BestEffort;
    let tokens = sessions && capabilities.durable;
    let may = |may: bool| if may { "yes" } else { "no" };
    let found = format!(
        "cached responses: {}, sessions and state: {}, OAuth tokens: {}",
        may(capabilities.writable),
        may(sessions),
        may(tokens)
    );
    Finding::good("an MCP server may keep here", found)
}

#[cfg(test)]
mod tests {
    use kv_core::{Capabilities, Consistency};

    use super::on;

    #[test]
    fn what_evicts_is_for_caches_and_what_keeps_is_for_all() {
        let mut capabilities = Capabilities::of("any");
        capabilities.evicts = true;
        let last = on(&capabilities, false).pop().unwrap();
        assert!(last.found.contains("sessions and state: no"), "{last:?}");
        capabilities.evicts = false;
        capabilities.durable = true;
        capabilities.consistency = Consistency::UntilFailover;
        let last = on(&capabilities, false).pop().unwrap();
        assert!(!last.found.contains("no"), "{last:?}");
    }
}
