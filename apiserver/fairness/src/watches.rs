//! Who watches what: a change is more work, the more hear of it.
//!
//! Source: apiserver `pkg/util/flowcontrol/watch_tracker.go`.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;

/// Group, resource, namespace and name; the last two may be empty.
type Place = (String, String, String, String);

/// All open watches.
#[derive(Clone, Default)]
pub struct Watches(Arc<Mutex<HashMap<Place, usize>>>);

/// A watch, counted until it is dropped.
pub struct Interest {
    watches: Watches,
    place: Place,
}

impl Watches {
    /// Counts a watch.
    pub fn register(&self, group: &str, resource: &str, namespace: &str, name: &str) -> Interest {
        let place = (group.to_owned(), resource.to_owned(), namespace.to_owned(), name.to_owned());
        *self.0.lock().entry(place.clone()).or_default() += 1;
        Interest { watches: self.clone(), place }
    }

    /// How many watches a change may concern.
    pub fn interested(&self, group: &str, resource: &str, namespace: &str, name: &str) -> usize {
        let counts = self.0.lock();
        if counts.is_empty() {
            return 0;
        }
        let mut place = (group.to_owned(), resource.to_owned(), String::new(), String::new());
        let mut found = counts.get(&place).copied().unwrap_or_default();
        if !namespace.is_empty() {
            namespace.clone_into(&mut place.2);
            found += counts.get(&place).copied().unwrap_or_default();
        }
        if !name.is_empty() {
            name.clone_into(&mut place.3);
            found += counts.get(&place).copied().unwrap_or_default();
        }
        found
    }
}

impl Drop for Interest {
    fn drop(&mut self) {
        let mut counts = self.watches.0.lock();
        if let Some(count) = counts.get_mut(&self.place) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.place);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn watches_count_where_they_look() {
        let watches = Watches::default();
        let everywhere = watches.register("", "pods", "", "");
        let inside = watches.register("", "pods", "a", "");
        let one = watches.register("", "pods", "a", "x");
        assert_eq!(watches.interested("", "pods", "a", "x"), 3);
        assert_eq!(watches.interested("", "pods", "a", "y"), 2);
        assert_eq!(watches.interested("", "pods", "b", "x"), 1);
        assert_eq!(watches.interested("apps", "pods", "a", "x"), 0);
        drop((everywhere, inside, one));
        assert!(watches.0.lock().is_empty());
    }
}
