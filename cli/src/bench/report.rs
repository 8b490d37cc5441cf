//! What was measured, as tables with bars for people, and as JSON for programs.

use std::time::Duration;

use serde_json::json;

use super::measure::Figures;
use super::work::Operation;
use crate::Failure;
use crate::kv::output::Output;

/// One operation of one store.
#[derive(Clone, Debug)]
pub(super) struct Row {
    pub(super) store: String,
    pub(super) operation: Operation,
    pub(super) tasks: usize,
    pub(super) figures: Figures,
}

/// The length of the longest bar, in characters.
const BAR: f64 = 30.0;
/// Parts of a character, from an eighth to the whole.
const EIGHTHS: [char; 8] = ['▏', '▎', '▍', '▌', '▋', '▊', '▉', '█'];

pub(super) fn as_json(rows: &[Row]) -> Result<(), Failure> {
    let mut output = Output::new();
    for Row { store, operation, tasks, figures } in rows {
        let mut line = json!({ "store": store, "operation": operation.to_string(), "tasks": tasks });
        if let (Some(line), Some(figures)) = (line.as_object_mut(), figures.to_json().as_object_mut()) {
            line.append(figures);
        }
        output.json(&line)?;
    }
    output.flush().map(drop)
}

/// A table for each number of tasks; of each operation the stores one below the other, the bar is the rate.
pub(super) fn as_tables(rows: &[Row]) -> Result<(), Failure> {
    let mut output = Output::new();
    output.bytes(tables(rows).as_bytes())?;
    output.flush().map(drop)
}

fn tables(rows: &[Row]) -> String {
    let stores = in_order(rows.iter().map(|row| row.store.as_str()));
    let mut text = String::new();
    for (number, store) in stores.iter().enumerate() {
        line(&mut text, format_args!("[{}] {store}", number + 1));
    }
    for tasks in in_order(rows.iter().map(|row| row.tasks)) {
        line(&mut text, format_args!(""));
        let title = if tasks == 1 { "one task".to_owned() } else { format!("{tasks} tasks at once") };
        line(
            &mut text,
            format_args!(
                "{title:<20} {:>12} {:>9} {:>9} {:>9} {:>9}",
                "per second", "p50", "p90", "p99", "longest"
            ),
        );
        let of_tasks: Vec<_> = rows.iter().filter(|row| row.tasks == tasks).collect();
        for operation in in_order(of_tasks.iter().map(|row| row.operation)) {
            let group: Vec<_> = of_tasks.iter().filter(|row| row.operation == operation).collect();
            let best = group.iter().map(|row| row.figures.per_second).fold(0.0, f64::max);
            for (at, row) in group.iter().enumerate() {
                let name = if at == 0 { operation.to_string() } else { String::new() };
                let number =
                    stores.iter().position(|store| *store == row.store).map_or(0, |number| number + 1);
                let Figures { per_second, p50, p90, p99, max, misses, .. } = row.figures;
                let missed =
                    if misses > 0 { format!("  {misses} entries were not there") } else { String::new() };
                line(
                    &mut text,
                    format_args!(
                        "{name:<15} [{number}] {per_second:>13.0} {:>9} {:>9} {:>9} {:>9}  {}{missed}",
                        short(p50),
                        short(p90),
                        short(p99),
                        short(max),
                        bar(per_second, best)
                    ),
                );
            }
        }
    }
    text
}

fn line(text: &mut String, line: std::fmt::Arguments<'_>) {
    text.push_str(&line.to_string());
    text.push('\n');
}

/// Each once, in the order of their first coming.
fn in_order<T: PartialEq>(all: impl IntoIterator<Item = T>) -> Vec<T> {
    let mut seen = Vec::new();
    for one in all {
        if !seen.contains(&one) {
            seen.push(one);
        }
    }
    seen
}

/// Three digits and the unit that fits.
fn short(time: Duration) -> String {
    let nanos = time.as_secs_f64() * 1e9;
    let (value, unit) = match nanos {
        n if n < 1e3 => (n, "ns"),
        n if n < 1e6 => (n / 1e3, "µs"),
        n if n < 1e9 => (n / 1e6, "ms"),
        n => (n / 1e9, "s"),
    };
    let digits = if value < 10.0 { 2 } else { usize::from(value < 100.0) };
    format!("{value:.digits$} {unit}")
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "between 0 and 8 times the length"
)]
fn bar(value: f64, best: f64) -> String {
    if best <= 0.0 {
        return String::new();
    }
    let eighths = ((value / best).clamp(0.0, 1.0) * BAR * 8.0).round() as usize;
    let mut bar = "█".repeat(eighths / 8);
    bar.extend(eighths.checked_rem(8).and_then(|rest| EIGHTHS.get(rest.checked_sub(1)?)));
    bar
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Row, bar, short, tables};
    use crate::bench::measure::Figures;
    use crate::bench::work::Operation;

    fn row(store: &str, operation: Operation, per_second: f64) -> Row {
        let p50 = Duration::from_micros(12);
        let figures = Figures { operations: 1, misses: 0, per_second, p50, p90: p50, p99: p50, max: p50 };
        Row { store: store.to_owned(), operation, tasks: 1, figures }
    }

    #[test]
    fn stores_stand_side_by_side_and_the_best_has_the_longest_bar() {
        let rows = [
            row("a", Operation::Get, 1_000.0),
            row("a", Operation::Put, 10.0),
            row("b", Operation::Get, 500.0),
        ];
        let text = tables(&rows);
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(lines[..2], ["[1] a", "[2] b"]);
        assert!(lines[4].starts_with("get") && lines[4].ends_with(&"█".repeat(30)), "{text}");
        assert!(lines[5].contains("[2]") && lines[5].ends_with(&format!(" {}", "█".repeat(15))), "{text}");
        assert!(lines[6].starts_with("put"), "{text}");
    }

    #[test]
    fn what_was_not_there_stands_beside_its_row() {
        let mut missed = row("a", Operation::Get, 1.0);
        missed.figures.misses = 12;
        let text = tables(&[missed, row("b", Operation::Get, 1.0)]);
        let beside: Vec<_> = text.lines().filter(|line| line.contains("not there")).collect();
        assert!(matches!(beside[..], [line] if line.ends_with("  12 entries were not there")), "{text}");
    }

    #[test]
    fn times_are_short_and_bars_have_their_length() {
        let of = |nanos| short(Duration::from_nanos(nanos));
        assert_eq!(
            [of(7), of(1_234), of(56_789), of(2_500_000_000)],
            ["7.00 ns", "1.23 µs", "56.8 µs", "2.50 s"]
        );
        assert_eq!((bar(0.0, 1.0), bar(1.0, 0.0)), (String::new(), String::new()));
        assert_eq!(bar(1.0, 80.0).chars().count(), 1);
    }
}
