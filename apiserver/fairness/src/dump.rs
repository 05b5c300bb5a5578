//! What operators may look at: levels, queues and requests as tables.
//!
//! Source: apiserver `pkg/util/flowcontrol/apf_controller_debug.go`.

use std::time::Duration;

use crate::fairness::Fairness;
use crate::level::Level;
use crate::queue_set::Key;

/// What a dump tells of a request, besides its work.
#[derive(Clone, Debug, Default)]
pub struct Details {
    pub user: String,
    pub verb: &'static str,
    pub path: String,
    pub namespace: String,
    pub name: String,
    pub api_version: String,
    pub resource: String,
    pub subresource: String,
}

impl Fairness {
    /// A row for each level.
    pub fn dump_priority_levels(&self) -> String {
        let mut rows = vec![headers(&[
            "PriorityLevelName",
            "ActiveQueues",
            "IsIdle",
            "IsQuiescing",
            "WaitingRequests",
            "ExecutingRequests",
            "DispatchedRequests",
            "RejectedRequests",
            "TimedoutRequests",
            "CancelledRequests",
        ])];
        for level in self.levels() {
            let set = level.set();
            let (usage, totals) = (set.usage(), set.totals());
            let active = set.dump().0.iter().filter(|queue| !queue.waiting.is_empty()).count();
            rows.push(vec![
                level.name.clone(),
                active.to_string(),
                set.is_idle().to_string(),
                level.is_quiescing().to_string(),
                usage.waiting.to_string(),
                usage.executing.to_string(),
                totals.dispatched.to_string(),
                totals.refused.to_string(),
                // Upstream counts those under cancelled.
                "0".to_owned(),
                totals.cancelled.to_string(),
            ]);
        }
        table(&rows)
    }

    /// A row for each queue.
    pub fn dump_queues(&self) -> String {
        let mut rows = vec![headers(&[
            "PriorityLevelName",
            "Index",
            "PendingRequests",
            "ExecutingRequests",
            "SeatsInUse",
            "NextDispatchR",
            "InitialSeatsSum",
            "MaxSeatsSum",
            "TotalWorkSum",
        ])];
        for level in self.levels() {
            for (index, queue) in level.set().dump().0.into_iter().enumerate() {
                rows.push(vec![
                    level.name.clone(),
                    index.to_string(),
                    queue.waiting.len().to_string(),
                    queue.executing.len().to_string(),
                    queue.seats_in_use.to_string(),
                    queue.next_dispatch_r,
                    queue.initial_seats.to_string(),
                    queue.max_seats.to_string(),
                    queue.work,
                ]);
            }
        }
        table(&rows)
    }

    /// A row for each request that waits or executes.
    pub fn dump_requests(&self, with_details: bool) -> String {
        let mut columns = vec![
            "PriorityLevelName",
            "FlowSchemaName",
            "QueueIndex",
            "RequestIndexInQueue",
            "FlowDistingsher",
            "ArriveTime",
            "InitialSeats",
            "FinalSeats",
            "AdditionalLatency",
            "StartTime",
        ];
        if with_details {
            columns.extend([
                "UserName",
                "Verb",
                "APIPath",
                "Namespace",
                "Name",
                "APIVersion",
                "Resource",
                "SubResource",
            ]);
        }
        let mut rows = vec![headers(&columns)];
        for level in self.levels() {
            let (queues, without) = level.set().dump();
            for (index, queue) in queues.into_iter().enumerate() {
                for (at, key) in queue.waiting.into_iter().enumerate() {
                    rows.extend(self.request(&level, key, index as i64, at as i64, with_details));
                }
                for key in queue.executing {
                    rows.extend(self.request(&level, key, index as i64, -1, with_details));
                }
            }
            for key in without {
                rows.extend(self.request(&level, key, -1, -1, with_details));
            }
        }
        table(&rows)
    }

    /// The row of a request, unless it is gone meanwhile.
    fn request(&self, level: &Level, key: Key, queue: i64, at: i64, with_details: bool) -> Option<Vec<String>> {
        let mut set = level.set();
        let (estimate, arrived, began) = set.times(key)?;
        let payload = set.payload(key)?;
        let mut row = vec![
            level.name.clone(),
            payload.schema.clone(),
            queue.to_string(),
            at.to_string(),
            payload.distinguisher.clone(),
            self.time(arrived),
            estimate.initial_seats.to_string(),
            estimate.final_seats.to_string(),
            go_duration(estimate.additional),
            // Go's zero time.
            began.map_or("0001-01-01T00:00:00Z".to_owned(), |began| self.time(began)),
        ];
        if with_details {
            let details = payload.details.clone();
            row.extend([
                details.user,
                details.verb.to_owned(),
                details.path,
                details.namespace,
                details.name,
                details.api_version,
                details.resource,
                details.subresource,
            ]);
        }
        Some(row)
    }
}

fn headers(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

/// Rows whose columns stand under each other, as Go's tabwriter sets them with upstream's settings.
fn table(rows: &[Vec<String>]) -> String {
    let columns = rows.first().map_or(0, Vec::len);
    // Each cell but the last ends in a comma.
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count() + 2).max().unwrap_or(0).max(8);
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let mut out = String::new();
    for row in rows {
        for (column, cell) in row.iter().enumerate() {
            out.push_str(cell);
            if column + 1 < columns {
                out.push(',');
                out.extend(std::iter::repeat_n(' ', widths[column] - cell.chars().count() - 1));
            }
        }
        out.push('\n');
    }
    out
}

/// A duration as Go writes those that occur here.
fn go_duration(duration: Duration) -> String {
    match duration.as_nanos() {
        0 => "0s".to_owned(),
        nanos if nanos < 1_000 => format!("{nanos}ns"),
        nanos if nanos < 1_000_000 => format!("{}µs", nanos as f64 / 1e3),
        nanos if nanos < 1_000_000_000 => format!("{}ms", nanos as f64 / 1e6),
        nanos => format!("{}s", nanos as f64 / 1e9),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_stand_under_each_other() {
        let rows = [headers(&["Name", "Seats", "Last"]), headers(&["global-default", "1", "x"])];
        assert_eq!(table(&rows), "Name,           Seats,  Last\nglobal-default, 1,      x\n");
    }

    #[test]
    fn durations_are_gos() {
        assert_eq!(go_duration(Duration::ZERO), "0s");
        assert_eq!(go_duration(Duration::from_micros(12_500)), "12.5ms");
    }
}
