//! The pod's phase from its containers' statuses.

use k8s_openapi::api::core::v1::{ContainerStatus, Pod};

use crate::pod;

/// Computes the phase. `terminal`: nothing of the pod will be started again; `initialized`: a main container of
/// the current sandbox was started.
pub fn phase(pod: &Pod, statuses: &[&ContainerStatus], terminal: bool, initialized: bool) -> &'static str {
    let find = |name: &str| statuses.iter().find(|status| status.name == name);
    let (mut pending_init, mut pending_sidecars, mut init_failed) = (0, 0, 0);
    let (mut unknown, mut running, mut waiting, mut stopped, mut final_stops, mut succeeded) = (0, 0, 0, 0, 0, 0);

    for container in pod::init_containers(pod) {
        let sidecar = pod::is_sidecar(container);
        let Some(status) = find(&container.name) else {
            if sidecar {
                unknown += 1
            } else {
                pending_init += 1
            }
            continue;
        };
        match (Shape::of(status), sidecar) {
            (Shape::Running, false) | (Shape::Waiting, false) => pending_init += 1,
            (Shape::Terminated(code) | Shape::WaitingAfter(code), false) => {
                if code != 0 && !pod::restarts_after_exit(pod, container, code) {
                    init_failed += 1;
                }
            }
            (Shape::Running, true) => {
                running += 1;
                if status.started != Some(true) {
                    pending_sidecars += 1;
                }
            }
            // A sidecar that ended does not count for the phase.
            (Shape::Terminated(_) | Shape::WaitingAfter(_), true) => {}
            (Shape::Waiting, true) => {
                pending_sidecars += 1;
                waiting += 1;
            }
        }
    }
    for container in &pod::spec(pod).containers {
        let Some(status) = find(&container.name) else {
            unknown += 1;
            continue;
        };
        match Shape::of(status) {
            Shape::Running => running += 1,
            Shape::Terminated(code) => {
                stopped += 1;
                final_stops += i32::from(!pod::restarts_after_exit(pod, container, code));
                succeeded += i32::from(code == 0);
            }
            Shape::WaitingAfter(code) => {
                stopped += 1;
                final_stops += i32::from(!pod::restarts_after_exit(pod, container, code));
            }
            Shape::Waiting => waiting += 1,
        }
    }
    let ended = if stopped == succeeded { "Succeeded" } else { "Failed" };
    if init_failed > 0 {
        "Failed"
    } else if pending_init > 0 || (pending_sidecars > 0 && !initialized) || waiting > 0 {
        "Pending"
    } else if running > 0 && unknown == 0 {
        "Running"
    } else if running == 0 && stopped > 0 && unknown == 0 {
        if terminal && !pod::is_static(pod) {
            ended
        } else if stopped != final_stops {
            "Running"
        } else {
            ended
        }
    } else {
        "Pending"
    }
}

/// A container's state, as far as the phase goes.
enum Shape {
    Running,
    Terminated(i32),
    Waiting,
    /// Waiting, and it ran before with that exit code.
    WaitingAfter(i32),
}

impl Shape {
    fn of(status: &ContainerStatus) -> Self {
        let state = status.state.as_ref();
        if state.is_some_and(|state| state.running.is_some()) {
            return Shape::Running;
        }
        if let Some(terminated) = state.and_then(|state| state.terminated.as_ref()) {
            return Shape::Terminated(terminated.exit_code);
        }
        match status.last_state.as_ref().and_then(|state| state.terminated.as_ref()) {
            Some(terminated) => Shape::WaitingAfter(terminated.exit_code),
            None => Shape::Waiting,
        }
    }
}
