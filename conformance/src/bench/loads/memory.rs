//! Memory of the server: idle, and with all objects after lists of them.

use std::time::Duration;

use super::super::process::memory;
use super::super::{Goal, Load, Row};

/// What was freed takes a while to go back to the kernel.
const SETTLE: Duration = Duration::from_secs(12);

pub const IDLE: Load = Load {
    name: "idle",
    rows: &[
        Row { name: "memory, idle", unit: "MB", goal: Goal::AtMost(30.0) },
        Row { name: "of it not of the executable", unit: "MB", goal: Goal::None },
    ],
    objects: false,
    once: true,
    run: |setting| {
        Box::pin(async move {
            tokio::time::sleep(SETTLE).await;
            let memory = memory(setting.subject.pid())?;
            Ok(vec![Some(memory.resident), Some(memory.anonymous)])
        })
    },
};

pub const FULL: Load = Load {
    name: "memory",
    rows: &[
        Row { name: "memory, peak of creating and listing all objects", unit: "MB", goal: Goal::AtMost(120.0) },
        Row { name: "memory, after that", unit: "MB", goal: Goal::AtMost(120.0) },
    ],
    objects: true,
    once: true,
    run: |setting| {
        Box::pin(async move {
            tokio::time::sleep(SETTLE).await;
            let memory = memory(setting.subject.pid())?;
            Ok(vec![Some(memory.peak), Some(memory.resident)])
        })
    },
};
