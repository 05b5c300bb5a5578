//! What the kernel counts of a process.

use std::fs;
use std::time::Duration;

use anyhow::{Context as _, Result};

/// The processor time that a process has used, all its threads together.
pub fn cpu(pid: u32) -> Result<Duration> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).context("the server is gone")?;
    // The name, in parentheses, may hold anything; fields are counted from behind it.
    let fields: Vec<&str> = text.rsplit_once(')').map_or("", |(_, rest)| rest).split_whitespace().collect();
    let ticks = |at: usize| fields.get(at).and_then(|field| field.parse::<u64>().ok()).context("unreadable stat");
    // Linux counts these in hundredths of a second for every program.
    Ok(Duration::from_millis((ticks(11)? + ticks(12)?) * 10))
}

/// Memory of a process in megabytes.
#[derive(Clone, Copy, Debug)]
pub struct Memory {
    pub resident: f64,
    /// Resident and not of a file.
    pub anonymous: f64,
    /// The most that was ever resident.
    pub peak: f64,
}

pub fn memory(pid: u32) -> Result<Memory> {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).context("the server is gone")?;
    let megabytes = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name)).context("unreadable status")?;
        let kibibytes: f64 = line.split_whitespace().next().unwrap_or_default().parse()?;
        anyhow::Ok(kibibytes * 1024.0 / 1e6)
    };
    Ok(Memory { resident: megabytes("VmRSS:")?, anonymous: megabytes("RssAnon:")?, peak: megabytes("VmHWM:")? })
}
