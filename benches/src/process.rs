//! What /proc tells about a process: CPU time, memory, bytes written to devices.
//!
//! CPU time is `utime + stime` of `/proc/PID/stat`, which counts all threads, also those that
//! have ended. Its unit is the clock tick (10 ms), so a window should hold a second of it.

use std::fs;
use std::io;
use std::time::Duration;

/// The figures of one or several processes at one moment, added up.
#[derive(Clone, Copy, Debug, Default)]
pub struct Usage {
    /// User and system time since their start.
    pub cpu: Duration,
    /// Resident bytes now.
    pub resident: u64,
    /// The most bytes ever resident.
    pub resident_peak: u64,
    /// Bytes that went to storage; 0 where the kernel does not tell.
    pub written: u64,
}

impl Usage {
    /// Reads the figures of these processes.
    pub fn of(pids: &[u32]) -> io::Result<Self> {
        let mut sum = Self::default();
        for &pid in pids {
            let one = Self::of_one(pid)
                .map_err(|error| io::Error::new(error.kind(), format!("process {pid}: {error}")))?;
            sum.cpu += one.cpu;
            sum.resident += one.resident;
            sum.resident_peak += one.resident_peak;
            sum.written += one.written;
        }
        Ok(sum)
    }

    /// Reads the figures of this process.
    pub fn of_self() -> io::Result<Self> {
        Self::of(&[std::process::id()])
    }

    fn of_one(pid: u32) -> io::Result<Self> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
        let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
        let written = fs::read_to_string(format!("/proc/{pid}/io"))
            .ok()
            .and_then(|io| field(&io, "write_bytes:"))
            .unwrap_or(0);
        Ok(Self {
            cpu: cpu_time(&stat).ok_or_else(|| unreadable("stat"))?,
            resident: field(&status, "VmRSS:").ok_or_else(|| unreadable("VmRSS"))? << 10,
            resident_peak: field(&status, "VmHWM:").ok_or_else(|| unreadable("VmHWM"))? << 10,
            written,
        })
    }
}

/// The share of all cores, 0 to 1, that somebody uses during this pause.
pub fn busy_share(pause: Duration) -> io::Result<f64> {
    let before = core_time()?;
    std::thread::sleep(pause);
    let after = core_time()?;
    let all = after.all.saturating_sub(before.all).max(1);
    let idle = after.idle.saturating_sub(before.idle).min(all);
    #[expect(clippy::cast_precision_loss, reason = "ticks of a pause stay far below 2^52")]
    Ok((all - idle) as f64 / all as f64)
}

struct CoreTime {
    all: u64,
    idle: u64,
}

/// The first line of `/proc/stat`: ticks of all cores by what they did. Fields 4 and 5 are idle
/// and waiting for a disk; 9 and 10 are counted within 1 and 2.
fn core_time() -> io::Result<CoreTime> {
    let stat = fs::read_to_string("/proc/stat")?;
    parse_core_time(&stat).ok_or_else(|| unreadable("/proc/stat"))
}

fn parse_core_time(stat: &str) -> Option<CoreTime> {
    let fields = stat.lines().next()?.strip_prefix("cpu ")?.split_ascii_whitespace().take(8);
    let ticks: Vec<u64> = fields.map(|field| field.parse().ok()).collect::<Option<_>>()?;
    Some(CoreTime { all: ticks.iter().sum(), idle: ticks.get(3)? + ticks.get(4)? })
}

fn unreadable(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("{what} could not be read"))
}

/// Fields 14 and 15; counted behind the command's name, which may hold blanks and parentheses.
fn cpu_time(stat: &str) -> Option<Duration> {
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_ascii_whitespace().skip(11);
    let user: u64 = fields.next()?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    let per_second = rustix::param::clock_ticks_per_second();
    Some(Duration::from_nanos((user + system) * (1_000_000_000 / per_second)))
}

/// The number behind a label at the start of a line.
fn field(text: &str, label: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(label))?;
    line.split_ascii_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_name_with_parentheses_does_not_shift_the_fields() {
        let stat = "7 (a) b (c) R 1 2 3 4 5 6 7 8 9 10 150 50 0 0 20 0 1 0 1 1 1";
        let ticks = rustix::param::clock_ticks_per_second();
        assert_eq!(cpu_time(stat), Some(Duration::from_nanos(200 * (1_000_000_000 / ticks))));
    }

    #[test]
    fn idle_time_is_told_from_work() {
        let time = parse_core_time("cpu  10 1 9 70 5 2 2 1 3 0\ncpu0 1").expect("readable");
        assert_eq!((time.all, time.idle), (100, 75));
        assert!(parse_core_time("intr 5").is_none());
    }

    #[test]
    fn this_process_uses_memory() {
        let usage = Usage::of_self().expect("/proc of this process is readable");
        assert!(usage.resident > 0 && usage.resident_peak >= usage.resident);
    }
}
