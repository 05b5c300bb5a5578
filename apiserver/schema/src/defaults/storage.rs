//! Defaults of storage.k8s.io.

use serde_json::json;

use super::{Default, Object, child_or_new, set_absent, set_empty};

pub const DEFAULTS: &[Default] = &[
    ("io.k8s.api.storage.v1.CSIDriver", csi_driver),
    ("io.k8s.api.storage.v1.StorageClass", storage_class),
    ("io.k8s.api.storage.v1beta1.CSIDriver", csi_driver),
    ("io.k8s.api.storage.v1beta1.StorageClass", storage_class),
];

fn storage_class(class: &mut Object) {
    set_absent(class, "reclaimPolicy", "Delete");
    set_absent(class, "volumeBindingMode", "Immediate");
}

fn csi_driver(driver: &mut Object) {
    let spec = child_or_new(driver, "spec");
    set_absent(spec, "attachRequired", true);
    set_absent(spec, "podInfoOnMount", false);
    set_absent(spec, "storageCapacity", false);
    set_absent(spec, "fsGroupPolicy", "ReadWriteOnceWithFSType");
    set_empty(spec, "volumeLifecycleModes", json!(["Persistent"]));
    set_absent(spec, "requiresRepublish", false);
    set_absent(spec, "seLinuxMount", false);
}
