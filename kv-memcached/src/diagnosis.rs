//! What a server tells of itself, as findings.

use kv_core::{Finding, Result};

use crate::dial::number;

/// What there is to say of one server, which told this at `now_ms`.
pub(crate) fn findings(server: &str, told: &Result<Vec<(String, String)>>, now_ms: u64) -> Vec<Finding> {
    let stats = match told {
        Ok(stats) => stats,
        Err(e) => {
            return vec![Finding::bad("server", format!("{server}: {e}"), "its keys fail until it is back")];
        }
    };
    let text = |name: &str| stats.iter().find(|(known, _)| known == name).map_or("?", |(_, value)| value);
    let mut findings = vec![Finding::good("server", format!("{server} is Memcached {}", text("version")))];
    findings.extend(memory(server, stats));
    if let Some(seconds) = number(stats, "time") {
        // It counts whole seconds: half of one is the best guess.
        let theirs = i64::try_from(seconds.saturating_mul(1_000).saturating_add(500)).unwrap_or(i64::MAX);
        let ours = i64::try_from(now_ms).unwrap_or(i64::MAX);
        findings.push(Finding::clock(theirs.saturating_sub(ours), true));
    }
    findings
}

fn memory(server: &str, stats: &[(String, String)]) -> Option<Finding> {
    let (used, limit) = (number(stats, "bytes")?, number(stats, "limit_maxbytes")?);
    let dropped = number(stats, "evictions")?;
    let found = format!(
        "{server} holds {} of {} MiB and has dropped {dropped} live entries",
        used >> 20,
        limit >> 20
    );
    if dropped == 0 {
        return Some(Finding::good("eviction", found));
    }
    let advice =
        "it is a cache and drops what it has no room for: give it more memory (-m) if it drops too much";
    Some(Finding::notice("eviction", found, advice))
}

#[cfg(test)]
mod tests {
    use kv_core::{Error, ErrorKind, Verdict};

    use super::findings;

    fn told(evictions: &str, time: &str) -> Vec<(String, String)> {
        [
            ("version", "1.6.18"),
            ("bytes", "5000000"),
            ("limit_maxbytes", "67108864"),
            ("evictions", evictions),
            ("time", time),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into()
    }

    #[test]
    fn a_server_that_is_well_is_good_in_all_respects() {
        let found = findings("a:1", &Ok(told("0", "1800000000")), 1_800_000_000_400);
        let verdicts: Vec<_> = found.iter().map(|finding| finding.verdict).collect();
        assert_eq!(verdicts, [Verdict::Good; 3], "{found:?}");
        assert!(found[0].found.contains("1.6.18") && found[1].found.contains("4 of 64 MiB"));
    }

    #[test]
    fn evictions_a_clock_that_is_off_and_a_server_that_is_down_are_told_with_advice() {
        let found = findings("a:1", &Ok(told("7", "1800000010")), 1_800_000_000_400);
        let verdicts: Vec<_> = found.iter().map(|finding| finding.verdict).collect();
        assert_eq!(verdicts, [Verdict::Good, Verdict::Notice, Verdict::Notice]);
        let down = Err(Error::new(ErrorKind::Unavailable, "a:1 cannot be reached"));
        let found = findings("a:1", &down, 0);
        assert!(found.len() == 1 && found[0].verdict == Verdict::Bad && found[0].advice.is_some());
    }
}
