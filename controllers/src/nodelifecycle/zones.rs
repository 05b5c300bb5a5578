//! How fast nodes may be tainted for eviction, by the state of their zone. Pure but for the clock it is given.

use std::collections::HashMap;

use tokio::time::Instant;

use crate::options::Options;

/// All zones there are.
#[derive(Debug, Default)]
pub struct Zones {
    zones: HashMap<String, Zone>,
    all_unreachable: bool,
}

#[derive(Debug)]
struct Zone {
    /// Nodes per second.
    rate: f64,
    /// Nodes that may be tainted now; at most one is saved up.
    tokens: f64,
    at: Instant,
}

/// What an update changed about the whole.
#[derive(Debug, PartialEq, Eq)]
pub enum Change {
    None,
    /// No node of any zone is ready any more: nobody is evicted.
    AllUnreachable,
    SomeReadyAgain,
}

impl Zones {
    /// Takes in zone and readiness of every node.
    pub fn update(&mut self, nodes: impl Iterator<Item = (String, bool)>, options: &Options, now: Instant) -> Change {
        let mut counts: HashMap<String, (usize, usize)> = HashMap::new();
        for (zone, ready) in nodes {
            let (ready_nodes, others) = counts.entry(zone).or_default();
            if ready { *ready_nodes += 1 } else { *others += 1 }
        }
        self.zones.retain(|zone, _| counts.contains_key(zone));
        let all_unreachable = !counts.is_empty() && counts.values().all(|(ready, _)| *ready == 0);
        for (name, (ready, others)) in counts {
            let rate = rate(ready, others, options);
            let zone = self.zones.entry(name).or_insert(Zone { rate, tokens: 1.0, at: now });
            zone.rate = rate;
        }
        let was = std::mem::replace(&mut self.all_unreachable, all_unreachable);
        match (was, all_unreachable) {
            (false, true) => Change::AllUnreachable,
            (true, false) => Change::SomeReadyAgain,
            _ => Change::None,
        }
    }

    pub fn all_unreachable(&self) -> bool {
        self.all_unreachable
    }

    /// Whether one more node of the zone may be tainted now; if so, it counts.
    pub fn allow(&mut self, zone: &str, now: Instant) -> bool {
        let Some(zone) = self.zones.get_mut(zone).filter(|_| !self.all_unreachable) else { return false };
        zone.tokens = (zone.tokens + now.duration_since(zone.at).as_secs_f64() * zone.rate).min(1.0);
        zone.at = now;
        if zone.tokens < 1.0 || zone.rate == 0.0 {
            return false;
        }
        zone.tokens -= 1.0;
        true
    }
}

/// The rate of one zone: reduced where more than two nodes and a large part of it are not ready, and none at all in
/// such a zone that is small.
fn rate(ready: usize, others: usize, options: &Options) -> f64 {
    let size = ready + others;
    let part = others as f64 / size.max(1) as f64;
    let partial = ready > 0 && others > 2 && part >= f64::from(options.unhealthy_zone_threshold);
    match partial {
        false => f64::from(options.node_eviction_rate),
        true if size > options.large_cluster_size_threshold => f64::from(options.secondary_node_eviction_rate),
        true => 0.0,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use clap::Parser;

    use super::*;

    fn nodes(ready: usize, others: usize) -> impl Iterator<Item = (String, bool)> {
        (0..ready + others).map(move |number| ("z".to_string(), number < ready))
    }

    #[test]
    fn rates_by_zone_state() {
        let options = Options::parse_from(["kube-controller-manager"]);
        assert_eq!(rate(9, 1, &options), f64::from(0.1f32));
        assert_eq!(rate(3, 6, &options), 0.0);
        assert_eq!(rate(30, 60, &options), f64::from(0.01f32));
        assert_eq!(rate(1, 2, &options), f64::from(0.1f32));
    }

    #[test]
    fn one_node_at_a_time_and_none_when_all_are_gone() {
        let options = Options::parse_from(["kube-controller-manager"]);
        let start = Instant::now();
        let mut zones = Zones::default();
        assert_eq!(zones.update(nodes(8, 2), &options, start), Change::None);
        assert!(zones.allow("z", start));
        assert!(!zones.allow("z", start + Duration::from_secs(5)));
        assert!(zones.allow("z", start + Duration::from_secs(11)));
        assert_eq!(zones.update(nodes(0, 10), &options, start), Change::AllUnreachable);
        assert!(!zones.allow("z", start + Duration::from_secs(100)));
        assert_eq!(zones.update(nodes(1, 9), &options, start), Change::SomeReadyAgain);
    }
}
