//! From the start of the process on an empty etcd to the first positive /readyz.

use super::super::subject::Subject;
use super::super::{Goal, Load, Row};

pub const LOAD: Load = Load {
    name: "startup",
    rows: &[Row { name: "ready", unit: "s", goal: Goal::AtMost(0.1) }],
    objects: false,
    once: false,
    run: |setting| {
        Box::pin(async move {
            let directory = setting.subject.directory.join(format!("startup-{}", setting.round));
            let fresh = Subject::start(&setting.subject.program, &directory).await?;
            let seconds = fresh.ready_after.as_secs_f64();
            fresh.stop().await;
            std::fs::remove_dir_all(&directory)?;
            Ok(vec![Some(seconds)])
        })
    },
};
