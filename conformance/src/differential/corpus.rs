//! All scripts of a directory, run against one server or two, several at a time.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::{Context as _, Result, bail};

use super::accepted::{self, Accepted};
use super::compare;
use super::kubeconfig::Server;
use super::recording::{self, Recording};
use super::run::{Answer, run};
use super::script::{self, Unit};

/// How many units run at a time.
const WORKERS: usize = 6;

/// Where the project keeps scripts, recordings and the list of accepted differences.
#[derive(Clone, Debug)]
pub struct Corpus {
    pub directory: PathBuf,
    /// Only units whose names begin so; all when empty.
    pub only: Vec<String>,
}

/// What a comparison came to.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tally {
    pub answers: usize,
    pub differ: usize,
    /// Differences that the list accepts.
    pub accepted: usize,
    /// Of the answers that differ, those of which `open.txt` says so.
    pub open: usize,
}

/// The answers that are known to differ and shall not: one `UNIT: STEP` a line.
const OPEN: &str = "open.txt";

/// The answers of units, by their names.
type Answers = BTreeMap<String, Vec<Answer>>;

impl Corpus {
    /// Compares two servers.
    ///
    /// # Errors
    /// A script makes no sense, or a server cannot be reached.
    pub fn compare(&self, left: &Server, right: &Server) -> Result<Tally> {
        let units = self.units()?;
        let left = answers(&units, left)?;
        let right = answers(&units, right)?;
        self.judge(&left, &right)
    }

    /// Writes what a server answers as what is expected. Everything is run twice: what differs is no expectation.
    ///
    /// # Errors
    /// As for [`Corpus::compare`], and the server answers differently each time, or a file cannot be written.
    pub fn record(&self, server: &Server) -> Result<usize> {
        let units = self.units()?;
        let first = answers(&units, server)?;
        let second = answers(&units, server)?;
        let (tally, _) = Judge::default().compare(&first, &second);
        if tally.differ > 0 {
            bail!("{} answers are not the same each time: see above; nothing was recorded", tally.differ);
        }
        let directory = self.directory.join("expected");
        std::fs::create_dir_all(&directory)?;
        let mut files: BTreeMap<String, Recording> = BTreeMap::new();
        for (unit, answers) in first {
            files.entry(script_of(&unit).to_owned()).or_default().insert(unit, answers);
        }
        for (script, mut recording) in files {
            let path = directory.join(format!("{script}.json"));
            if !self.only.is_empty() && path.exists() {
                // The other rows stay as they were recorded.
                let mut all = recording::read(&path)?;
                all.append(&mut recording);
                recording = all;
            }
            recording::write(&path, &recording)?;
        }
        Ok(tally.answers)
    }

    /// Compares what was recorded with what a server answers. `settle` writes what differs as what is known to.
    ///
    /// # Errors
    /// As for [`Corpus::compare`], and a script was never recorded.
    pub fn check(&self, server: &Server, settle: bool) -> Result<Tally> {
        let units = self.units()?;
        let mut expected = Answers::new();
        for path in script::files(&self.directory.join("scripts"))? {
            let stem = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
            if !units.iter().any(|unit| script_of(&unit.name) == stem) {
                continue;
            }
            let path = self.directory.join("expected").join(format!("{stem}.json"));
            let recording = recording::read(&path).with_context(|| format!("record {stem} first"))?;
            expected.extend(recording.into_iter().filter(|(name, _)| units.iter().any(|unit| &unit.name == name)));
        }
        let found = answers(&units, server)?.into_iter();
        let found =
            found.map(|(unit, answers)| (unit, answers.into_iter().map(recording::reduced).collect())).collect();
        let list = accepted::load(&self.directory.join("accepted.yaml"))?;
        let path = self.directory.join(OPEN);
        let text = std::fs::read_to_string(&path).unwrap_or_default();
        let mut open: BTreeSet<String> = text.lines().map(str::to_owned).collect();
        let differing = BTreeSet::new();
        let judge = Judge { accepted: &list, known: if settle { BTreeSet::new() } else { open.clone() }, differing };
        let (tally, differing) = judge.compare(&expected, &found);
        let ran = |line: &str| expected.keys().any(|unit| line.starts_with(&format!("{unit}: ")));
        let fixed: Vec<String> = open.iter().filter(|line| ran(line) && !differing.contains(*line)).cloned().collect();
        if settle {
            open.retain(|line| !ran(line));
            open.extend(differing);
            let lines: String = open.iter().map(|line| format!("{line}\n")).collect();
            std::fs::write(&path, lines).with_context(|| format!("writing {}", path.display()))?;
        } else {
            fixed.iter().for_each(|line| println!("no longer differs, take it out of {OPEN}: {line}"));
        }
        Ok(tally)
    }

    fn units(&self) -> Result<Vec<Unit>> {
        let mut units = Vec::new();
        for path in script::files(&self.directory.join("scripts"))? {
            units.extend(script::load(&path)?);
        }
        let wanted = |unit: &Unit| self.only.is_empty() || self.only.iter().any(|only| unit.name.starts_with(only));
        units.retain(wanted);
        anyhow::ensure!(!units.is_empty(), "no such script");
        Ok(units)
    }

    fn judge(&self, left: &Answers, right: &Answers) -> Result<Tally> {
        let list = accepted::load(&self.directory.join("accepted.yaml"))?;
        let (tally, _) = Judge { accepted: &list, ..Judge::default() }.compare(left, right);
        if self.only.is_empty() {
            for entry in accepted::unused(&list) {
                println!("accepted, but no longer a difference: {entry}");
            }
        }
        Ok(tally)
    }
}

fn script_of(unit: &str) -> &str {
    unit.split('/').next().unwrap_or(unit)
}

/// Compares answers and prints the differences that are news.
#[derive(Default)]
struct Judge<'a> {
    accepted: &'a [Accepted],
    /// Answers known to differ.
    known: BTreeSet<String>,
    /// Answers found to differ.
    differing: BTreeSet<String>,
}

impl Judge<'_> {
    fn compare(mut self, left: &Answers, right: &Answers) -> (Tally, BTreeSet<String>) {
        let mut tally = Tally::default();
        let none = Vec::new();
        for (unit, left) in left {
            let right = right.get(unit).unwrap_or(&none);
            if left.len() != right.len() || left.iter().zip(right).any(|(left, right)| left.step != right.step) {
                println!("## {unit}: its steps are not those that were recorded; record it again");
                tally.differ += 1;
                continue;
            }
            for (left, right) in left.iter().zip(right) {
                self.one(unit, left, right, &mut tally);
            }
        }
        (tally, self.differing)
    }

    fn one(&mut self, unit: &str, left: &Answer, right: &Answer, tally: &mut Tally) {
        tally.answers += 1;
        let mut differences = compare::answers(left, right);
        tally.accepted += accepted::take(self.accepted, unit, &left.step, &mut differences);
        if differences.is_empty() {
            return;
        }
        tally.differ += 1;
        let name = format!("{unit}: {}", left.step);
        if self.known.contains(&name) {
            tally.open += 1;
        } else {
            println!("## {name}");
            differences.iter().for_each(|difference| println!("    {difference}"));
        }
        self.differing.insert(name);
    }
}

/// Runs all units, several at a time.
fn answers(units: &[Unit], server: &Server) -> Result<Answers> {
    let next = AtomicUsize::new(0);
    let done = Mutex::new(Vec::new());
    let moment = jiff::Timestamp::now().as_millisecond();
    std::thread::scope(|scope| {
        for _ in 0..WORKERS.min(units.len()) {
            scope.spawn(|| {
                while let Some(unit) = units.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let tag = format!("{:05x}", moment & 0xf_ffff);
                    let result = run(unit, server, &tag);
                    let Ok(mut done) = done.lock() else { return };
                    done.push((unit.name.clone(), result));
                }
            });
        }
    });
    let done = done.into_inner().unwrap_or_default();
    anyhow::ensure!(done.len() == units.len(), "a worker stopped");
    done.into_iter()
        .map(|(name, result)| Ok((name.clone(), result.with_context(|| format!("script {name}"))?)))
        .collect()
}
