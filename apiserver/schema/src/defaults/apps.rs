//! Defaults of apps/v1.

use super::{Default, Object, child, child_or_new, children, set_absent, set_empty, text};

pub const DEFAULTS: &[Default] = &[
    ("io.k8s.api.apps.v1.DaemonSet", daemon_set),
    ("io.k8s.api.apps.v1.Deployment", deployment),
    ("io.k8s.api.apps.v1.ReplicaSet", replica_set),
    ("io.k8s.api.apps.v1.StatefulSet", stateful_set),
];

fn deployment(deployment: &mut Object) {
    let spec = child_or_new(deployment, "spec");
    set_absent(spec, "replicas", 1);
    let strategy = child_or_new(spec, "strategy");
    set_empty(strategy, "type", "RollingUpdate");
    if text(strategy, "type") == "RollingUpdate" {
        let update = child_or_new(strategy, "rollingUpdate");
        set_absent(update, "maxUnavailable", "25%");
        set_absent(update, "maxSurge", "25%");
    }
    set_absent(spec, "revisionHistoryLimit", 10);
    set_absent(spec, "progressDeadlineSeconds", 600);
}

fn daemon_set(set: &mut Object) {
    // What upstream's conversion writes; the count is kept by the strategy.
    let annotations = child_or_new(child_or_new(set, "metadata"), "annotations");
    set_absent(annotations, "deprecated.daemonset.template.generation", "0");
    let spec = child_or_new(set, "spec");
    let strategy = child_or_new(spec, "updateStrategy");
    set_empty(strategy, "type", "RollingUpdate");
    if text(strategy, "type") == "RollingUpdate" {
        let update = child_or_new(strategy, "rollingUpdate");
        set_absent(update, "maxUnavailable", 1);
        set_absent(update, "maxSurge", 0);
    }
    set_absent(spec, "revisionHistoryLimit", 10);
}

fn stateful_set(set: &mut Object) {
    let spec = child_or_new(set, "spec");
    for claim in children(spec, "volumeClaimTemplates") {
        set_empty(claim, "kind", "PersistentVolumeClaim");
        set_empty(claim, "apiVersion", "v1");
    }
    set_empty(spec, "podManagementPolicy", "OrderedReady");
    let strategy = child_or_new(spec, "updateStrategy");
    if text(strategy, "type").is_empty() {
        strategy.insert("type".into(), "RollingUpdate".into());
        child_or_new(strategy, "rollingUpdate");
    }
    if text(strategy, "type") == "RollingUpdate"
        && let Some(update) = child(strategy, "rollingUpdate")
    {
        set_absent(update, "partition", 0);
    }
    let retention = child_or_new(spec, "persistentVolumeClaimRetentionPolicy");
    set_empty(retention, "whenDeleted", "Retain");
    set_empty(retention, "whenScaled", "Retain");
    set_absent(spec, "replicas", 1);
    set_absent(spec, "revisionHistoryLimit", 10);
}

fn replica_set(set: &mut Object) {
    set_absent(child_or_new(set, "spec"), "replicas", 1);
}
