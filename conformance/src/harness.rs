//! Runs steps one after the other, each in a namespace of its own, and counts.

use std::fmt;
use std::time::Instant;

use anyhow::Result;

use crate::context::Context;

/// One thing that a cluster must do.
pub struct Step {
    /// Names it on the command line and in its namespace: lower case, digits and dashes.
    pub name: &'static str,
    pub run: fn(&Context) -> Result<()>,
}

/// The error of a step that cannot run here, with the reason.
#[derive(Debug)]
pub struct Skipped(pub String);

impl fmt::Display for Skipped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Skipped {}

/// Ends a step as skipped.
pub fn skip<T>(reason: impl Into<String>) -> Result<T> {
    Err(Skipped(reason.into()).into())
}

/// How many steps ended in which way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    pub passed: usize,
    pub failed: usize,
    pub skipped: usize,
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} passed, {} failed, {} skipped", self.passed, self.failed, self.skipped)
    }
}

/// Runs the steps that `wanted` names, all where it is empty. A name stands for itself and for all that begin with it.
pub fn run(steps: &[Step], wanted: &[String], base: &Context) -> Tally {
    let mut tally = Tally::default();
    for step in steps {
        if !wanted.is_empty() && !wanted.iter().any(|name| step.name.starts_with(name.as_str())) {
            continue;
        }
        let started = Instant::now();
        let outcome = run_one(step, base);
        let took = started.elapsed().as_secs_f32();
        match outcome {
            Ok(()) => {
                tally.passed += 1;
                println!("passed  {} ({took:.1} s)", step.name);
            }
            Err(error) if error.is::<Skipped>() => {
                tally.skipped += 1;
                println!("skipped {}: {error:#}", step.name);
            }
            Err(error) => {
                tally.failed += 1;
                println!("FAILED  {} ({took:.1} s): {error:#}", step.name);
            }
        }
    }
    tally
}

fn run_one(step: &Step, base: &Context) -> Result<()> {
    let context = base.in_namespace(&format!("acc-{}", step.name));
    let outcome = context.make_namespace().and_then(|()| (step.run)(&context));
    if outcome.as_ref().is_err_and(|error| !error.is::<Skipped>()) {
        context.show();
    }
    context.remove_namespace();
    outcome
}
