//! Differences that are meant: one file, each entry with its reason.

use std::cell::Cell;
use std::path::Path;

use anyhow::{Context as _, Result};
use serde::Deserialize;

use super::compare::Difference;

/// A difference that is meant.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Accepted {
    /// The script, or the script and the row; all where it is absent.
    #[serde(default)]
    script: String,
    /// A part of the step's name.
    #[serde(default)]
    step: String,
    /// What the place begins with: `status`, `header NAME`, or a path inside the body.
    place: String,
    /// Why upstream's answer is not ours.
    reason: String,
    #[serde(skip)]
    used: Cell<usize>,
}

impl Accepted {
    fn covers(&self, unit: &str, step: &str, difference: &Difference) -> bool {
        let script = unit.split('/').next() == Some(&self.script) || unit == self.script || self.script.is_empty();
        script && step.contains(&self.step) && difference.place.starts_with(&self.place)
    }
}

/// Reads the list.
///
/// # Errors
/// The file cannot be read, or an entry gives no reason.
pub fn load(path: &Path) -> Result<Vec<Accepted>> {
    let text = std::fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))?;
    let list: Vec<Accepted> = serde_saphyr::from_str(&text).with_context(|| format!("{}", path.display()))?;
    anyhow::ensure!(list.iter().all(|entry| entry.reason.len() > 10), "an accepted difference needs its reason");
    Ok(list)
}

/// Takes out the differences that are meant; how many there were.
pub fn take(list: &[Accepted], unit: &str, step: &str, differences: &mut Vec<Difference>) -> usize {
    let before = differences.len();
    differences.retain(|difference| match list.iter().find(|entry| entry.covers(unit, step, difference)) {
        Some(entry) => {
            entry.used.set(entry.used.get() + 1);
            false
        }
        None => true,
    });
    before - differences.len()
}

/// Entries that covered nothing: their reason is gone.
pub fn unused(list: &[Accepted]) -> impl Iterator<Item = String> {
    list.iter()
        .filter(|entry| entry.used.get() == 0)
        .map(|entry| format!("{} {} {}: {}", entry.script, entry.step, entry.place, entry.reason))
}
