//! The bound on how many updaters an object remembers.

use crate::managed_fields::{Managed, Manager, Operation};

/// How many entries of updates are kept apart.
const MAX_UPDATERS: usize = 10;

/// The manager that the oldest updates are merged into, per version.
const OLD_UPDATES: &str = "ancient-changes";

/// Merges the oldest updaters of a version into one until there are at most [`MAX_UPDATERS`].
pub(super) fn cap_updaters(managed: &mut Managed) {
    let mut updaters: Vec<(Option<String>, String, Manager)> = managed
        .entries
        .iter()
        .filter(|entry| entry.manager.operation == Operation::Update)
        .map(|entry| (entry.time.clone(), entry.manager.identifier(), entry.manager.clone()))
        .collect();
    let mut count = updaters.len();
    if count <= MAX_UPDATERS {
        return;
    }
    updaters.sort_by(|left, right| (&left.0, &left.1).cmp(&(&right.0, &right.1)));
    let mut first_of_version: Vec<(String, Manager)> = Vec::new();
    for (_, _, manager) in updaters {
        if count <= MAX_UPDATERS {
            return;
        }
        let Some(entry) = managed.get(&manager).cloned() else { continue };
        let version = entry.api_version.clone();
        let Some((_, first)) = first_of_version.iter().find(|(seen, _)| *seen == version) else {
            first_of_version.push((version, manager));
            continue;
        };
        let bucket = Manager::new(OLD_UPDATES, Operation::Update, &version, "");
        if managed.get(&bucket).is_none()
            && let Some(first) = managed.get_mut(first)
        {
            first.manager = bucket.clone();
        }
        if manager == bucket {
            continue;
        }
        if let Some(bucket) = managed.get_mut(&bucket) {
            bucket.set_mut().unite(entry.set);
            // The later of the two.
            bucket.time = entry.time;
            managed.remove(&manager);
            count -= 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::managed_fields::{Entry, FieldSet};

    #[test]
    fn the_oldest_are_merged() {
        let mut managed = Managed::default();
        for at in 0..12 {
            let name = format!("m{at:02}");
            let manager = Manager::new(&name, Operation::Update, "v1", "");
            let mut entry = Entry::new(manager, "v1", FieldSet::of_fields(&[&[name.as_str()]]));
            entry.time = Some(format!("2026-01-01T00:00:{at:02}Z"));
            managed.put(entry);
        }
        cap_updaters(&mut managed);
        assert_eq!(managed.entries.len(), 10);
        let bucket = managed.get(&Manager::new("ancient-changes", Operation::Update, "v1", "")).expect("a bucket");
        assert_eq!(bucket.set, FieldSet::of_fields(&[&["m00"], &["m01"], &["m02"]]));
        assert_eq!(bucket.time.as_deref(), Some("2026-01-01T00:00:02Z"));
        assert!(managed.get(&Manager::new("m03", Operation::Update, "v1", "")).is_some());
    }

    #[test]
    fn versions_have_buckets_of_their_own() {
        let mut managed = Managed::default();
        for at in 0..11 {
            let version = if at == 0 { "v1beta1" } else { "v1" };
            let manager = Manager::new(&format!("m{at:02}"), Operation::Update, version, "");
            managed.put(Entry::new(manager, version, FieldSet::of_fields(&[&["x"]])));
        }
        cap_updaters(&mut managed);
        assert!(managed.get(&Manager::new("m00", Operation::Update, "v1beta1", "")).is_some());
        assert!(managed.get(&Manager::new("ancient-changes", Operation::Update, "v1", "")).is_some());
        assert_eq!(managed.entries.len(), 10);
    }
}
