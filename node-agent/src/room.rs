//! What the pods of this node ask for, against what the node has: the last word on whether a pod, or a bigger one, fits.

use std::{
    collections::{BTreeMap, HashMap},
    fmt,
};

use k8s_openapi::api::core::v1::{Pod, ResourceRequirements};
use parking_lot::Mutex;

use crate::{pod, quantity};

/// The resources that are counted, with what a unit of their figures is: thousandths of a CPU, whole bytes.
const COUNTED: [(&str, i128); 3] = [("cpu", 1), ("memory", 1000), ("ephemeral-storage", 1000)];

/// A pod's requests, in the order of [`COUNTED`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Needs([i128; COUNTED.len()]);

/// The counted resources of one node, and the pods that hold them, by uid.
#[derive(Debug, Default)]
pub struct Room {
    allocatable: [Option<i128>; COUNTED.len()],
    held: Mutex<HashMap<String, Needs>>,
}

/// The first resource that a pod lacks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lack {
    pub resource: &'static str,
    requested: i128,
    used: i128,
    capacity: i128,
}

impl fmt::Display for Lack {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Lack { resource, requested, used, capacity } = self;
        write!(
            formatter,
            "Node didn't have enough resource: {resource}, requested: {requested}, used: {used}, capacity: {capacity}"
        )
    }
}

impl Needs {
    /// The scheduler's sum: containers and sidecars together, or an init container with the sidecars before it if that
    /// is more; what the pod itself asks for stands in its place; overhead comes on top.
    pub fn of(target: &Pod) -> Self {
        let spec = pod::spec(target);
        Needs(COUNTED.map(|(name, unit)| {
            let request =
                |resources: Option<&ResourceRequirements>| quantity::request_milli(resources, name).unwrap_or(0);
            let (mut sidecars, mut peak) = (0, 0);
            for container in pod::init_containers(target) {
                let own = request(container.resources.as_ref());
                if pod::is_sidecar(container) {
                    sidecars += own;
                    peak = peak.max(sidecars);
                } else {
                    peak = peak.max(sidecars + own);
                }
            }
            let main: i128 = spec.containers.iter().map(|container| request(container.resources.as_ref())).sum();
            let of_containers = peak.max(main + sidecars);
            let total = quantity::request_milli(spec.resources.as_ref(), name).unwrap_or(of_containers);
            let overhead = spec.overhead.as_ref().and_then(|overhead| quantity::milli(&overhead.get(name)?.0));
            (total + overhead.unwrap_or(0)) / unit
        }))
    }
}

impl Room {
    /// `allocatable` by resource; what it does not name is not judged.
    pub fn new(allocatable: &BTreeMap<String, String>) -> Self {
        let figure = |(name, unit): (&str, i128)| Some(quantity::milli(allocatable.get(name)?)? / unit);
        Self { allocatable: COUNTED.map(figure), held: Mutex::default() }
    }

    /// Counts the pod with these needs, in place of what it held before.
    ///
    /// # Errors
    /// They do not fit beside the other pods: the pod holds what it held.
    pub fn admit(&self, uid: &str, needs: Needs) -> Result<(), Lack> {
        let mut held = self.held.lock();
        for (index, (resource, _)) in COUNTED.into_iter().enumerate() {
            let Some(capacity) = self.allocatable[index] else { continue };
            let requested = needs.0[index];
            let used: i128 = held.iter().filter(|(other, _)| *other != uid).map(|(_, needs)| needs.0[index]).sum();
            if requested > 0 && requested > capacity - used {
                return Err(Lack { resource, requested, used, capacity });
            }
        }
        held.insert(uid.to_string(), needs);
        Ok(())
    }

    /// Counts a pod that is here already.
    pub fn hold(&self, uid: &str, needs: Needs) {
        self.held.lock().insert(uid.to_string(), needs);
    }

    /// Nothing of the pod runs any more.
    pub fn release(&self, uid: &str) {
        self.held.lock().remove(uid);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pod::testing::pod as pod_of;

    #[test]
    fn needs() {
        let pod = pod_of(
            "{overhead: {cpu: 5m}, initContainers: [{name: s, restartPolicy: Always, resources: {requests: {cpu: 10m}}}, {name: i, resources: {requests: {cpu: 200m, memory: 1Ki}}}], containers: [{name: a, resources: {requests: {cpu: 100m, memory: 2Ki}}}, {name: b, resources: {requests: {cpu: 50m}}}]}",
        );
        assert_eq!(Needs::of(&pod), Needs([215, 2048, 0]));
    }

    #[test]
    fn room_for_two() {
        let cpu = |milli: i128| Needs([milli, 0, 0]);
        let room = Room::new(&[("cpu".to_string(), "1".to_string())].into());
        room.hold("a", cpu(400));
        assert_eq!(room.admit("b", cpu(600)), Ok(()));
        let lack = room.admit("a", cpu(401)).unwrap_err();
        assert_eq!(
            lack.to_string(),
            "Node didn't have enough resource: cpu, requested: 401, used: 600, capacity: 1000"
        );
        assert!(room.admit("c", cpu(1)).is_err());
        assert_eq!(room.admit("c", Needs([0, 1 << 40, 0])), Ok(()), "memory is not known here, and nothing is no need");
        room.release("b");
        assert_eq!(room.admit("a", cpu(1000)), Ok(()));
    }
}
