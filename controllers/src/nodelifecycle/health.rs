//! Whether a node is silent: by when this process last saw its status or lease change.

use jiff::Timestamp;
use k8s_openapi::{
    api::{
        coordination::v1::Lease,
        core::v1::{Node, NodeCondition},
    },
    apimachinery::pkg::apis::meta::v1::{MicroTime, Time},
};
use tokio::time::Instant;

use super::ready;
use crate::options::Options;

/// The conditions a kubelet reports, which nobody knows when it is silent.
const REPORTED: [&str; 4] = ["Ready", "MemoryPressure", "DiskPressure", "PIDPressure"];

/// What was last seen of a node.
#[derive(Debug)]
pub struct Health {
    heartbeat: Option<Time>,
    renewal: Option<MicroTime>,
    at: Instant,
}

impl Health {
    pub fn new(node: &Node, now: Instant) -> Self {
        Health { heartbeat: heartbeat(node), renewal: None, at: now }
    }

    /// Takes in the newest state; whether the node has been silent for too long.
    pub fn observe(&mut self, node: &Node, lease: Option<&Lease>, options: &Options, now: Instant) -> bool {
        let heartbeat = heartbeat(node);
        if heartbeat != self.heartbeat {
            self.heartbeat = heartbeat;
            self.at = now;
        }
        let renewal = lease.and_then(|lease| lease.spec.as_ref()?.renew_time.clone());
        let newer = match (&renewal, &self.renewal) {
            (Some(new), Some(old)) => new.0 > old.0,
            (Some(_), None) => true,
            (None, _) => false,
        };
        if newer {
            self.renewal = renewal;
            self.at = now;
        }
        let grace = match ready(node) {
            Some(_) => options.node_monitor_grace_period,
            None => options.node_startup_grace_period,
        };
        now.duration_since(self.at) > grace
    }

    /// Starts the grace period anew.
    pub fn restart(&mut self, now: Instant) {
        self.at = now;
    }
}

fn heartbeat(node: &Node) -> Option<Time> {
    ready(node)?.last_heartbeat_time.clone()
}

/// The conditions that have to be set to Unknown for a silent node.
pub fn unknown(node: &Node, now: Timestamp) -> Vec<NodeCondition> {
    let conditions: Vec<NodeCondition> =
        node.status.iter().flat_map(|status| status.conditions.clone()).flatten().collect();
    let mut changed = Vec::new();
    for type_ in REPORTED {
        match conditions.iter().find(|condition| condition.type_ == type_) {
            Some(condition) if condition.status == "Unknown" => {}
            Some(condition) => changed.push(NodeCondition {
                status: "Unknown".to_string(),
                reason: Some("NodeStatusUnknown".to_string()),
                message: Some("Kubelet stopped posting node status.".to_string()),
                last_transition_time: Some(Time(now)),
                ..condition.clone()
            }),
            None => changed.push(NodeCondition {
                type_: type_.to_string(),
                status: "Unknown".to_string(),
                reason: Some("NodeStatusNeverUpdated".to_string()),
                message: Some("Kubelet never posted node status.".to_string()),
                last_heartbeat_time: node.metadata.creation_timestamp.clone(),
                last_transition_time: Some(Time(now)),
            }),
        }
    }
    changed
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use clap::Parser;
    use k8s_openapi::api::{coordination::v1::LeaseSpec, core::v1::NodeStatus};

    use super::*;

    fn node(heartbeat: i64) -> Node {
        let condition = NodeCondition {
            type_: "Ready".into(),
            status: "True".into(),
            last_heartbeat_time: Some(Time(Timestamp::from_second(heartbeat).unwrap())),
            ..NodeCondition::default()
        };
        Node {
            status: Some(NodeStatus { conditions: Some(vec![condition]), ..NodeStatus::default() }),
            ..Node::default()
        }
    }

    fn lease(renewed: i64) -> Lease {
        let renew_time = Some(MicroTime(Timestamp::from_second(renewed).unwrap()));
        Lease { spec: Some(LeaseSpec { renew_time, ..LeaseSpec::default() }), ..Lease::default() }
    }

    #[test]
    fn status_and_lease_keep_a_node_alive() {
        let options = Options::parse_from(["kube-controller-manager"]);
        let start = Instant::now();
        let after = |seconds| start + Duration::from_secs(seconds);
        let mut health = Health::new(&node(1), start);
        assert!(!health.observe(&node(1), None, &options, after(49)));
        assert!(health.observe(&node(1), None, &options, after(51)));
        assert!(!health.observe(&node(2), None, &options, after(52)));
        assert!(!health.observe(&node(2), Some(&lease(1)), &options, after(90)));
        assert!(!health.observe(&node(2), Some(&lease(1)), &options, after(139)));
        assert!(health.observe(&node(2), Some(&lease(1)), &options, after(141)));
        health.restart(after(142));
        assert!(!health.observe(&node(2), Some(&lease(1)), &options, after(150)));
    }

    #[test]
    fn a_silent_node_is_unknown_once() {
        let conditions = unknown(&node(1), Timestamp::UNIX_EPOCH);
        assert_eq!(conditions.len(), 4);
        assert_eq!(conditions[0].reason.as_deref(), Some("NodeStatusUnknown"));
        assert_eq!(conditions[1].message.as_deref(), Some("Kubelet never posted node status."));
        let mut node = node(1);
        node.status.get_or_insert_default().conditions = Some(conditions);
        assert!(unknown(&node, Timestamp::UNIX_EPOCH).is_empty());
    }
}
