//! Volumes, their claims, and the `storage.k8s.io` group. Storage capacities have no table of their own.

use jiff::Timestamp;
use serde_json::Value;

use super::Printer;
use super::cells::{age, amount, boolean, cells, count, is_deleted, joined, list, name, text, text_or};
use super::column::{AGE, Column, NAME};

pub static CSI_DRIVER: Printer = Printer::new(
    &[
        NAME,
        Column::boolean(
            "AttachRequired",
            "attachRequired indicates this CSI volume driver requires an attach operation (because it implements the CSI ControllerPublishVolume() method), and that the Kubernetes attach detach controller should call the attach volume interface which checks the volumeattachment status and waits until the volume is attached before proceeding to mounting. The CSI external-attacher coordinates with CSI volume driver and updates the volumeattachment status when the attach operation is complete. If the value is specified to false, the attach operation will be skipped. Otherwise the attach operation will be called.\n\nThis field is immutable.",
        ),
        Column::boolean(
            "PodInfoOnMount",
            "podInfoOnMount indicates this CSI volume driver requires additional pod information (like podName, podUID, etc.) during mount operations, if set to true. If set to false, pod information will not be passed on mount. Default is false.\n\nThe CSI driver specifies podInfoOnMount as part of driver deployment. If true, Kubelet will pass pod information as VolumeContext in the CSI NodePublishVolume() calls. The CSI driver is responsible for parsing and validating the information passed in as VolumeContext.\n\nThe following VolumeContext will be passed if podInfoOnMount is set to true. This list might grow, but the prefix will be used. \"csi.storage.k8s.io/pod.name\": pod.Name \"csi.storage.k8s.io/pod.namespace\": pod.Namespace \"csi.storage.k8s.io/pod.uid\": string(pod.UID) \"csi.storage.k8s.io/ephemeral\": \"true\" if the volume is an ephemeral inline volume\n                                defined by a CSIVolumeSource, otherwise \"false\"\n\n\"csi.storage.k8s.io/ephemeral\" is a new feature in Kubernetes 1.16. It is only required for drivers which support both the \"Persistent\" and \"Ephemeral\" VolumeLifecycleMode. Other drivers can leave pod info disabled and/or ignore this field. As Kubernetes 1.15 doesn't support this field, drivers can only support one mode when deployed on such a cluster and the deployment determines which mode that is, for example via a command line parameter of the driver.\n\nThis field was immutable in Kubernetes < 1.29 and now is mutable.",
        ),
        Column::boolean(
            "StorageCapacity",
            "storageCapacity indicates that the CSI volume driver wants pod scheduling to consider the storage capacity that the driver deployment will report by creating CSIStorageCapacity objects with capacity information, if set to true.\n\nThe check can be enabled immediately when deploying a driver. In that case, provisioning new volumes with late binding will pause until the driver deployment has published some suitable CSIStorageCapacity object.\n\nAlternatively, the driver can be deployed with the field unset or false and it can be flipped later when storage capacity information has been published.\n\nThis field was immutable in Kubernetes <= 1.22 and now is mutable.",
        ),
        Column::string(
            "TokenRequests",
            "tokenRequests indicates the CSI driver needs pods' service account tokens it is mounting volume for to do necessary authentication. Kubelet will pass the tokens in VolumeContext in the CSI NodePublishVolume calls. The CSI driver should parse and validate the following VolumeContext: \"csi.storage.k8s.io/serviceAccount.tokens\": {\n  \"<audience>\": {\n    \"token\": <token>,\n    \"expirationTimestamp\": <expiration timestamp in RFC3339>,\n  },\n  ...\n}\n\nNote: Audience in each TokenRequest should be different and at most one token is empty string. To receive a new token after expiry, RequiresRepublish can be used to trigger NodePublishVolume periodically.",
        ),
        Column::boolean(
            "RequiresRepublish",
            "requiresRepublish indicates the CSI driver wants `NodePublishVolume` being periodically called to reflect any possible change in the mounted volume. This field defaults to false.\n\nNote: After a successful initial NodePublishVolume call, subsequent calls to NodePublishVolume should only update the contents of the volume. New mount points will not be seen by a running container.",
        ),
        Column::string(
            "Modes",
            "volumeLifecycleModes defines what kind of volumes this CSI volume driver supports. The default if the list is empty is \"Persistent\", which is the usage defined by the CSI specification and implemented in Kubernetes via the usual PV/PVC mechanism.\n\nThe other mode is \"Ephemeral\". In this mode, volumes are defined inline inside the pod spec with CSIVolumeSource and their lifecycle is tied to the lifecycle of that pod. A driver has to be aware of this because it is only going to get a NodePublishVolume call for such a volume.\n\nFor more information about implementing this mode, see https://kubernetes-csi.github.io/docs/ephemeral-local-volumes.html A driver can support one or more of these modes and more modes may be added in the future.\n\nThis field is beta. This field is immutable.",
        ),
        AGE,
    ],
    csi_driver,
);

pub static CSI_NODE: Printer = Printer::new(
    &[NAME, Column::integer("Drivers", "Drivers indicates the number of CSI drivers registered on the node"), AGE],
    |object, now| cells![name(object), count(&object["spec"]["drivers"]), age(object, now)],
);

pub static PERSISTENT_VOLUME: Printer = Printer::new(
    &[
NAME,
Column::string("Capacity", "capacity is the description of the persistent volume's resources and capacity. More info: https://kubernetes.io/docs/concepts/storage/persistent-volumes#capacity"),
Column::string("Access Modes", "accessModes contains all ways the volume can be mounted. More info: https://kubernetes.io/docs/concepts/storage/persistent-volumes#access-modes"),
Column::string("Reclaim Policy", "persistentVolumeReclaimPolicy defines what happens to a persistent volume when released from its claim. Valid options are Retain (default for manually created PersistentVolumes), Delete (default for dynamically provisioned PersistentVolumes), and Recycle (deprecated). Recycle must be supported by the volume plugin underlying this PersistentVolume. More info: https://kubernetes.io/docs/concepts/storage/persistent-volumes#reclaiming"),
Column::string("Status", "phase indicates if a volume is available, bound to a claim, or released by a claim. More info: https://kubernetes.io/docs/concepts/storage/persistent-volumes#phase"),
Column::string("Claim", "claimRef is part of a bi-directional binding between PersistentVolume and PersistentVolumeClaim. Expected to be non-nil when bound. claim.VolumeName is the authoritative bind between PV and PVC. More info: https://kubernetes.io/docs/concepts/storage/persistent-volumes#binding"),
Column::string("StorageClass", "StorageClass of the pv"),
Column::string("VolumeAttributesClass", "VolumeAttributesClass of the pv"),
Column::string("Reason", "reason is a brief CamelCase string that describes any failure and is meant for machine parsing and tidy display in the CLI."),
AGE,
Column::string("VolumeMode", "volumeMode defines if a volume is intended to be used with a formatted filesystem or to remain in raw block state. Value of Filesystem is implied when not included in spec.").wide(),
],
    persistent_volume,
);

pub static PERSISTENT_VOLUME_CLAIM: Printer = Printer::new(
    &[
NAME,
Column::string("Status", "phase represents the current phase of PersistentVolumeClaim."),
Column::string("Volume", "volumeName is the binding reference to the PersistentVolume backing this claim."),
Column::string("Capacity", "capacity represents the actual resources of the underlying volume."),
Column::string("Access Modes", "accessModes contains the actual access modes the volume backing the PVC has. More info: https://kubernetes.io/docs/concepts/storage/persistent-volumes#access-modes-1"),
Column::string("StorageClass", "StorageClass of the pvc"),
Column::string("VolumeAttributesClass", "VolumeAttributesClass of the pvc"),
AGE,
Column::string("VolumeMode", "volumeMode defines what type of volume is required by the claim. Value of Filesystem is implied when not included in claim spec.").wide(),
],
    persistent_volume_claim,
);

pub static STORAGE_CLASS: Printer = Printer::new(
    &[
        NAME,
        Column::string("Provisioner", "provisioner indicates the type of the provisioner."),
        Column::string(
            "ReclaimPolicy",
            "reclaimPolicy controls the reclaimPolicy for dynamically provisioned PersistentVolumes of this storage class. Defaults to Delete.",
        ),
        Column::string(
            "VolumeBindingMode",
            "volumeBindingMode indicates how PersistentVolumeClaims should be provisioned and bound.  When unset, VolumeBindingImmediate is used. This field is only honored by servers that enable the VolumeScheduling feature.",
        ),
        Column::string(
            "AllowVolumeExpansion",
            "allowVolumeExpansion shows whether the storage class allow volume expand.",
        ),
        AGE,
    ],
    storage_class,
);

pub static VOLUME_ATTACHMENT: Printer = Printer::new(
    &[
NAME,
Column::string("Attacher", "attacher indicates the name of the volume driver that MUST handle this request. This is the name returned by GetPluginName().").of_names(),
Column::string("PV", "persistentVolumeName represents the name of the persistent volume to attach."),
Column::string("Node", "nodeName represents the node that the volume should be attached to."),
Column::boolean("Attached", "attached indicates the volume is successfully attached. This field must only be set by the entity completing the attach operation, i.e. the external-attacher."),
AGE,
],
    |object, now| {
        let spec = &object["spec"];
        cells![
            name(object),
            text(&spec["attacher"]),
            text(&spec["source"]["persistentVolumeName"]),
            text(&spec["nodeName"]),
            boolean(&object["status"]["attached"]),
            age(object, now),
        ]
    },
);

pub static VOLUME_ATTRIBUTES_CLASS: Printer = Printer::new(
    &[NAME, Column::string("DriverName", "Name of the CSI driver This field is immutable."), AGE],
    |object, now| cells![name(object), text(&object["driverName"]), age(object, now)],
);

fn csi_driver(object: &Value, now: Timestamp) -> Vec<Value> {
    let spec = &object["spec"];
    let token_requests = match spec["tokenRequests"].as_array() {
        Some(requests) => requests.iter().map(|request| text(&request["audience"])).collect::<Vec<_>>().join(","),
        None => "<unset>".to_owned(),
    };
    let modes = Value::from(joined(&spec["volumeLifecycleModes"]));
    cells![
        name(object),
        spec["attachRequired"].as_bool().unwrap_or(true),
        boolean(&spec["podInfoOnMount"]),
        boolean(&spec["storageCapacity"]),
        token_requests,
        boolean(&spec["requiresRepublish"]),
        text_or(&modes, "<none>"),
        age(object, now),
    ]
}

fn persistent_volume(object: &Value, now: Timestamp) -> Vec<Value> {
    let (spec, status) = (&object["spec"], &object["status"]);
    let claim = &spec["claimRef"];
    let claim = match claim.is_object() {
        true => format!("{}/{}", text(&claim["namespace"]), text(&claim["name"])),
        false => String::new(),
    };
    cells![
        name(object),
        amount(&spec["capacity"]["storage"]),
        access_modes(&spec["accessModes"]),
        text(&spec["persistentVolumeReclaimPolicy"]),
        phase(object),
        claim,
        class(object),
        spec["volumeAttributesClassName"].as_str().unwrap_or("<unset>"),
        text(&status["reason"]),
        age(object, now),
        spec["volumeMode"].as_str().unwrap_or("<unset>"),
    ]
}

/// Capacity and access modes are those of the volume, once there is one.
fn persistent_volume_claim(object: &Value, now: Timestamp) -> Vec<Value> {
    let (spec, status) = (&object["spec"], &object["status"]);
    let volume = text(&spec["volumeName"]);
    let (capacity, modes) = match volume {
        "" => (String::new(), String::new()),
        _ => (amount(&status["capacity"]["storage"]), access_modes(&status["accessModes"])),
    };
    cells![
        name(object),
        phase(object),
        volume,
        capacity,
        modes,
        class(object),
        spec["volumeAttributesClassName"].as_str().unwrap_or("<unset>"),
        age(object, now),
        spec["volumeMode"].as_str().unwrap_or("<unset>"),
    ]
}

fn phase(object: &Value) -> &str {
    if is_deleted(object) { "Terminating" } else { text(&object["status"]["phase"]) }
}

/// The beta annotation goes before the field.
fn class(object: &Value) -> &str {
    let annotation = &object["metadata"]["annotations"]["volume.beta.kubernetes.io/storage-class"];
    annotation.as_str().unwrap_or_else(|| text(&object["spec"]["storageClassName"]))
}

fn access_modes(modes: &Value) -> String {
    const SHORT: [(&str, &str); 4] =
        [("ReadWriteOnce", "RWO"), ("ReadOnlyMany", "ROX"), ("ReadWriteMany", "RWX"), ("ReadWriteOncePod", "RWOP")];
    let has = |mode: &str| list(modes).iter().any(|one| one == mode);
    SHORT.iter().filter(|(mode, _)| has(mode)).map(|(_, short)| *short).collect::<Vec<_>>().join(",")
}

fn storage_class(object: &Value, now: Timestamp) -> Vec<Value> {
    let annotations = &object["metadata"]["annotations"];
    let is_default =
        ["storageclass.kubernetes.io/is-default-class", "storageclass.beta.kubernetes.io/is-default-class"]
            .iter()
            .any(|annotation| annotations[annotation] == "true");
    cells![
        format!("{}{}", name(object), if is_default { " (default)" } else { "" }),
        text(&object["provisioner"]),
        object["reclaimPolicy"].as_str().unwrap_or("Delete"),
        object["volumeBindingMode"].as_str().unwrap_or("Immediate"),
        boolean(&object["allowVolumeExpansion"]),
        age(object, now),
    ]
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::printers::cells::testing::shows;

    #[test]
    fn csi_drivers_and_nodes() {
        shows(&CSI_DRIVER, json!({}), json!(["x", true, false, false, "<unset>", false, "<none>", "60s"]));
        let spec = json!({
            "attachRequired": false, "podInfoOnMount": true, "storageCapacity": true, "requiresRepublish": true,
            "tokenRequests": [{"audience": "a"}, {"audience": "b"}], "volumeLifecycleModes": ["Persistent", "Ephemeral"],
        });
        let cells = json!(["x", false, true, true, "a,b", true, "Persistent,Ephemeral", "60s"]);
        shows(&CSI_DRIVER, json!({"spec": spec}), cells);
        shows(&CSI_NODE, json!({"spec": {"drivers": [{}, {}]}}), json!(["x", 2, "60s"]));
    }

    #[test]
    fn persistent_volumes() {
        let object = json!({
            "spec": {
                "capacity": {"storage": "1024Mi"}, "accessModes": ["ReadWriteMany", "ReadWriteOnce"],
                "persistentVolumeReclaimPolicy": "Retain", "claimRef": {"namespace": "ns", "name": "claim"},
                "storageClassName": "slow", "volumeMode": "Filesystem", "volumeAttributesClassName": "gold",
            },
            "status": {"phase": "Bound", "reason": "why"},
        });
        let cells =
            json!(["x", "1Gi", "RWO,RWX", "Retain", "Bound", "ns/claim", "slow", "gold", "why", "60s", "Filesystem"]);
        shows(&PERSISTENT_VOLUME, object, cells);
        let object = json!({"metadata": {
            "annotations": {"volume.beta.kubernetes.io/storage-class": "old"},
            "deletionTimestamp": "2026-01-01T00:00:00Z",
        }});
        let cells = json!(["x", "0", "", "", "Terminating", "", "old", "<unset>", "", "60s", "<unset>"]);
        shows(&PERSISTENT_VOLUME, object, cells);
    }

    #[test]
    fn persistent_volume_claims() {
        let spec =
            json!({"storageClassName": "fast", "volumeMode": "Block", "resources": {"requests": {"storage": "2Gi"}}});
        let mut object = json!({"spec": spec, "status": {"phase": "Pending"}});
        let cells = json!(["x", "Pending", "", "", "", "fast", "<unset>", "60s", "Block"]);
        shows(&PERSISTENT_VOLUME_CLAIM, object.clone(), cells);
        object["spec"]["volumeName"] = json!("pv");
        object["status"] = json!({"phase": "Bound", "capacity": {"storage": "3Gi"}, "accessModes": ["ReadWriteOncePod", "ReadOnlyMany"]});
        let cells = json!(["x", "Bound", "pv", "3Gi", "ROX,RWOP", "fast", "<unset>", "60s", "Block"]);
        shows(&PERSISTENT_VOLUME_CLAIM, object, cells);
    }

    #[test]
    fn classes() {
        let object = json!({
            "metadata": {"annotations": {"storageclass.kubernetes.io/is-default-class": "true"}},
            "provisioner": "p", "reclaimPolicy": "Retain", "volumeBindingMode": "WaitForFirstConsumer",
            "allowVolumeExpansion": true,
        });
        let cells = json!(["x (default)", "p", "Retain", "WaitForFirstConsumer", true, "60s"]);
        shows(&STORAGE_CLASS, object, cells);
        shows(&STORAGE_CLASS, json!({"provisioner": "p"}), json!(["x", "p", "Delete", "Immediate", false, "60s"]));
        shows(&VOLUME_ATTRIBUTES_CLASS, json!({"driverName": "d"}), json!(["x", "d", "60s"]));
    }

    #[test]
    fn volume_attachments() {
        let spec = json!({"attacher": "a", "nodeName": "n", "source": {"persistentVolumeName": "pv"}});
        let object = json!({"spec": spec, "status": {"attached": true}});
        shows(&VOLUME_ATTACHMENT, object, json!(["x", "a", "pv", "n", true, "60s"]));
    }
}
