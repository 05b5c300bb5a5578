//! Levels, versions and modes: which standard a namespace asks for.
//!
//! Source: `staging/src/k8s.io/pod-security-admission/api`.

use std::fmt;

use serde_json::Value;

use super::checks::{CHECKS, Check, NEWEST, Violation};
use crate::field::{ErrorList, Path};

/// How strict, from nothing to everything.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    Privileged,
    Baseline,
    Restricted,
}

/// The minor version whose standard is meant; absent for the latest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Version(pub Option<u32>);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LevelVersion {
    pub level: Level,
    pub version: Version,
}

/// What is enforced, what is noted in the audit log, what is warned of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    pub enforce: LevelVersion,
    pub audit: LevelVersion,
    pub warn: LevelVersion,
}

pub const PREFIX: &str = "pod-security.kubernetes.io/";

impl Level {
    pub fn parse(text: &str) -> Result<Level, &'static str> {
        match text {
            "privileged" => Ok(Level::Privileged),
            "baseline" => Ok(Level::Baseline),
            "restricted" => Ok(Level::Restricted),
            _ => Err("must be one of privileged, baseline, restricted"),
        }
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Level::Privileged => "privileged",
            Level::Baseline => "baseline",
            Level::Restricted => "restricted",
        })
    }
}

impl Version {
    pub fn parse(text: &str) -> Result<Version, &'static str> {
        if text == "latest" {
            return Ok(Version(None));
        }
        let minor = text.strip_prefix("v1.").filter(|minor| {
            minor.bytes().all(|byte| byte.is_ascii_digit()) && (minor.len() == 1 || !minor.starts_with('0'))
        });
        let minor = minor.and_then(|minor| minor.parse().ok());
        minor.map(|minor| Version(Some(minor))).ok_or("must be \"latest\" or \"v1.x\"")
    }
}

impl fmt::Display for LevelVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.version.0 {
            Some(minor) => write!(f, "{}:v1.{minor}", self.level),
            None => write!(f, "{}:latest", self.level),
        }
    }
}

impl LevelVersion {
    /// What of the standard a pod violates.
    pub fn evaluate(self, metadata: &Value, spec: &Value) -> Vec<Violation> {
        let version = self.version.0.unwrap_or(NEWEST).min(NEWEST);
        let form = |check: &Check| check.since.iter().rev().find(|(since, _)| *since <= version).map(|(_, form)| *form);
        let overridden = |id: &str| {
            self.level == Level::Restricted && CHECKS.iter().any(|check| check.overrides == id && form(check).is_some())
        };
        CHECKS
            .iter()
            .filter(|check| match self.level {
                Level::Privileged => false,
                Level::Baseline => !check.restricted,
                Level::Restricted => !overridden(check.id),
            })
            .filter_map(form)
            .filter_map(|check| check(metadata, spec))
            .collect()
    }

    fn is_same(self, other: LevelVersion) -> bool {
        self == other || self.level == Level::Privileged && other.level == Level::Privileged
    }
}

impl Policy {
    pub fn is_fully_privileged(&self) -> bool {
        [self.enforce, self.audit, self.warn].iter().all(|mode| mode.level == Level::Privileged)
    }

    pub fn is_same(&self, other: &Policy) -> bool {
        self.enforce.is_same(other.enforce) && self.audit.is_same(other.audit) && self.warn.is_same(other.warn)
    }

    /// The policy that labels ask for, over the defaults, and what is wrong with the labels.
    pub fn of_labels(labels: &Value, defaults: Policy) -> (Policy, ErrorList) {
        let mut policy = defaults;
        let mut errors = ErrorList::default();
        let metadata = Path::new("metadata");
        let path = metadata.child("labels");
        let label = |name: &str| labels[format!("{PREFIX}{name}")].as_str();
        let mut refuse = |name: &str, value: &str, why: &str| {
            errors.invalid_str(&path.key(&format!("{PREFIX}{name}")), value, why);
        };
        let mut enforces = false;
        let (mut warns, mut warns_version) = (false, false);
        let modes = [
            ("enforce", "enforce-version", &mut policy.enforce),
            ("audit", "audit-version", &mut policy.audit),
            ("warn", "warn-version", &mut policy.warn),
        ];
        for (name, version_name, mode) in modes {
            if let Some(text) = label(name) {
                warns |= name == "warn";
                match Level::parse(text) {
                    Ok(level) => {
                        mode.level = level;
                        enforces |= name == "enforce";
                    }
                    Err(why) => {
                        // What cannot be understood is enforced fully, and neither noted nor warned of.
                        mode.level = if name == "enforce" { Level::Restricted } else { Level::Privileged };
                        refuse(name, text, why);
                    }
                }
            }
            if let Some(text) = label(version_name) {
                warns_version |= name == "warn";
                mode.version = Version::parse(text).unwrap_or_else(|why| {
                    refuse(version_name, text, why);
                    Version(None)
                });
            }
        }
        // Who is refused pods is at least warned of the templates that make them.
        if !warns && enforces && policy.enforce.level > policy.warn.level {
            policy.warn.level = policy.enforce.level;
            if !warns_version {
                policy.warn.version = policy.enforce.version;
            }
        }
        (policy, errors)
    }
}
