//! PrioritySort: pods of higher priority first, then those that wait longest.

use std::{cmp::Reverse, time::Duration};

use super::{NOTHING, Plugin};
use crate::{
    framework::{QueueSort, SortKey},
    pod::PodInfo,
};

pub const PLUGIN: Plugin = Plugin { name: "PrioritySort", queue_sort: Some(SORT), ..NOTHING };

/// What the one queue of all profiles is sorted by.
pub static SORT: &dyn QueueSort = &PrioritySort;

struct PrioritySort;

impl QueueSort for PrioritySort {
    fn key(&self, pod: &PodInfo, queued_at: Duration, sequence: u64) -> SortKey {
        SortKey { priority: Reverse(pod.priority), queued_at, sequence }
    }
}
