//! How fast a request may report its progress (basic/patterns/progress: both parties "SHOULD implement rate limiting").

use tokio::time::Instant;

/// So many reports of a request may come at once.
pub(crate) const AT_ONCE: u32 = 100;
/// So many per second in the long run.
pub(crate) const PER_SECOND: u32 = 50;

/// What one request has reported lately.
#[derive(Debug, Default)]
pub(super) struct Pace {
    /// How much of what may come at once is used up, and when that was so.
    used: f64,
    looked: Option<Instant>,
    /// Whether the last report was made, which is never left out.
    ended: bool,
}

impl Pace {
    /// Whether one more report may be made now.
    pub(super) fn allows(&mut self, is_last: bool) -> bool {
        let now = Instant::now();
        let since = self.looked.replace(now).map_or(0.0, |looked| now.duration_since(looked).as_secs_f64());
        self.used = (self.used - since * f64::from(PER_SECOND)).max(0.0);
        if is_last && !std::mem::replace(&mut self.ended, true) {
            return true;
        }
        let allows = self.used + 1.0 <= f64::from(AT_ONCE);
        if allows {
            self.used += 1.0;
        }
        allows
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{AT_ONCE, PER_SECOND, Pace};

    /// How many of so many reports at once are made.
    fn allowed(pace: &mut Pace, reports: u32) -> u32 {
        (0..reports).map(|_| u32::from(pace.allows(false))).sum()
    }

    #[tokio::test(start_paused = true)]
    async fn so_many_reports_come_at_once_and_then_so_many_a_second() {
        let mut pace = Pace::default();
        assert_eq!(allowed(&mut pace, 10_000), AT_ONCE);
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!(allowed(&mut pace, 10_000), PER_SECOND);
        tokio::time::advance(Duration::from_secs(3_600)).await;
        assert_eq!(allowed(&mut pace, 10_000), AT_ONCE);
    }

    #[tokio::test(start_paused = true)]
    async fn the_last_report_is_made_in_any_case_and_once() {
        let mut pace = Pace::default();
        allowed(&mut pace, 10_000);
        assert!(pace.allows(true));
        assert!(!pace.allows(true));
    }
}
