//! Calls on stdio: so many are under way at once, and what was read at once is answered by as many new ones.

use std::io::{self, BufRead as _, Write as _};
use std::time::{Duration, Instant};

use memchr::memmem;

use crate::child::Child;
use crate::load::Run;
use crate::message::{Era, FIRST_ID, INITIALIZE, INITIALIZED, TEXT, Work};

/// What is done to a server.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Lines {
    pub(crate) era: Era,
    /// Calls under way at a time.
    pub(crate) window: u32,
    pub(crate) warm: Duration,
    pub(crate) measured: Duration,
}

/// Calls the server for a while.
pub(crate) fn run(server: &mut Child, load: &Lines) -> io::Result<Run> {
    let Lines { era, window, warm, measured } = *load;
    let (mut input, mut output) = server.pipes()?;
    let mut line = Vec::new();
    if era == Era::Session {
        writeln!(input, "{INITIALIZE}")?;
        output.read_until(b'\n', &mut line)?;
        writeln!(input, "{INITIALIZED}")?;
    }
    let (mut next, mut sum) = (FIRST_ID, 0_u64);
    let mut send = |count: u32, sum: &mut u64| {
        let mut batch = Vec::with_capacity(400 * count as usize);
        for id in next..next + count {
            batch.extend_from_slice(era.request(Work::Call, id).as_bytes());
            batch.push(b'\n');
            *sum = sum.wrapping_add(u64::from(id));
        }
        next += count;
        input.write_all(&batch)
    };
    send(window, &mut sum)?;
    let begun = Instant::now();
    let (mut calls, mut from, mut cpu) = (0_u32, None::<Instant>, Duration::ZERO);
    loop {
        let mut got = 0;
        loop {
            line.clear();
            output.read_until(b'\n', &mut line)?;
            sum = sum.wrapping_sub(u64::from(answered(&line)?));
            got += 1;
            if memchr::memchr(b'\n', output.buffer()).is_none() {
                break;
            }
        }
        calls += got;
        match from {
            None if begun.elapsed() >= warm => {
                (calls, cpu, from) = (0, server.cpu(), Some(Instant::now()));
            }
            Some(from) if from.elapsed() >= measured => {
                let (took, cpu) = (from.elapsed(), server.cpu().saturating_sub(cpu));
                drain(&mut output, &mut sum, window - got)?;
                return Ok(summary(calls, took, cpu));
            }
            _ => {}
        }
        send(got, &mut sum)?;
    }
}

/// Reads what is still under way: then each id that was sent has come back.
fn drain(output: &mut impl io::BufRead, sum: &mut u64, left: u32) -> io::Result<()> {
    let mut line = Vec::new();
    for _ in 0..left {
        line.clear();
        output.read_until(b'\n', &mut line)?;
        *sum = sum.wrapping_sub(u64::from(answered(&line)?));
    }
    if *sum == 0 { Ok(()) } else { Err(io::Error::other("an answer is missing, or came twice")) }
}

/// The id of a right answer.
fn answered(line: &[u8]) -> io::Result<u32> {
    let id = memmem::find(line, br#""id":"#).and_then(|at| {
        let digits = std::str::from_utf8(line.get(at + 5..at + 14)?).ok()?;
        digits.parse().ok()
    });
    let right = memmem::find(line, TEXT.as_bytes()).is_some() && memmem::find(line, br#""result""#).is_some();
    id.filter(|_| right)
        .ok_or_else(|| io::Error::other(format!("a wrong answer: {}", String::from_utf8_lossy(line))))
}

fn summary(calls: u32, took: Duration, cpu: Duration) -> Run {
    let each_us = |time: Duration| time.as_secs_f64() * 1e6 / f64::from(calls.max(1));
    let per_second = f64::from(calls) / took.as_secs_f64();
    Run { per_second, cpu_us: each_us(cpu), p50_us: each_us(took), p99_us: each_us(took) }
}
