//! Events that are too large: first without what was asked and answered, then not at all.
//!
//! Source: apiserver `plugin/pkg/audit/truncate`.

use bytes::Bytes;

use crate::event::Event;
use crate::policy::Level;

/// The limits of `--audit-*-truncate-*`.
#[derive(Clone, Copy, Debug)]
pub struct Truncation {
    pub enabled: bool,
    /// Bytes of one event.
    pub max_event_size: usize,
}

impl Truncation {
    /// The event in a size that is allowed; none if there is none. `line` is the event's JSON.
    pub fn fitting(self, event: &Event, line: &Bytes) -> Option<(Event, Bytes)> {
        let is_small = |line: &Bytes| line.len() <= self.max_event_size;
        if is_small(line) {
            return Some((event.clone(), line.clone()));
        }
        if event.level < Level::Request {
            return None;
        }
        let mut event = Event { request_object: None, response_object: None, ..event.clone() };
        event.annotations.insert("audit.k8s.io/truncated".to_owned(), "true".to_owned());
        let line = event.json();
        is_small(&line).then_some((event, line))
    }

    /// Whether an event must be made smaller.
    pub fn applies(self, line: &Bytes) -> bool {
        self.enabled && line.len() > self.max_event_size
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::tests::event;

    #[test]
    fn large_events_lose_their_objects_and_then_themselves() {
        let event = Event { level: Level::RequestResponse, ..event() };
        let line = event.json();
        let limit = |max_event_size| Truncation { enabled: true, max_event_size };
        assert!(!limit(line.len()).applies(&line));
        assert!(limit(line.len() - 1).applies(&line));
        let large = format!("{:?}", "x".repeat(500));
        let object = serde_json::value::RawValue::from_string(large).unwrap();
        let large = Event { response_object: Some(object), ..event.clone() };
        let (smaller, text) = limit(900).fitting(&large, &large.json()).unwrap();
        assert!(smaller.response_object.is_none() && text.len() <= 900);
        assert_eq!(smaller.annotations["audit.k8s.io/truncated"], "true");
        assert!(limit(100).fitting(&event, &line).is_none());
        assert!(limit(100).fitting(&Event { level: Level::Metadata, ..event }, &line).is_none());
    }
}
