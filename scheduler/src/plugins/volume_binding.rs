//! VolumeBinding: a pod waits until the claims of its volumes are bound.
//!
//! Upstream's plugin also picks volumes for claims that wait for their first consumer, and checks the node affinity
//! of bound volumes; here such a claim must be bound by someone else first.

use super::{CycleState, NOTHING, Plugin};
use crate::{
    framework::{ClusterEvent, Context, PreFilter, PreFilterResult, QueueingHint, Rejection},
    pod::PodInfo,
};

pub const PLUGIN: Plugin =
    Plugin { name: "VolumeBinding", pre_filter: Some(&VolumeBinding), hint: Some(&VolumeBinding), ..NOTHING };

struct VolumeBinding;

impl PreFilter for VolumeBinding {
    fn pre_filter(&self, cx: Context, _state: &mut CycleState) -> Result<PreFilterResult, Rejection> {
        for name in &cx.pod.claims {
            let key = format!("{}/{name}", cx.pod.namespace());
            let Some(claim) = cx.cluster.claims.get(&*key) else {
                return Err(Rejection::unresolvable(format!("persistentvolumeclaim {name:?} not found")));
            };
            if claim.lost {
                let message = format!("persistentvolumeclaim {name:?} bound to non-existent persistentvolume");
                return Err(Rejection::unresolvable(message));
            }
            if claim.deleting {
                return Err(Rejection::unresolvable(format!("persistentvolumeclaim {name:?} is being deleted")));
            }
            if !claim.bound {
                return Err(Rejection::unresolvable("pod has unbound immediate PersistentVolumeClaims"));
            }
        }
        if let Some(claim) = cx.pod.pending.as_ref().and_then(|pending| pending.resource_claims.first()) {
            return Err(Rejection::unresolvable(format!(
                "resource claim {claim:?}: resource claims are not supported"
            )));
        }
        Ok(PreFilterResult::Skip)
    }
}

impl QueueingHint for VolumeBinding {
    fn queue(&self, _pod: &PodInfo, event: ClusterEvent) -> bool {
        matches!(event, ClusterEvent::VolumeChanged)
    }
}
