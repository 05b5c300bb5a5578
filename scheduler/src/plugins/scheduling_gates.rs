//! SchedulingGates: a pod with gates waits until they are gone (KEP-3521).

use super::{NOTHING, Plugin};
use crate::{
    framework::{PreEnqueue, Rejection},
    pod::PodInfo,
};

pub const PLUGIN: Plugin = Plugin { name: "SchedulingGates", pre_enqueue: Some(&SchedulingGates), ..NOTHING };

struct SchedulingGates;

impl PreEnqueue for SchedulingGates {
    fn pre_enqueue(&self, pod: &PodInfo) -> Result<(), Rejection> {
        let gates = pod.pending.as_ref().map(|pending| &pending.gates[..]).unwrap_or_default();
        if gates.is_empty() {
            return Ok(());
        }
        // As Go prints a list.
        Err(Rejection::unresolvable(format!("waiting for scheduling gates: [{}]", gates.join(" "))))
    }
}
