//! NodePorts: the host ports a pod asks for must be free.

use super::{CycleState, NOTHING, Plugin};
use crate::{
    framework::{ClusterEvent, Context, Filter, PreFilter, PreFilterResult, QueueingHint, Rejection},
    node::NodeInfo,
    pod::{HostPort, PodInfo},
};

pub const PLUGIN: Plugin = Plugin {
    name: "NodePorts",
    pre_filter: Some(&NodePorts),
    filter: Some(&NodePorts),
    hint: Some(&NodePorts),
    ..NOTHING
};

struct NodePorts;

impl PreFilter for NodePorts {
    fn pre_filter(&self, cx: Context, _state: &mut CycleState) -> Result<PreFilterResult, Rejection> {
        Ok(if cx.pod.host_ports.is_empty() { PreFilterResult::Skip } else { PreFilterResult::AllNodes })
    }
}

impl Filter for NodePorts {
    fn filter(&self, cx: Context, _state: &CycleState, node: &NodeInfo) -> Result<(), Rejection> {
        if cx.pod.host_ports.iter().any(|wanted| node.ports.iter().any(|taken| conflict(wanted, taken))) {
            return Err(Rejection::unschedulable("node(s) didn't have free ports for the requested pod ports"));
        }
        Ok(())
    }
}

impl QueueingHint for NodePorts {
    fn queue(&self, pod: &PodInfo, event: ClusterEvent) -> bool {
        match event {
            ClusterEvent::NodeAdded(_) => true,
            ClusterEvent::AssignedPodDeleted(gone) => {
                pod.host_ports.iter().any(|wanted| gone.host_ports.iter().any(|freed| conflict(wanted, freed)))
            }
            _ => false,
        }
    }
}

fn conflict(a: &HostPort, b: &HostPort) -> bool {
    let any = |port: &HostPort| &*port.ip == "0.0.0.0";
    a.port == b.port && a.protocol == b.protocol && (a.ip == b.ip || any(a) || any(b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conflicts() {
        let port = |ip: &str, protocol: &str, port| HostPort { ip: ip.into(), protocol: protocol.into(), port };
        for (a, b, conflicts) in [
            (port("0.0.0.0", "TCP", 80), port("127.0.0.1", "TCP", 80), true),
            (port("127.0.0.1", "TCP", 80), port("127.0.0.2", "TCP", 80), false),
            (port("127.0.0.1", "TCP", 80), port("127.0.0.1", "UDP", 80), false),
            (port("0.0.0.0", "TCP", 80), port("0.0.0.0", "TCP", 81), false),
        ] {
            assert_eq!(conflict(&a, &b), conflicts, "{a:?} {b:?}");
        }
    }
}
