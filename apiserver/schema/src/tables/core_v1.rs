//! The types of `core_v1`. Made by `cargo run -p hack-xtask -- codegen`; do not edit.
#![allow(non_upper_case_globals)] // The Go names, so that a type is found by its name.

use super::meta_v1;
use crate::row::*;

pub static AWSElasticBlockStoreVolumeSource: Type = object("io.k8s.api.core.v1.AWSElasticBlockStoreVolumeSource", &AWSElasticBlockStoreVolumeSource_F);
static AWSElasticBlockStoreVolumeSource_F: [Field; 4] = [
    f("volumeID", Shape::String, 1, R),
    f("fsType", Shape::String, 2, E),
    f("partition", Shape::Int32, 3, E),
    f("readOnly", Shape::Bool, 4, E),
];

pub static Affinity: Type = object("io.k8s.api.core.v1.Affinity", &Affinity_F);
static Affinity_F: [Field; 3] = [
    f("nodeAffinity", o(&NodeAffinity), 1, P | E),
    f("podAffinity", o(&PodAffinity), 2, P | E),
    f("podAntiAffinity", o(&PodAntiAffinity), 3, P | E),
];

pub static AppArmorProfile: Type = object("io.k8s.api.core.v1.AppArmorProfile", &AppArmorProfile_F);
static AppArmorProfile_F: [Field; 2] = [
    g("type", Shape::String, 1, R, "v1.AppArmorProfileType", ""),
    f("localhostProfile", Shape::String, 2, P | E),
];

pub static AttachedVolume: Type = object("io.k8s.api.core.v1.AttachedVolume", &AttachedVolume_F);
static AttachedVolume_F: [Field; 2] = [
    g("name", Shape::String, 1, R, "v1.UniqueVolumeName", ""),
    f("devicePath", Shape::String, 2, R),
];

pub static AzureDiskVolumeSource: Type = object("io.k8s.api.core.v1.AzureDiskVolumeSource", &AzureDiskVolumeSource_F);
static AzureDiskVolumeSource_F: [Field; 6] = [
    f("diskName", Shape::String, 1, R),
    f("diskURI", Shape::String, 2, R),
    g("cachingMode", Shape::String, 3, P | E, "v1.AzureDataDiskCachingMode", "\"ReadWrite\""),
    g("fsType", Shape::String, 4, P | E, "", "\"ext4\""),
    g("readOnly", Shape::Bool, 5, P | E, "", "false"),
    g("kind", Shape::String, 6, P | E, "v1.AzureDataDiskKind", "\"Shared\""),
];

pub static AzureFilePersistentVolumeSource: Type = object("io.k8s.api.core.v1.AzureFilePersistentVolumeSource", &AzureFilePersistentVolumeSource_F);
static AzureFilePersistentVolumeSource_F: [Field; 4] = [
    f("secretName", Shape::String, 1, R),
    f("shareName", Shape::String, 2, R),
    f("readOnly", Shape::Bool, 3, E),
    f("secretNamespace", Shape::String, 4, P),
];

pub static AzureFileVolumeSource: Type = object("io.k8s.api.core.v1.AzureFileVolumeSource", &AzureFileVolumeSource_F);
static AzureFileVolumeSource_F: [Field; 3] = [
    f("secretName", Shape::String, 1, R),
    f("shareName", Shape::String, 2, R),
    f("readOnly", Shape::Bool, 3, E),
];

pub static Binding: Type = object("io.k8s.api.core.v1.Binding", &Binding_F);
static Binding_F: [Field; 4] = [
    f("kind", Shape::String, 0, E),
    f("apiVersion", Shape::String, 0, E),
    f("metadata", o(&meta_v1::ObjectMeta), 1, 0),
    f("target", o(&ObjectReference), 2, R),
];

pub static CSIPersistentVolumeSource: Type = object("io.k8s.api.core.v1.CSIPersistentVolumeSource", &CSIPersistentVolumeSource_F);
static CSIPersistentVolumeSource_F: [Field; 10] = [
    f("driver", Shape::String, 1, R),
    f("volumeHandle", Shape::String, 2, R),
    f("readOnly", Shape::Bool, 3, E),
    f("fsType", Shape::String, 4, E),
    f("volumeAttributes", map(&STRING_S), 5, E),
    f("controllerPublishSecretRef", o(&SecretReference), 6, P | E),
    f("nodeStageSecretRef", o(&SecretReference), 7, P | E),
    f("nodePublishSecretRef", o(&SecretReference), 8, P | E),
    f("controllerExpandSecretRef", o(&SecretReference), 9, P | E),
    f("nodeExpandSecretRef", o(&SecretReference), 10, P | E),
];

pub static CSIVolumeSource: Type = object("io.k8s.api.core.v1.CSIVolumeSource", &CSIVolumeSource_F);
static CSIVolumeSource_F: [Field; 5] = [
    f("driver", Shape::String, 1, R),
    f("readOnly", Shape::Bool, 2, P | E),
    f("fsType", Shape::String, 3, P | E),
    f("volumeAttributes", map(&STRING_S), 4, E),
    f("nodePublishSecretRef", o(&LocalObjectReference), 5, P | E),
];

pub static Capabilities: Type = object("io.k8s.api.core.v1.Capabilities", &Capabilities_F);
static Capabilities_F: [Field; 2] = [
    g("add", list(&STRING_S), 1, E, "[]v1.Capability", ""),
    g("drop", list(&STRING_S), 2, E, "[]v1.Capability", ""),
];

pub static CephFSPersistentVolumeSource: Type = object("io.k8s.api.core.v1.CephFSPersistentVolumeSource", &CephFSPersistentVolumeSource_F);
static CephFSPersistentVolumeSource_F: [Field; 6] = [
    f("monitors", list(&STRING_S), 1, R),
    f("path", Shape::String, 2, E),
    f("user", Shape::String, 3, E),
    f("secretFile", Shape::String, 4, E),
    f("secretRef", o(&SecretReference), 5, P | E),
    f("readOnly", Shape::Bool, 6, E),
];

pub static CephFSVolumeSource: Type = object("io.k8s.api.core.v1.CephFSVolumeSource", &CephFSVolumeSource_F);
static CephFSVolumeSource_F: [Field; 6] = [
    f("monitors", list(&STRING_S), 1, R),
    f("path", Shape::String, 2, E),
    f("user", Shape::String, 3, E),
    f("secretFile", Shape::String, 4, E),
    f("secretRef", o(&LocalObjectReference), 5, P | E),
    f("readOnly", Shape::Bool, 6, E),
];

pub static CinderPersistentVolumeSource: Type = object("io.k8s.api.core.v1.CinderPersistentVolumeSource", &CinderPersistentVolumeSource_F);
static CinderPersistentVolumeSource_F: [Field; 4] = [
    f("volumeID", Shape::String, 1, R),
    f("fsType", Shape::String, 2, E),
    f("readOnly", Shape::Bool, 3, E),
    f("secretRef", o(&SecretReference), 4, P | E),
];

pub static CinderVolumeSource: Type = object("io.k8s.api.core.v1.CinderVolumeSource", &CinderVolumeSource_F);
static CinderVolumeSource_F: [Field; 4] = [
    f("volumeID", Shape::String, 1, R),
    f("fsType", Shape::String, 2, E),
    f("readOnly", Shape::Bool, 3, E),
    f("secretRef", o(&LocalObjectReference), 4, P | E),
];

pub static ClientIPConfig: Type = object("io.k8s.api.core.v1.ClientIPConfig", &ClientIPConfig_F);
static ClientIPConfig_F: [Field; 1] = [
    f("timeoutSeconds", Shape::Int32, 1, P | E),
];

pub static ClusterTrustBundleProjection: Type = object("io.k8s.api.core.v1.ClusterTrustBundleProjection", &ClusterTrustBundleProjection_F);
static ClusterTrustBundleProjection_F: [Field; 5] = [
    f("name", Shape::String, 1, P | E),
    f("signerName", Shape::String, 2, P | E),
    f("labelSelector", o(&meta_v1::LabelSelector), 3, P | E),
    f("optional", Shape::Bool, 5, P | E),
    f("path", Shape::String, 4, R),
];

pub static ComponentCondition: Type = object("io.k8s.api.core.v1.ComponentCondition", &ComponentCondition_F);
static ComponentCondition_F: [Field; 4] = [
    g("type", Shape::String, 1, R, "v1.ComponentConditionType", ""),
    g("status", Shape::String, 2, R, "v1.ConditionStatus", ""),
    f("message", Shape::String, 3, E),
    f("error", Shape::String, 4, E),
];

pub static ComponentStatus: Type = object("io.k8s.api.core.v1.ComponentStatus", &ComponentStatus_F);
static ComponentStatus_F: [Field; 4] = [
    f("kind", Shape::String, 0, E),
    f("apiVersion", Shape::String, 0, E),
    f("metadata", o(&meta_v1::ObjectMeta), 1, 0),
    k("conditions", list(&ComponentCondition_S), 2, E | MERGE, &BY_type, "type"),
];

pub static ComponentStatusList: Type = object("io.k8s.api.core.v1.ComponentStatusList", &ComponentStatusList_F);
static ComponentStatusList_F: [Field; 4] = [
    f("kind", Shape::String, 0, E),
    f("apiVersion", Shape::String, 0, E),
    f("metadata", o(&meta_v1::ListMeta), 1, 0),
    f("items", list(&ComponentStatus_S), 2, R),
];

pub static ConfigMap: Type = object("io.k8s.api.core.v1.ConfigMap", &ConfigMap_F);
static ConfigMap_F: [Field; 6] = [
    f("kind", Shape::String, 0, E),
    f("apiVersion", Shape::String, 0, E),
    f("metadata", o(&meta_v1::ObjectMeta), 1, 0),
    f("immutable", Shape::Bool, 4, P | E),
    f("data", map(&STRING_S), 2, E),
    f("binaryData", map(&BYTES_S), 3, E),
];

pub static ConfigMapEnvSource: Type = object("io.k8s.api.core.v1.ConfigMapEnvSource", &ConfigMapEnvSource_F);
static ConfigMapEnvSource_F: [Field; 2] = [
    f("", o(&LocalObjectReference), 1, 0),
    f("optional", Shape::Bool, 2, P | E),
];

pub static ConfigMapKeySelector: Type = atomic_object("io.k8s.api.core.v1.ConfigMapKeySelector", &ConfigMapKeySelector_F);
static ConfigMapKeySelector_F: [Field; 3] = [
    f("", o(&LocalObjectReference), 1, 0),
    f("key", Shape::String, 2, R),
    f("optional", Shape::Bool, 3, P | E),
];

pub static ConfigMapList: Type = object("io.k8s.api.core.v1.ConfigMapList", &ConfigMapList_F);
static ConfigMapList_F: [Field; 4] = [
    f("kind", Shape::String, 0, E),
    f("apiVersion", Shape::String, 0, E),
    f("metadata", o(&meta_v1::ListMeta), 1, 0),
    f("items", list(&ConfigMap_S), 2, R),
];

pub static ConfigMapNodeConfigSource: Type = object("io.k8s.api.core.v1.ConfigMapNodeConfigSource", &ConfigMapNodeConfigSource_F);
static ConfigMapNodeConfigSource_F: [Field; 5] = [
    f("namespace", Shape::String, 1, R),
    f("name", Shape::String, 2, R),
    g("uid", Shape::String, 3, E, "types.UID", ""),
    f("resourceVersion", Shape::String, 4, E),
    f("kubeletConfigKey", Shape::String, 5, R),
];

pub static ConfigMapProjection: Type = object("io.k8s.api.core.v1.ConfigMapProjection", &ConfigMapProjection_F);
static ConfigMapProjection_F: [Field; 3] = [
    f("", o(&LocalObjectReference), 1, 0),
    f("items", list(&KeyToPath_S), 2, E),
    f("optional", Shape::Bool, 4, P | E),
];

pub static ConfigMapVolumeSource: Type = object("io.k8s.api.core.v1.ConfigMapVolumeSource", &ConfigMapVolumeSource_F);
static ConfigMapVolumeSource_F: [Field; 4] = [
    f("", o(&LocalObjectReference), 1, 0),
    f("items", list(&KeyToPath_S), 2, E),
    f("defaultMode", Shape::Int32, 3, P | E),
    f("optional", Shape::Bool, 4, P | E),
];

pub static Container: Type = object("io.k8s.api.core.v1.Container", &Container_F);
static Container_F: [Field; 25] = [
    f("name", Shape::String, 1, R),
    f("image", Shape::String, 2, E),
    f("command", list(&STRING_S), 3, E),
    f("args", list(&STRING_S), 4, E),
    f("workingDir", Shape::String, 5, E),
    k("ports", list(&ContainerPort_S), 6, E | MERGE, &BY_containerPort_protocol, "containerPort"),
    f("envFrom", list(&EnvFromSource_S), 19, E),
    k("env", list(&EnvVar_S), 7, E | MERGE, &BY_name, "name"),
    f("resources", o(&ResourceRequirements), 8, 0),
    f("resizePolicy", list(&ContainerResizePolicy_S), 23, E),
    g("restartPolicy", Shape::String, 24, P | E, "v1.ContainerRestartPolicy", ""),
    f("restartPolicyRules", list(&ContainerRestartRule_S), 25, E),
    k("volumeMounts", list(&VolumeMount_S), 9, E | MERGE, &BY_mountPath, "mountPath"),
    k("volumeDevices", list(&VolumeDevice_S), 21, E | MERGE, &BY_devicePath, "devicePath"),
    f("livenessProbe", o(&Probe), 10, P | E),
    f("readinessProbe", o(&Probe), 11, P | E),
    f("startupProbe", o(&Probe), 22, P | E),
    f("lifecycle", o(&Lifecycle), 12, P | E),
    f("terminationMessagePath", Shape::String, 13, E),
    g("terminationMessagePolicy", Shape::String, 20, E, "v1.TerminationMessagePolicy", ""),
    g("imagePullPolicy", Shape::String, 14, E, "v1.PullPolicy", ""),
    f("securityContext", o(&SecurityContext), 15, P | E),
    f("stdin", Shape::Bool, 16, E),
    f("stdinOnce", Shape::Bool, 17, E),
    f("tty", Shape::Bool, 18, E),
];

pub static ContainerExtendedResourceRequest: Type = object("io.k8s.api.core.v1.ContainerExtendedResourceRequest", &ContainerExtendedResourceRequest_F);
static ContainerExtendedResourceRequest_F: [Field; 3] = [
    f("containerName", Shape::String, 1, R),
    f("resourceName", Shape::String, 2, R),
    f("requestName", Shape::String, 3, R),
];

pub static ContainerImage: Type = object("io.k8s.api.core.v1.ContainerImage", &ContainerImage_F);
static ContainerImage_F: [Field; 2] = [
    f("names", list(&STRING_S), 1, 0),
    f("sizeBytes", Shape::Int64, 2, E),
];

pub static ContainerPort: Type = object("io.k8s.api.core.v1.ContainerPort", &ContainerPort_F);
static ContainerPort_F: [Field; 5] = [
    f("name", Shape::String, 1, E),
    f("hostPort", Shape::Int32, 2, E),
    f("containerPort", Shape::Int32, 3, R),
    g("protocol", Shape::String, 4, E, "v1.Protocol", "\"TCP\""),
    f("hostIP", Shape::String, 5, E),
];

pub static ContainerResizePolicy: Type = object("io.k8s.api.core.v1.ContainerResizePolicy", &ContainerResizePolicy_F);
static ContainerResizePolicy_F: [Field; 2] = [
    g("resourceName", Shape::String, 1, R, "v1.ResourceName", ""),
    g("restartPolicy", Shape::String, 2, R, "v1.ResourceResizeRestartPolicy", ""),
];

pub static ContainerRestartRule: Type = object("io.k8s.api.core.v1.ContainerRestartRule", &ContainerRestartRule_F);
static ContainerRestartRule_F: [Field; 2] = [
    g("action", Shape::String, 1, E | R, "v1.ContainerRestartRuleAction", ""),
    f("exitCodes", o(&ContainerRestartRuleOnExitCodes), 2, P | E),
];

pub static ContainerRestartRuleOnExitCodes: Type = object("io.k8s.api.core.v1.ContainerRestartRuleOnExitCodes", &ContainerRestartRuleOnExitCodes_F);
static ContainerRestartRuleOnExitCodes_F: [Field; 2] = [
    g("operator", Shape::String, 1, E | R, "v1.ContainerRestartRuleOnExitCodesOperator", ""),
    f("values", list(&INT32_S), 2, E | SET),
];

pub static ContainerState: Type = object("io.k8s.api.core.v1.ContainerState", &ContainerState_F);
static ContainerState_F: [Field; 3] = [
    f("waiting", o(&ContainerStateWaiting), 1, P | E),
    f("running", o(&ContainerStateRunning), 2, P | E),
    f("terminated", o(&ContainerStateTerminated), 3, P | E),
];

pub static ContainerStateRunning: Type = object("io.k8s.api.core.v1.ContainerStateRunning", &ContainerStateRunning_F);
static ContainerStateRunning_F: [Field; 1] = [
    f("startedAt", Shape::Time, 1, 0),
];

pub static ContainerStateTerminated: Type = object("io.k8s.api.core.v1.ContainerStateTerminated", &ContainerStateTerminated_F);
static ContainerStateTerminated_F: [Field; 7] = [
    f("exitCode", Shape::Int32, 1, R),
    f("signal", Shape::Int32, 2, E),
    f("reason", Shape::String, 3, E),
    f("message", Shape::String, 4, E),
    f("startedAt", Shape::Time, 5, 0),
    f("finishedAt", Shape::Time, 6, 0),
    f("containerID", Shape::String, 7, E),
];

pub static ContainerStateWaiting: Type = object("io.k8s.api.core.v1.ContainerStateWaiting", &ContainerStateWaiting_F);
static ContainerStateWaiting_F: [Field; 2] = [
    f("reason", Shape::String, 1, E),
    f("message", Shape::String, 2, E),
];

pub static ContainerStatus: Type = object("io.k8s.api.core.v1.ContainerStatus", &ContainerStatus_F);
static ContainerStatus_F: [Field; 15] = [
    f("name", Shape::String, 1, R),
    f("state", o(&ContainerState), 2, 0),
    f("lastState", o(&ContainerState), 3, 0),
    f("ready", Shape::Bool, 4, R),
    f("restartCount", Shape::Int32, 5, R),
    f("image", Shape::String, 6, R),
    f("imageID", Shape::String, 7, R),
    f("containerID", Shape::String, 8, E),
    f("started", Shape::Bool, 9, P | E),
    g("allocatedResources", map(&QUANTITY_S), 10, E, "v1.ResourceList", ""),
    f("resources", o(&ResourceRequirements), 11, P | E),
    k("volumeMounts", list(&VolumeMountStatus_S), 12, E | MERGE, &BY_mountPath, "mountPath"),
    f("user", o(&ContainerUser), 13, P | E),
    k("allocatedResourcesStatus", list(&ResourceStatus_S), 14, E | MERGE, &BY_name, "name"),
    g("stopSignal", Shape::String, 15, P | E, "v1.Signal", ""),
];

pub static ContainerUser: Type = object("io.k8s.api.core.v1.ContainerUser", &ContainerUser_F);
static ContainerUser_F: [Field; 1] = [
    f("linux", o(&LinuxContainerUser), 1, P | E),
];

pub static DaemonEndpoint: Type = object("io.k8s.api.core.v1.DaemonEndpoint", &DaemonEndpoint_F);
static DaemonEndpoint_F: [Field; 1] = [
    f("Port", Shape::Int32, 1, R),
];

pub static DownwardAPIProjection: Type = object("io.k8s.api.core.v1.DownwardAPIProjection", &DownwardAPIProjection_F);
static DownwardAPIProjection_F: [Field; 1] = [
    f("items", list(&DownwardAPIVolumeFile_S), 1, E),
];

pub static DownwardAPIVolumeFile: Type = object("io.k8s.api.core.v1.DownwardAPIVolumeFile", &DownwardAPIVolumeFile_F);
static DownwardAPIVolumeFile_F: [Field; 4] = [
    f("path", Shape::String, 1, R),
    f("fieldRef", o(&ObjectFieldSelector), 2, P | E),
    f("resourceFieldRef", o(&ResourceFieldSelector), 3, P | E),
    f("mode", Shape::Int32, 4, P | E),
];

pub static DownwardAPIVolumeSource: Type = object("io.k8s.api.core.v1.DownwardAPIVolumeSource", &DownwardAPIVolumeSource_F);
static DownwardAPIVolumeSource_F: [Field; 2] = [
    f("items", list(&DownwardAPIVolumeFile_S), 1, E),
    f("defaultMode", Shape::Int32, 2, P | E),
];

pub static EmptyDirVolumeSource: Type = object("io.k8s.api.core.v1.EmptyDirVolumeSource", &EmptyDirVolumeSource_F);
static EmptyDirVolumeSource_F: [Field; 2] = [
    g("medium", Shape::String, 1, E, "v1.StorageMedium", ""),
    f("sizeLimit", Shape::Quantity, 2, P | E),
];

pub static EndpointAddress: Type = atomic_object("io.k8s.api.core.v1.EndpointAddress", &EndpointAddress_F);
static EndpointAddress_F: [Field; 4] = [
    f("ip", Shape::String, 1, R),
    f("hostname", Shape::String, 3, E),
    f("nodeName", Shape::String, 4, P | E),
    f("targetRef", o(&ObjectReference), 2, P | E),
];

pub static EndpointPort: Type = atomic_object("io.k8s.api.core.v1.EndpointPort", &EndpointPort_F);
static EndpointPort_F: [Field; 4] = [
    f("name", Shape::String, 1, E),
    f("port", Shape::Int32, 2, R),
    g("protocol", Shape::String, 3, E, "v1.Protocol", ""),
    f("appProtocol", Shape::String, 4, P | E),
];

pub static EndpointSubset: Type = object("io.k8s.api.core.v1.EndpointSubset", &EndpointSubset_F);
static EndpointSubset_F: [Field; 3] = [
    f("addresses", list(&EndpointAddress_S), 1, E),
    f("notReadyAddresses", list(&EndpointAddress_S), 2, E),
    f("ports", list(&EndpointPort_S), 3, E),
];

pub static Endpoints: Type = object("io.k8s.api.core.v1.Endpoints", &Endpoints_F);
static Endpoints_F: [Field; 4] = [
    f("kind", Shape::String, 0, E),
    f("apiVersion", Shape::String, 0, E),
    f("metadata", o(&meta_v1::ObjectMeta), 1, 0),
    f("subsets", list(&EndpointSubset_S), 2, E),
];

pub static EndpointsList: Type = object("io.k8s.api.core.v1.EndpointsList", &EndpointsList_F);
static EndpointsList_F: [Field; 4] = [
    f("kind", Shape::String, 0, E),
    f("apiVersion", Shape::String, 0, E),
    f("metadata", o(&meta_v1::ListMeta), 1, 0),
    f("items", list(&Endpoints_S), 2, R),
];

pub static EnvFromSource: Type = object("io.k8s.api.core.v1.EnvFromSource", &EnvFromSource_F);
static EnvFromSource_F: [Field; 3] = [
    f("prefix", Shape::String, 1, E),
    f("configMapRef", o(&ConfigMapEnvSource), 2, P | E),
    f("secretRef", o(&SecretEnvSource), 3, P | E),
];

pub static EnvVar: Type = object("io.k8s.api.core.v1.EnvVar", &EnvVar_F);
static EnvVar_F: [Field; 3] = [
    f("name", Shape::String, 1, R),
    f("value", Shape::String, 2, E),
    f("valueFrom", o(&EnvVarSource), 3, P | E),
];

pub static EnvVarSource: Type = object("io.k8s.api.core.v1.EnvVarSource", &EnvVarSource_F);
static EnvVarSource_F: [Field; 5] = [
    f("fieldRef", o(&ObjectFieldSelector), 1, P | E),
    f("resourceFieldRef", o(&ResourceFieldSelector), 2, P | E),
    f("configMapKeyRef", o(&ConfigMapKeySelector), 3, P | E),
    f("secretKeyRef", o(&SecretKeySelector), 4, P | E),
    f("fileKeyRef", o(&FileKeySelector), 5, P | E),
];

pub static EphemeralContainer: Type = object("io.k8s.api.core.v1.EphemeralContainer", &EphemeralContainer_F);
static EphemeralContainer_F: [Field; 2] = [
    f("", o(&EphemeralContainerCommon), 1, 0),
    f("targetContainerName", Shape::String, 2, E),
];

pub static EphemeralContainerCommon: Type = object("io.k8s.api.core.v1.EphemeralContainerCommon", &EphemeralContainerCommon_F);
static EphemeralContainerCommon_F: [Field; 25] = [
    f("name", Shape::String, 1, R),
    f("image", Shape::String, 2, E),
    f("command", list(&STRING_S), 3, E),
    f("args", list(&STRING_S), 4, E),
    f("workingDir", Shape::String, 5, E),
    k("ports", list(&ContainerPort_S), 6, E | MERGE, &BY_containerPort_protocol, "containerPort"),
    f("envFrom", list(&EnvFromSource_S), 19, E),
    k("env", list(&EnvVar_S), 7, E | MERGE, &BY_name, "name"),
    f("resources", o(&ResourceRequirements), 8, 0),
    f("resizePolicy", list(&ContainerResizePolicy_S), 23, E),
    g("restartPolicy", Shape::String, 24, P | E, "v1.ContainerRestartPolicy", ""),
    f("restartPolicyRules", list(&ContainerRestartRule_S), 25, E),
    k("volumeMounts", list(&VolumeMount_S), 9, E | MERGE, &BY_mountPath, "mountPath"),
    k("volumeDevices", list(&VolumeDevice_S), 21, E | MERGE, &BY_devicePath, "devicePath"),
    f("livenessProbe", o(&Probe), 10, P | E),
    f("readinessProbe", o(&Probe), 11, P | E),
    f("startupProbe", o(&Probe), 22, P | E),
    f("lifecycle", o(&Lifecycle), 12, P | E),
    f("terminationMessagePath", Shape::String, 13, E),
    g("terminationMessagePolicy", Shape::String, 20, E, "v1.TerminationMessagePolicy", ""),
    g("imagePullPolicy", Shape::String, 14, E, "v1.PullPolicy", ""),
    f("securityContext", o(&SecurityContext), 15, P | E),
    f("stdin", Shape::Bool, 16, E),
    f("stdinOnce", Shape::Bool, 17, E),
    f("tty", Shape::Bool, 18, E),
];

pub static EphemeralVolumeSource: Type = object("io.k8s.api.core.v1.EphemeralVolumeSource", &EphemeralVolumeSource_F);
static EphemeralVolumeSource_F: [Field; 1] = [
    f("volumeClaimTemplate", o(&PersistentVolumeClaimTemplate), 1, P | E),
];

pub static Event: Type = object("io.k8s.api.core.v1.Event", &Event_F);
static Event_F: [Field; 17] = [
    f("kind", Shape::String, 0, E),
    f("apiVersion", Shape::String, 0, E),
    f("metadata", o(&meta_v1::ObjectMeta), 1, R),
    f("involvedObject", o(&ObjectReference), 2, R),
    f("reason", Shape::String, 3, E),
    f("message", Shape::String, 4, E),
    f("source", o(&EventSource), 5, 0),
    f("firstTimestamp", Shape::Time, 6, 0),
    f("lastTimestamp", Shape::Time, 7, 0),
    f("count", Shape::Int32, 8, E),
    f("type", Shape::String, 9, E),
    f("eventTime", Shape::MicroTime, 10, 0),
    f("series", o(&EventSeries), 11, P | E),
    f("action", Shape::String, 12, E),
    f("related", o(&ObjectReference), 13, P | E),
    f("reportingComponent", Shape::String, 14, 0),
    f("reportingInstance", Shape::String, 15, 0),
];

pub static EventList: Type = object("io.k8s.api.core.v1.EventList", &EventList_F);
static EventList_F: [Field; 4] = [
    f("kind", Shape::String, 0, E),
    f("apiVersion", Shape::String, 0, E),
    f("metadata", o(&meta_v1::ListMeta), 1, 0),
    f("items", list(&Event_S), 2, R),
];

pub static EventSeries: Type = object("io.k8s.api.core.v1.EventSeries", &EventSeries_F);
static EventSeries_F: [Field; 2] = [
    f("count", Shape::Int32, 1, E),
    f("lastObservedTime", Shape::MicroTime, 2, 0),
];

pub static EventSource: Type = object("io.k8s.api.core.v1.EventSource", &EventSource_F);
static EventSource_F: [Field; 2] = [
    f("component", Shape::String, 1, E),
    f("host", Shape::String, 2, E),
];

pub static ExecAction: Type = object("io.k8s.api.core.v1.ExecAction", &ExecAction_F);
static ExecAction_F: [Field; 1] = [
    f("command", list(&STRING_S), 1, E),
];

pub static FCVolumeSource: Type = object("io.k8s.api.core.v1.FCVolumeSource", &FCVolumeSource_F);
static FCVolumeSource_F: [Field; 5] = [
    f("targetWWNs", list(&STRING_S), 1, E),
    f("lun", Shape::Int32, 2, P | E),
    f("fsType", Shape::String, 3, E),
    f("readOnly", Shape::Bool, 4, E),
    f("wwids", list(&STRING_S), 5, E),
];

pub static FileKeySelector: Type = atomic_object("io.k8s.api.core.v1.FileKeySelector", &FileKeySelector_F);
static FileKeySelector_F: [Field; 4] = [
    f("volumeName", Shape::String, 1, R),
    f("path", Shape::String, 2, R),
    f("key", Shape::String, 3, R),
    g("optional", Shape::Bool, 4, P | E, "", "false"),
];

pub static FlexPersistentVolumeSource: Type = object("io.k8s.api.core.v1.FlexPersistentVolumeSource", &FlexPersistentVolumeSource_F);
static FlexPersistentVolumeSource_F: [Field; 5] = [
    f("driver", Shape::String, 1, R),
    f("fsType", Shape::String, 2, E),
    f("secretRef", o(&SecretReference), 3, P | E),
    f("readOnly", Shape::Bool, 4, E),
    f("options", map(&STRING_S), 5, E),
];

pub static FlexVolumeSource: Type = object("io.k8s.api.core.v1.FlexVolumeSource", &FlexVolumeSource_F);
static FlexVolumeSource_F: [Field; 5] = [
    f("driver", Shape::String, 1, R),
    f("fsType", Shape::String, 2, E),
    f("secretRef", o(&LocalObjectReference), 3, P | E),
    f("readOnly", Shape::Bool, 4, E),
    f("options", map(&STRING_S), 5, E),
];

pub static FlockerVolumeSource: Type = object("io.k8s.api.core.v1.FlockerVolumeSource", &FlockerVolumeSource_F);
static FlockerVolumeSource_F: [Field; 2] = [
    f("datasetName", Shape::String, 1, E),
    f("datasetUUID", Shape::String, 2, E),
];

pub static GCEPersistentDiskVolumeSource: Type = object("io.k8s.api.core.v1.GCEPersistentDiskVolumeSource", &GCEPersistentDiskVolumeSource_F);
static GCEPersistentDiskVolumeSource_F: [Field; 4] = [
    f("pdName", Shape::String, 1, R),
    f("fsType", Shape::String, 2, E),
    f("partition", Shape::Int32, 3, E),
    f("readOnly", Shape::Bool, 4, E),
];

pub static GRPCAction: Type = object("io.k8s.api.core.v1.GRPCAction", &GRPCAction_F);
static GRPCAction_F: [Field; 2] = [
    f("port", Shape::Int32, 1, R),
    g("service", Shape::String, 2, P, "", "\"\""),
];

pub static GitRepoVolumeSource: Type = object("io.k8s.api.core.v1.GitRepoVolumeSource", &GitRepoVolumeSource_F);
static GitRepoVolumeSource_F: [Field; 3] = [
    f("repository", Shape::String, 1, R),
    f("revision", Shape::String, 2, E),
    f("directory", Shape::String, 3, E),
];

pub static GlusterfsPersistentVolumeSource: Type = object("io.k8s.api.core.v1.GlusterfsPersistentVolumeSource", &GlusterfsPersistentVolumeSource_F);
static GlusterfsPersistentVolumeSource_F: [Field; 4] = [
    f("endpoints", Shape::String, 1, R),
    f("path", Shape::String, 2, R),
    f("readOnly", Shape::Bool, 3, E),
    f("endpointsNamespace", Shape::String, 4, P | E),
];

pub static GlusterfsVolumeSource: Type = object("io.k8s.api.core.v1.GlusterfsVolumeSource", &GlusterfsVolumeSource_F);
static GlusterfsVolumeSource_F: [Field; 3] = [
    f("endpoints", Shape::String, 1, R),
    f("path", Shape::String, 2, R),
    f("readOnly", Shape::Bool, 3, E),
];

pub static HTTPGetAction: Type = object("io.k8s.api.core.v1.HTTPGetAction", &HTTPGetAction_F);
static HTTPGetAction_F: [Field; 5] = [
    f("path", Shape::String, 1, E),
    f("port", Shape::IntOrString, 2, R),
    f("host", Shape::String, 3, E),
    g("scheme", Shape::String, 4, E, "v1.URIScheme", ""),
    f("httpHeaders", list(&HTTPHeader_S), 5, E),
];

pub static HTTPHeader: Type = object("io.k8s.api.core.v1.HTTPHeader", &HTTPHeader_F);
static HTTPHeader_F: [Field; 2] = [
    f("name", Shape::String, 1, R),
    f("value", Shape::String, 2, R),
];

pub static HostAlias: Type = object("io.k8s.api.core.v1.HostAlias", &HostAlias_F);
static HostAlias_F: [Field; 2] = [
    f("ip", Shape::String, 1, R),
    f("hostnames", list(&STRING_S), 2, E),
];

pub static HostIP: Type = object("io.k8s.api.core.v1.HostIP", &HostIP_F);
static HostIP_F: [Field; 1] = [
    f("ip", Shape::String, 1, R),
];

pub static HostPathVolumeSource: Type = object("io.k8s.api.core.v1.HostPathVolumeSource", &HostPathVolumeSource_F);
static HostPathVolumeSource_F: [Field; 2] = [
    f("path", Shape::String, 1, R),
    g("type", Shape::String, 2, P | E, "v1.HostPathType", ""),
];

pub static ISCSIPersistentVolumeSource: Type = object("io.k8s.api.core.v1.ISCSIPersistentVolumeSource", &ISCSIPersistentVolumeSource_F);
static ISCSIPersistentVolumeSource_F: [Field; 11] = [
    f("targetPortal", Shape::String, 1, R),
    f("iqn", Shape::String, 2, R),
    f("lun", Shape::Int32, 3, R),
    g("iscsiInterface", Shape::String, 4, E, "", "\"default\""),
    f("fsType", Shape::String, 5, E),
    f("readOnly", Shape::Bool, 6, E),
    f("portals", list(&STRING_S), 7, E),
    f("chapAuthDiscovery", Shape::Bool, 8, E),
    f("chapAuthSession", Shape::Bool, 11, E),
    f("secretRef", o(&SecretReference), 10, P | E),
    f("initiatorName", Shape::String, 12, P | E),
];

pub static ISCSIVolumeSource: Type = object("io.k8s.api.core.v1.ISCSIVolumeSource", &ISCSIVolumeSource_F);
static ISCSIVolumeSource_F: [Field; 11] = [
    f("targetPortal", Shape::String, 1, R),
    f("iqn", Shape::String, 2, R),
    f("lun", Shape::Int32, 3, R),
    g("iscsiInterface", Shape::String, 4, E, "", "\"default\""),
    f("fsType", Shape::String, 5, E),
    f("readOnly", Shape::Bool, 6, E),
    f("portals", list(&STRING_S), 7, E),
    f("chapAuthDiscovery", Shape::Bool, 8, E),
    f("chapAuthSession", Shape::Bool, 11, E),
    f("secretRef", o(&LocalObjectReference), 10, P | E),
    f("initiatorName", Shape::String, 12, P | E),
];

pub static ImageVolumeSource: Type = object("io.k8s.api.core.v1.ImageVolumeSource", &ImageVolumeSource_F);
static ImageVolumeSource_F: [Field; 2] = [
    f("reference", Shape::String, 1, E),
    g("pullPolicy", Shape::String, 2, E, "v1.PullPolicy", ""),
];

pub static ImageVolumeStatus: Type = object("io.k8s.api.core.v1.ImageVolumeStatus", &ImageVolumeStatus_F);
static ImageVolumeStatus_F: [Field; 1] = [
    f("imageRef", Shape::String, 1, E | R),
];

pub static KeyToPath: Type = object("io.k8s.api.core.v1.KeyToPath", &KeyToPath_F);
static KeyToPath_F: [Field; 3] = [
    f("key", Shape::String, 1, R),
    f("path", Shape::String, 2, R),
    f("mode", Shape::Int32, 3, P | E),
];

pub static Lifecycle: Type = object("io.k8s.api.core.v1.Lifecycle", &Lifecycle_F);
static Lifecycle_F: [Field; 3] = [
    f("postStart", o(&LifecycleHandler), 1, P | E),
    f("preStop", o(&LifecycleHandler), 2, P | E),
    g("stopSignal", Shape::String, 3, P | E, "v1.Signal", ""),
];

pub static LifecycleHandler: Type = object("io.k8s.api.core.v1.LifecycleHandler", &LifecycleHandler_F);
static LifecycleHandler_F: [Field; 4] = [
    f("exec", o(&ExecAction), 1, P | E),
    f("httpGet", o(&HTTPGetAction), 2, P | E),
    f("tcpSocket", o(&TCPSocketAction), 3, P | E),
    f("sleep", o(&SleepAction), 4, P | E),
];

pub static LimitRange: Type = object("io.k8s.api.core.v1.LimitRange", &LimitRange_F);
static LimitRange_F: [Field; 4] = [
    f("kind", Shape::String, 0, E),
    f("apiVersion", Shape::String, 0, E),
    f("metadata", o(&meta_v1::ObjectMeta), 1, 0),
    f("spec", o(&LimitRangeSpec), 2, 0),
];

pub static LimitRangeItem: Type = object("io.k8s.api.core.v1.LimitRangeItem", &LimitRangeItem_F);
static LimitRangeItem_F: [Field; 6] = [
    g("type", Shape::String, 1, R, "v1.LimitType", ""),
    g("max", map(&QUANTITY_S), 2, E, "v1.ResourceList", ""),
    g("min", map(&QUANTITY_S), 3, E, "v1.ResourceList", ""),
    g("default", map(&QUANTITY_S), 4, E, "v1.ResourceList", ""),
    g("defaultRequest", map(&QUANTITY_S), 5, E, "v1.ResourceList", ""),
    g("maxLimitRequestRatio", map(&QUANTITY_S), 6, E, "v1.ResourceList", ""),
];

pub static LimitRangeList: Type = object("io.k8s.api.core.v1.LimitRangeList", &LimitRangeList_F);
static LimitRangeList_F: [Field; 4] = [
    f("kind", Shape::String, 0, E),
    f("apiVersion", Shape::String, 0, E),
    f("metadata", o(&meta_v1::ListMeta), 1, 0),
    f("items", list(&LimitRange_S), 2, R),
];

pub static LimitRangeSpec: Type = object("io.k8s.api.core.v1.LimitRangeSpec", &LimitRangeSpec_F);
static LimitRangeSpec_F: [Field; 1] = [
    f("limits", list(&LimitRangeItem_S), 1, R),
];

pub static LinuxContainerUser: Type = object("io.k8s.api.core.v1.LinuxContainerUser", &LinuxContainerUser_F);
static LinuxContainerUser_F: [Field; 3] = [
    f("uid", Shape::Int64, 1, R),
    f("gid", Shape::Int64, 2, R),
    f("supplementalGroups", list(&INT64_S), 3, E),
];

pub static List: Type = object("io.k8s.api.core.v1.List", &List_F);
static List_F: [Field; 4] = [
    f("kind", Shape::String, 0, E),
    f("apiVersion", Shape::String, 0, E),
    f("metadata", o(&meta_v1::ListMeta), 1, 0),
    f("items", list(&RAW_S), 2, R),
];

pub static LoadBalancerIngress: Type = object("io.k8s.api.core.v1.LoadBalancerIngress", &LoadBalancerIngress_F);
static LoadBalancerIngress_F: [Field; 4] = [
    f("ip", Shape::String, 1, E),
    f("hostname", Shape::String, 2, E),
    g("ipMode", Shape::String, 3, P | E, "v1.LoadBalancerIPMode", ""),
    f("ports", list(&PortStatus_S), 4, E),
];

pub static LoadBalancerStatus: Type = object("io.k8s.api.core.v1.LoadBalancerStatus", &LoadBalancerStatus_F);
static LoadBalancerStatus_F: [Field; 1] = [
    f("ingress", list(&LoadBalancerIngress_S), 1, E),
];

pub static LocalObjectReference: Type = atomic_object("io.k8s.api.core.v1.LocalObjectReference", &LocalObjectReference_F);
static LocalObjectReference_F: [Field; 1] = [
    g("name", Shape::String, 1, E, "", "\"\""),
];

pub static LocalVolumeSource: Type = object("io.k8s.api.core.v1.LocalVolumeSource", &LocalVolumeSource_F);
static LocalVolumeSource_F: [Field; 2] = [
    f("path", Shape::String, 1, R),
    f("fsType", Shape::String, 2, P | E),
];

pub static ModifyVolumeStatus: Type = object("io.k8s.api.core.v1.ModifyVolumeStatus", &ModifyVolumeStatus_F);
static ModifyVolumeStatus_F: [Field; 2] = [
    f("targetVolumeAttributesClassName", Shape::String, 1, E),
    g("status", Shape::String, 2, R, "v1.PersistentVolumeClaimModifyVolumeStatus", ""),
];

pub static NFSVolumeSource: Type = object("io.k8s.api.core.v1.NFSVolumeSource", &NFSVolumeSource_F);
static NFSVolumeSource_F: [Field; 3] = [
    f("server", Shape::String, 1, R),
    f("path", Shape::String, 2, R),
    f("readOnly", Shape::Bool, 3, E),
];

pub static Namespace: Type = object("io.k8s.api.core.v1.Namespace", &Namespace_F);
static Namespace_F: [Field; 5] = [
    f("kind", Shape::String, 0, E),
    f("apiVersion", Shape::String, 0, E),
    f("metadata", o(&meta_v1::ObjectMeta), 1, 0),
    f("spec", o(&NamespaceSpec), 2, 0),
    f("status", o(&NamespaceStatus), 3, 0),
];

pub static NamespaceCondition: Type = object("io.k8s.api.core.v1.NamespaceCondition", &NamespaceCondition_F);
static NamespaceCondition_F: [Field; 5] = [
    g("type", Shape::String, 1, R, "v1.NamespaceConditionType", ""),
    g("status", Shape::String, 2, R, "v1.ConditionStatus", ""),
    f("lastTransitionTime", Shape::Time, 4, 0),
    f("reason", Shape::String, 5, E),
    f("message", Shape::String, 6, E),
];

pub static NamespaceList: Type = object("io.k8s.api.core.v1.NamespaceList", &NamespaceList_F);
static NamespaceList_F: [Field; 4] = [
    f("kind", Shape::String, 0, E),
    f("apiVersion", Shape::String, 0, E),
    f("metadata", o(&meta_v1::ListMeta), 1, 0),
    f("items", list(&Namespace_S), 2, R),
];

pub static NamespaceSpec: Type = object("io.k8s.api.core.v1.NamespaceSpec", &NamespaceSpec_F);
static NamespaceSpec_F: [Field; 1] = [
    g("finalizers", list(&STRING_S), 1, E, "[]v1.FinalizerName", ""),
];

pub static NamespaceStatus: Type = object("io.k8s.api.core.v1.NamespaceStatus", &NamespaceStatus_F);
static NamespaceStatus_F: [Field; 2] = [
    g("phase", Shape::String, 1, E, "v1.NamespacePhase", ""),
    k("conditions", list(&NamespaceCondition_S), 2, E | MERGE, &BY_type, "type"),
];

pub static Node: Type = object("io.k8s.api.core.v1.Node", &Node_F);
static Node_F: [Field; 5] = [
    f("kind", Shape::String, 0, E),
    f("apiVersion", Shape::String, 0, E),
    f("metadata", o(&meta_v1::ObjectMeta), 1, 0),
    f("spec", o(&NodeSpec), 2, 0),
    f("status", o(&NodeStatus), 3, 0),
];

pub static NodeAddress: Type = object("io.k8s.api.core.v1.NodeAddress", &NodeAddress_F);
static NodeAddress_F: [Field; 2] = [
    g("type", Shape::String, 1, R, "v1.NodeAddressType", ""),
    f("address", Shape::String, 2, R),
];

pub static NodeAffinity: Type = object("io.k8s.api.core.v1.NodeAffinity", &NodeAffinity_F);
static NodeAffinity_F: [Field; 2] = [
    f("requiredDuringSchedulingIgnoredDuringExecution", o(&NodeSelector), 1, P | E),
    f("preferredDuringSchedulingIgnoredDuringExecution", list(&PreferredSchedulingTerm_S), 2, E),
];

pub static NodeAllocatableResourceClaimStatus: Type = object("io.k8s.api.core.v1.NodeAllocatableResourceClaimStatus", &NodeAllocatableResourceClaimStatus_F);
static NodeAllocatableResourceClaimStatus_F: [Field; 3] = [
    f("resourceClaimName", Shape::String, 1, R),
    f("containers", list(&STRING_S), 2, E | SET),
    g("resources", map(&QUANTITY_S), 3, R, "map[v1.ResourceName]resource.Quantity", ""),
];

pub static NodeCondition: Type = object("io.k8s.api.core.v1.NodeCondition", &NodeCondition_F);
static NodeCondition_F: [Field; 6] = [
    g("type", Shape::String, 1, R, "v1.NodeConditionType", ""),
    g("status", Shape::String, 2, R, "v1.ConditionStatus", ""),
    f("lastHeartbeatTime", Shape::Time, 3, 0),
    f("lastTransitionTime", Shape::Time, 4, 0),
    f("reason", Shape::String, 5, E),
    f("message", Shape::String, 6, E),
];

pub static NodeConfigSource: Type = object("io.k8s.api.core.v1.NodeConfigSource", &NodeConfigSource_F);
static NodeConfigSource_F: [Field; 1] = [
    f("configMap", o(&ConfigMapNodeConfigSource), 2, P | E),
];

pub static NodeConfigStatus: Type = object("io.k8s.api.core.v1.NodeConfigStatus", &NodeConfigStatus_F);
static NodeConfigStatus_F: [Field; 4] = [
    f("assigned", o(&NodeConfigSource), 1, P | E),
    f("active", o(&NodeConfigSource), 2, P | E),
    f("lastKnownGood", o(&NodeConfigSource), 3, P | E),
    f("error", Shape::String, 4, E),
];

pub static NodeDaemonEndpoints: Type = object("io.k8s.api.core.v1.NodeDaemonEndpoints", &NodeDaemonEndpoints_F);
static NodeDaemonEndpoints_F: [Field; 1] = [
    f("kubeletEndpoint", o(&DaemonEndpoint), 1, 0),
];

pub static NodeFeatures: Type = object("io.k8s.api.core.v1.NodeFeatures", &NodeFeatures_F);
static NodeFeatures_F: [Field; 1] = [
    f("supplementalGroupsPolicy", Shape::Bool, 1, P | E),
];

pub static NodeList: Type = object("io.k8s.api.core.v1.NodeList", &NodeList_F);
static NodeList_F: [Field; 4] = [
    f("kind", Shape::String, 0, E),
    f("apiVersion", Shape::String, 0, E),
    f("metadata", o(&meta_v1::ListMeta), 1, 0),
    f("items", list(&Node_S), 2, R),
];

pub static NodeProxyOptions: Type = object("io.k8s.api.core.v1.NodeProxyOptions", &NodeProxyOptions_F);
static NodeProxyOptions_F: [Field; 3] = [
    f("kind", Shape::String, 0, E),
    f("apiVersion", Shape::String, 0, E),
    f("path", Shape::String, 1, E),
];

pub static NodeRuntimeHandler: Type = object("io.k8s.api.core.v1.NodeRuntimeHandler", &NodeRuntimeHandler_F);
static NodeRuntimeHandler_F: [Field; 2] = [
    f("name", Shape::String, 1, 0),
    f("features", o(&NodeRuntimeHandlerFeatures), 2, P | E),
];

pub static NodeRuntimeHandlerFeatures: Type = object("io.k8s.api.core.v1.NodeRuntimeHandlerFeatures", &NodeRuntimeHandlerFeatures_F);
static NodeRuntimeHandlerFeatures_F: [Field; 2] = [
    f("recursiveReadOnlyMounts", Shape::Bool, 1, P | E),
    f("userNamespaces", Shape::Bool, 2, P | E),
];

pub static NodeSelector: Type = atomic_object("io.k8s.api.core.v1.NodeSelector", &NodeSelector_F);
static NodeSelector_F: [Field; 1] = [
    f("nodeSelectorTerms", list(&NodeSelectorTerm_S), 1, R),
];

pub static NodeSelectorRequirement: Type = object("io.k8s.api.core.v1.NodeSelectorRequirement", &NodeSelectorRequirement_F);
static NodeSelectorRequirement_F: [Field; 3] = [
    f("key", Shape::String, 1, R),
    g("operator", Shape::String, 2, R, "v1.NodeSelectorOperator", ""),
    f("values", list(&STRING_S), 3, E),
];

pub static NodeSelectorTerm: Type = atomic_object("io.k8s.api.core.v1.NodeSelectorTerm", &NodeSelectorTerm_F);
static NodeSelectorTerm_F: [Field; 2] = [
    f("matchExpressions", list(&NodeSelectorRequirement_S), 1, E),
    f("matchFields", list(&NodeSelectorRequirement_S), 2, E),
];

pub static NodeSpec: Type = object("io.k8s.api.core.v1.NodeSpec", &NodeSpec_F);
static NodeSpec_F: [Field; 7] = [
    f("podCIDR", Shape::String, 1, E),
    f("podCIDRs", list(&STRING_S), 7, E | SET | MERGE),
    f("providerID", Shape::String, 3, E),
    f("unschedulable", Shape::Bool, 4, E),
    f("taints", list(&Taint_S), 5, E),
    f("configSource", o(&NodeConfigSource), 6, P | E),
    f("externalID", Shape::String, 2, E),
];

pub static NodeStatus: Type = object("io.k8s.api.core.v1.NodeStatus", &NodeStatus_F);
static NodeStatus_F: [Field; 14] = [
    g("capacity", map(&QUANTITY_S), 1, E, "v1.ResourceList", ""),
    g("allocatable", map(&QUANTITY_S), 2, E, "v1.ResourceList", ""),
    g("phase", Shape::String, 3, E, "v1.NodePhase", ""),
    k("conditions", list(&NodeCondition_S), 4, E | MERGE, &BY_type, "type"),
    k("addresses", list(&NodeAddress_S), 5, E | MERGE, &BY_type, "type"),
    f("daemonEndpoints", o(&NodeDaemonEndpoints), 6, 0),
    f("nodeInfo", o(&NodeSystemInfo), 7, 0),
    f("images", list(&ContainerImage_S), 8, E),
    g("volumesInUse", list(&STRING_S), 9, E, "[]v1.UniqueVolumeName", ""),
    f("volumesAttached", list(&AttachedVolume_S), 10, E),
    f("config", o(&NodeConfigStatus), 11, P | E),
    f("runtimeHandlers", list(&NodeRuntimeHandler_S), 12, E),
    f("features", o(&NodeFeatures), 13, P | E),
    f("declaredFeatures", list(&STRING_S), 14, E),
];

pub static NodeSwapStatus: Type = object("io.k8s.api.core.v1.NodeSwapStatus", &NodeSwapStatus_F);
static NodeSwapStatus_F: [Field; 1] = [
    f("capacity", Shape::Int64, 1, P | E),
];

pub static NodeSystemInfo: Type = object("io.k8s.api.core.v1.NodeSystemInfo", &NodeSystemInfo_F);
static NodeSystemInfo_F: [Field; 11] = [
    f("machineID", Shape::String, 1, R),
    f("systemUUID", Shape::String, 2, R),
    f("bootID", Shape::String, 3, R),
    f("kernelVersion", Shape::String, 4, R),
    f("osImage", Shape::String, 5, R),
    f("containerRuntimeVersion", Shape::String, 6, R),
    f("kubeletVersion", Shape::String, 7, R),
    f("kubeProxyVersion", Shape::String, 8, R),
    f("operatingSystem", Shape::String, 9, R),
    f("architecture", Shape::String, 10, R),
    f("swap", o(&NodeSwapStatus), 11, P | E),
];

pub static ObjectFieldSelector: Type = atomic_object("io.k8s.api.core.v1.ObjectFieldSelector", &ObjectFieldSelector_F);
static ObjectFieldSelector_F: [Field; 2] = [
    f("apiVersion", Shape::String, 1, E),
    f("fieldPath", Shape::String, 2, R),
];

pub static ObjectReference: Type = atomic_object("io.k8s.api.core.v1.ObjectReference", &ObjectReference_F);
static ObjectReference_F: [Field; 7] = [
    f("kind", Shape::String, 1, E),
    f("namespace", Shape::String, 2, E),
    f("name", Shape::String, 3, E),
    g("uid", Shape::String, 4, E, "types.UID", ""),
    f("apiVersion", Shape::String, 5, E),
    f("resourceVersion", Shape::String, 6, E),
    f("fieldPath", Shape::String, 7, E),
];

pub static PersistentVolume: Type = object("io.k8s.api.core.v1.PersistentVolume", &PersistentVolume_F);
static PersistentVolume_F: [Field; 5] = [
    f("kind", Shape::String, 0, E),
    f("apiVersion", Shape::String, 0, E),
    f("metadata", o(&meta_v1::ObjectMeta), 1, 0),
    f("spec", o(&PersistentVolumeSpec), 2, 0),
    f("status", o(&PersistentVolumeStatus), 3, 0),
];

pub static PersistentVolumeClaim: Type = object("io.k8s.api.core.v1.PersistentVolumeClaim", &PersistentVolumeClaim_F);
static PersistentVolumeClaim_F: [Field; 5] = [
    f("kind", Shape::String, 0, E),
    f("apiVersion", Shape::String, 0, E),
    f("metadata", o(&meta_v1::ObjectMeta), 1, 0),
    f("spec", o(&PersistentVolumeClaimSpec), 2, 0),
    f("status", o(&PersistentVolumeClaimStatus), 3, 0),
];

pub static PersistentVolumeClaimCondition: Type = object("io.k8s.api.core.v1.PersistentVolumeClaimCondition", &PersistentVolumeClaimCondition_F);
static PersistentVolumeClaimCondition_F: [Field; 6] = [
    g("type", Shape::String, 1, R, "v1.PersistentVolumeClaimConditionType", ""),
    g("status", Shape::String, 2, R, "v1.ConditionStatus", ""),
    f("lastProbeTime", Shape::Time, 3, 0),
    f("lastTransitionTime", Shape::Time, 4, 0),
    f("reason", Shape::String, 5, E),
    f("message", Shape::String, 6, E),
];

pub static PersistentVolumeClaimList: Type = object("io.k8s.api.core.v1.PersistentVolumeClaimList", &PersistentVolumeClaimList_F);
static PersistentVolumeClaimList_F: [Field; 4] = [
    f("kind", Shape::String, 0, E),
    f("apiVersion", Shape::String, 0, E),
    f("metadata", o(&meta_v1::ListMeta), 1, 0),
    f("items", list(&PersistentVolumeClaim_S), 2, R),
];

pub static PersistentVolumeClaimSpec: Type = object("io.k8s.api.core.v1.PersistentVolumeClaimSpec", &PersistentVolumeClaimSpec_F);
static PersistentVolumeClaimSpec_F: [Field; 9] = [
    g("accessModes", list(&STRING_S), 1, E, "[]v1.PersistentVolumeAccessMode", ""),
    f("selector", o(&meta_v1::LabelSelector), 4, P | E),
    f("resources", o(&VolumeResourceRequirements), 2, 0),
    f("volumeName", Shape::String, 3, E),
    f("storageClassName", Shape::String, 5, P | E),
    g("volumeMode", Shape::String, 6, P | E, "v1.PersistentVolumeMode", ""),
    f("dataSource", o(&TypedLocalObjectReference), 7, P | E),
    f("dataSourceRef", o(&TypedObjectReference), 8, P | E),
    f("volumeAttributesClassName", Shape::String, 9, P | E),
];

pub static PersistentVolumeClaimStatus: Type = object("io.k8s.api.core.v1.PersistentVolumeClaimStatus", &PersistentVolumeClaimStatus_F);
static PersistentVolumeClaimStatus_F: [Field; 8] = [
    g("phase", Shape::String, 1, E, "v1.PersistentVolumeClaimPhase", ""),
    g("accessModes", list(&STRING_S), 2, E, "[]v1.PersistentVolumeAccessMode", ""),
    g("capacity", map(&QUANTITY_S), 3, E, "v1.ResourceList", ""),
    k("conditions", list(&PersistentVolumeClaimCondition_S), 4, E | MERGE, &BY_type, "type"),
    g("allocatedResources", map(&QUANTITY_S), 5, E, "v1.ResourceList", ""),
    g("allocatedResourceStatuses", map(&STRING_S), 7, E, "map[v1.ResourceName]v1.ClaimResourceStatus", ""),
    f("currentVolumeAttributesClassName", Shape::String, 8, P | E),
    f("modifyVolumeStatus", o(&ModifyVolumeStatus), 9, P | E),
];

pub static PersistentVolumeClaimTemplate: Type = object("io.k8s.api.core.v1.PersistentVolumeClaimTemplate", &PersistentVolumeClaimTemplate_F);
static PersistentVolumeClaimTemplate_F: [Field; 2] = [
    f("metadata", o(&meta_v1::ObjectMeta), 1, 0),
    f("spec", o(&PersistentVolumeClaimSpec), 2, R),
];

pub static PersistentVolumeClaimVolumeSource: Type = object("io.k8s.api.core.v1.PersistentVolumeClaimVolumeSource", &PersistentVolumeClaimVolumeSource_F);
static PersistentVolumeClaimVolumeSource_F: [Field; 2] = [
    f("claimName", Shape::String, 1, R),
    f("readOnly", Shape::Bool, 2, E),
];

pub static PersistentVolumeList: Type = object("io.k8s.api.core.v1.PersistentVolumeList", &PersistentVolumeList_F);
static PersistentVolumeList_F: [Field; 4] = [
    f("kind", Shape::String, 0, E),
    f("apiVersion", Shape::String, 0, E),
    f("metadata", o(&meta_v1::ListMeta), 1, 0),
    f("items", list(&PersistentVolume_S), 2, R),
];

pub static PersistentVolumeSource: Type = object("io.k8s.api.core.v1.PersistentVolumeSource", &PersistentVolumeSource_F);
static PersistentVolumeSource_F: [Field; 22] = [
    f("gcePersistentDisk", o(&GCEPersistentDiskVolumeSource), 1, P | E),
    f("awsElasticBlockStore", o(&AWSElasticBlockStoreVolumeSource), 2, P | E),
    f("hostPath", o(&HostPathVolumeSource), 3, P | E),
    f("glusterfs", o(&GlusterfsPersistentVolumeSource), 4, P | E),
    f("nfs", o(&NFSVolumeSource), 5, P | E),
    f("rbd", o(&RBDPersistentVolumeSource), 6, P | E),
    f("iscsi", o(&ISCSIPersistentVolumeSource), 7, P | E),
    f("cinder", o(&CinderPersistentVolumeSource), 8, P | E),
    f("cephfs", o(&CephFSPersistentVolumeSource), 9, P | E),
    f("fc", o(&FCVolumeSource), 10, P | E),
    f("flocker", o(&FlockerVolumeSource), 11, P | E),
    f("flexVolume", o(&FlexPersistentVolumeSource), 12, P | E),
    f("azureFile", o(&AzureFilePersistentVolumeSource), 13, P | E),
    f("vsphereVolume", o(&VsphereVirtualDiskVolumeSource), 14, P | E),
    f("quobyte", o(&QuobyteVolumeSource), 15, P | E),
    f("azureDisk", o(&AzureDiskVolumeSource), 16, P | E),
    f("photonPersistentDisk", o(&PhotonPersistentDiskVolumeSource), 17, P | E),
    f("portworxVolume", o(&PortworxVolumeSource), 18, P | E),
    f("scaleIO", o(&ScaleIOPersistentVolumeSource), 19, P | E),
    f("local", o(&LocalVolumeSource), 20, P | E),
    f("storageos", o(&StorageOSPersistentVolumeSource), 21, P | E),
    f("csi", o(&CSIPersistentVolumeSource), 22, P | E),
];

pub static PersistentVolumeSpec: Type = object("io.k8s.api.core.v1.PersistentVolumeSpec", &PersistentVolumeSpec_F);
static PersistentVolumeSpec_F: [Field; 10] = [
    g("capacity", map(&QUANTITY_S), 1, E, "v1.ResourceList", ""),
    f("", o(&PersistentVolumeSource), 2, 0),
    g("accessModes", list(&STRING_S), 3, E, "[]v1.PersistentVolumeAccessMode", ""),
    f("claimRef", o(&ObjectReference), 4, P | E),
    g("persistentVolumeReclaimPolicy", Shape::String, 5, E, "v1.PersistentVolumeReclaimPolicy", ""),
    f("storageClassName", Shape::String, 6, E),
    f("mountOptions", list(&STRING_S), 7, E),
    g("volumeMode", Shape::String, 8, P | E, "v1.PersistentVolumeMode", ""),
    f("nodeAffinity", o(&VolumeNodeAffinity), 9, P | E),
    f("volumeAttributesClassName", Shape::String, 10, P | E),
];

pub static PersistentVolumeStatus: Type = object("io.k8s.api.core.v1.PersistentVolumeStatus", &PersistentVolumeStatus_F);
static PersistentVolumeStatus_F: [Field; 4] = [
    g("phase", Shape::String, 1, E, "v1.PersistentVolumePhase", ""),
    f("message", Shape::String, 2, E),
    f("reason", Shape::String, 3, E),
    f("lastPhaseTransitionTime", Shape::Time, 4, P | E),
];

pub static PhotonPersistentDiskVolumeSource: Type = object("io.k8s.api.core.v1.PhotonPersistentDiskVolumeSource", &PhotonPersistentDiskVolumeSource_F);
static PhotonPersistentDiskVolumeSource_F: [Field; 2] = [
    f("pdID", Shape::String, 1, R),
    f("fsType", Shape::String, 2, E),
];

pub static Pod: Type = object("io.k8s.api.core.v1.Pod", &Pod_F);
static Pod_F: [Field; 5] = [
    f("kind", Shape::String, 0, E),
    f("apiVersion", Shape::String, 0, E),
    f("metadata", o(&meta_v1::ObjectMeta), 1, 0),
    f("spec", o(&PodSpec), 2, 0),
    f("status", o(&PodStatus), 3, 0),
];

pub static PodAffinity: Type = object("io.k8s.api.core.v1.PodAffinity", &PodAffinity_F);
static PodAffinity_F: [Field; 2] = [
    f("requiredDuringSchedulingIgnoredDuringExecution", list(&PodAffinityTerm_S), 1, E),
    f("preferredDuringSchedulingIgnoredDuringExecution", list(&WeightedPodAffinityTerm_S), 2, E),
];

pub static PodAffinityTerm: Type = object("io.k8s.api.core.v1.PodAffinityTerm", &PodAffinityTerm_F);
static PodAffinityTerm_F: [Field; 6] = [
    f("labelSelector", o(&meta_v1::LabelSelector), 1, P | E),
    f("namespaces", list(&STRING_S), 2, E),
    f("topologyKey", Shape::String, 3, R),
    f("namespaceSelector", o(&meta_v1::LabelSelector), 4, P | E),
    f("matchLabelKeys", list(&STRING_S), 5, E),
    f("mismatchLabelKeys", list(&STRING_S), 6, E),
];

pub static PodAntiAffinity: Type = object("io.k8s.api.core.v1.PodAntiAffinity", &PodAntiAffinity_F);
static PodAntiAffinity_F: [Field; 2] = [
    f("requiredDuringSchedulingIgnoredDuringExecution", list(&PodAffinityTerm_S), 1, E),
    f("preferredDuringSchedulingIgnoredDuringExecution", list(&WeightedPodAffinityTerm_S), 2, E),
];

pub static PodAttachOptions: Type = object("io.k8s.api.core.v1.PodAttachOptions", &PodAttachOptions_F);
static PodAttachOptions_F: [Field; 7] = [
    f("kind", Shape::String, 0, E),
    f("apiVersion", Shape::String, 0, E),
    f("stdin", Shape::Bool, 1, E),
    f("stdout", Shape::Bool, 2, E),
    f("stderr", Shape::Bool, 3, E),
    f("tty", Shape::Bool, 4, E),
    f("container", Shape::String, 5, E),
];

pub static PodCertificateProjection: Type = object("io.k8s.api.core.v1.PodCertificateProjection", &PodCertificateProjection_F);
static PodCertificateProjection_F: [Field; 7] = [
    f("signerName", Shape::String, 1, E | R),
    f("keyType", Shape::String, 2, E | R),
    f("maxExpirationSeconds", Shape::Int32, 3, P | E),
    f("credentialBundlePath", Shape::String, 4, E),
    f("keyPath", Shape::String, 5, E),
    f("certificateChainPath", Shape::String, 6, E),
    f("userAnnotations", map(&STRING_S), 7, E),
];

pub static PodCondition: Type = object("io.k8s.api.core.v1.PodCondition", &PodCondition_F);
static PodCondition_F: [Field; 7] = [
    g("type", Shape::String, 1, R, "v1.PodConditionType", ""),
    f("observedGeneration", Shape::Int64, 7, E),
    g("status", Shape::String, 2, R, "v1.ConditionStatus", ""),
    f("lastProbeTime", Shape::Time, 3, 0),
    f("lastTransitionTime", Shape::Time, 4, 0),
    f("reason", Shape::String, 5, E),
    f("message", Shape::String, 6, E),
];

pub static PodDNSConfig: Type = object("io.k8s.api.core.v1.PodDNSConfig", &PodDNSConfig_F);
static PodDNSConfig_F: [Field; 3] = [
    f("nameservers", list(&STRING_S), 1, E),
    f("searches", list(&STRING_S), 2, E),
    f("options", list(&PodDNSConfigOption_S), 3, E),
];

pub static PodDNSConfigOption: Type = object("io.k8s.api.core.v1.PodDNSConfigOption", &PodDNSConfigOption_F);
static PodDNSConfigOption_F: [Field; 2] = [
    f("name", Shape::String, 1, E),
    f("value", Shape::String, 2, P | E),
];

pub static PodExecOptions: Type = object("io.k8s.api.core.v1.PodExecOptions", &PodExecOptions_F);
static PodExecOptions_F: [Field; 8] = [
    f("kind", Shape::String, 0, E),
    f("apiVersion", Shape::String, 0, E),
    f("stdin", Shape::Bool, 1, E),
    f("stdout", Shape::Bool, 2, E),
    f("stderr", Shape::Bool, 3, E),
    f("tty", Shape::Bool, 4, E),
    f("container", Shape::String, 5, E),
    f("command", list(&STRING_S), 6, R),
];

pub static PodExtendedResourceClaimStatus: Type = object("io.k8s.api.core.v1.PodExtendedResourceClaimStatus", &PodExtendedResourceClaimStatus_F);
static PodExtendedResourceClaimStatus_F: [Field; 2] = [
    f("requestMappings", list(&ContainerExtendedResourceRequest_S), 1, R),
    f("resourceClaimName", Shape::String, 2, R),
];

pub static PodIP: Type = object("io.k8s.api.core.v1.PodIP", &PodIP_F);
static PodIP_F: [Field; 1] = [
    f("ip", Shape::String, 1, R),
];

pub static PodList: Type = object("io.k8s.api.core.v1.PodList", &PodList_F);
static PodList_F: [Field; 4] = [
    f("kind", Shape::String, 0, E),
    f("apiVersion", Shape::String, 0, E),
    f("metadata", o(&meta_v1::ListMeta), 1, 0),
    f("items", list(&Pod_S), 2, R),
];

pub static PodLogOptions: Type = object("io.k8s.api.core.v1.PodLogOptions", &PodLogOptions_F);
static PodLogOptions_F: [Field; 12] = [
    f("kind", Shape::String, 0, E),
    f("apiVersion", Shape::String, 0, E),
    f("container", Shape::String, 1, E),
    f("follow", Shape::Bool, 2, E),
    f("previous", Shape::Bool, 3, E),
    f("sinceSeconds", Shape::Int64, 4, P | E),
    f("sinceTime", Shape::Time, 5, P | E),
    f("timestamps", Shape::Bool, 6, E),
    f("tailLines", Shape::Int64, 7, P | E),
    f("limitBytes", Shape::Int64, 8, P | E),
    f("insecureSkipTLSVerifyBackend", Shape::Bool, 9, E),
    f("stream", Shape::String, 10, P | E),
];

pub static PodOS: Type = object("io.k8s.api.core.v1.PodOS", &PodOS_F);
static PodOS_F: [Field; 1] = [
    g("name", Shape::String, 1, R, "v1.OSName", ""),
];

pub static PodPortForwardOptions: Type = object("io.k8s.api.core.v1.PodPortForwardOptions", &PodPortForwardOptions_F);
static PodPortForwardOptions_F: [Field; 3] = [
    f("kind", Shape::String, 0, E),
    f("apiVersion", Shape::String, 0, E),
    f("ports", list(&INT32_S), 1, E),
];

pub static PodProxyOptions: Type = object("io.k8s.api.core.v1.PodProxyOptions", &PodProxyOptions_F);
static PodProxyOptions_F: [Field; 3] = [
    f("kind", Shape::String, 0, E),
    f("apiVersion", Shape::String, 0, E),
    f("path", Shape::String, 1, E),
];

pub static PodReadinessGate: Type = object("io.k8s.api.core.v1.PodReadinessGate", &PodReadinessGate_F);
static PodReadinessGate_F: [Field; 1] = [
    g("conditionType", Shape::String, 1, R, "v1.PodConditionType", ""),
];

pub static PodResourceClaim: Type = object("io.k8s.api.core.v1.PodResourceClaim", &PodResourceClaim_F);
static PodResourceClaim_F: [Field; 3] = [
    f("name", Shape::String, 1, R),
    f("resourceClaimName", Shape::String, 3, P | E),
    f("resourceClaimTemplateName", Shape::String, 4, P | E),
];

pub static PodResourceClaimStatus: Type = object("io.k8s.api.core.v1.PodResourceClaimStatus", &PodResourceClaimStatus_F);
static PodResourceClaimStatus_F: [Field; 2] = [
    f("name", Shape::String, 1, R),
    f("resourceClaimName", Shape::String, 2, P | E),
];

pub static PodSchedulingGate: Type = object("io.k8s.api.core.v1.PodSchedulingGate", &PodSchedulingGate_F);
static PodSchedulingGate_F: [Field; 1] = [
    f("name", Shape::String, 1, R),
];

pub static PodSchedulingGroup: Type = object("io.k8s.api.core.v1.PodSchedulingGroup", &PodSchedulingGroup_F);
static PodSchedulingGroup_F: [Field; 1] = [
    f("podGroupName", Shape::String, 1, P | E),
];

pub static PodSecurityContext: Type = object("io.k8s.api.core.v1.PodSecurityContext", &PodSecurityContext_F);
static PodSecurityContext_F: [Field; 13] = [
    f("seLinuxOptions", o(&SELinuxOptions), 1, P | E),
    f("windowsOptions", o(&WindowsSecurityContextOptions), 8, P | E),
    f("runAsUser", Shape::Int64, 2, P | E),
    f("runAsGroup", Shape::Int64, 6, P | E),
    f("runAsNonRoot", Shape::Bool, 3, P | E),
    f("supplementalGroups", list(&INT64_S), 4, E),
    g("supplementalGroupsPolicy", Shape::String, 12, P | E, "v1.SupplementalGroupsPolicy", ""),
    f("fsGroup", Shape::Int64, 5, P | E),
    f("sysctls", list(&Sysctl_S), 7, E),
    g("fsGroupChangePolicy", Shape::String, 9, P | E, "v1.PodFSGroupChangePolicy", ""),
    f("seccompProfile", o(&SeccompProfile), 10, P | E),
    f("appArmorProfile", o(&AppArmorProfile), 11, P | E),
    g("seLinuxChangePolicy", Shape::String, 13, P | E, "v1.PodSELinuxChangePolicy", ""),
];

pub static PodSpec: Type = object("io.k8s.api.core.v1.PodSpec", &PodSpec_F);
static PodSpec_F: [Field; 42] = [
    k("volumes", list(&Volume_S), 1, E | MERGE | RETAIN, &BY_name, "name"),
    k("initContainers", list(&Container_S), 20, E | MERGE, &BY_name, "name"),
    k("containers", list(&Container_S), 2, R | MERGE, &BY_name, "name"),
    k("ephemeralContainers", list(&EphemeralContainer_S), 34, E | MERGE, &BY_name, "name"),
    g("restartPolicy", Shape::String, 3, E, "v1.RestartPolicy", ""),
    f("terminationGracePeriodSeconds", Shape::Int64, 4, P | E),
    f("activeDeadlineSeconds", Shape::Int64, 5, P | E),
    g("dnsPolicy", Shape::String, 6, E, "v1.DNSPolicy", ""),
    f("nodeSelector", map(&STRING_S), 7, E | ATOMIC),
    f("serviceAccountName", Shape::String, 8, E),
    f("serviceAccount", Shape::String, 9, E),
    f("automountServiceAccountToken", Shape::Bool, 21, P | E),
    f("nodeName", Shape::String, 10, E),
    f("hostNetwork", Shape::Bool, 11, E),
    f("hostPID", Shape::Bool, 12, E),
    f("hostIPC", Shape::Bool, 13, E),
    f("shareProcessNamespace", Shape::Bool, 27, P | E),
    f("securityContext", o(&PodSecurityContext), 14, P | E),
    k("imagePullSecrets", list(&LocalObjectReference_S), 15, E | MERGE, &BY_name, "name"),
    f("hostname", Shape::String, 16, E),
    f("subdomain", Shape::String, 17, E),
    f("affinity", o(&Affinity), 18, P | E),
    f("schedulerName", Shape::String, 19, E),
    f("tolerations", list(&Toleration_S), 22, E),
    k("hostAliases", list(&HostAlias_S), 23, E | MERGE, &BY_ip, "ip"),
    f("priorityClassName", Shape::String, 24, E),
    f("priority", Shape::Int32, 25, P | E),
    f("dnsConfig", o(&PodDNSConfig), 26, P | E),
    f("readinessGates", list(&PodReadinessGate_S), 28, E),
    f("runtimeClassName", Shape::String, 29, P | E),
    f("enableServiceLinks", Shape::Bool, 30, P | E),
    g("preemptionPolicy", Shape::String, 31, P | E, "v1.PreemptionPolicy", ""),
    g("overhead", map(&QUANTITY_S), 32, E, "v1.ResourceList", ""),
    k("topologySpreadConstraints", list(&TopologySpreadConstraint_S), 33, E | MERGE, &BY_topologyKey_whenUnsatisfiable, "topologyKey"),
    f("setHostnameAsFQDN", Shape::Bool, 35, P | E),
    f("os", o(&PodOS), 36, P | E),
    f("hostUsers", Shape::Bool, 37, P | E),
    k("schedulingGates", list(&PodSchedulingGate_S), 38, E | MERGE, &BY_name, "name"),
    k("resourceClaims", list(&PodResourceClaim_S), 39, E | MERGE | RETAIN, &BY_name, "name"),
    f("resources", o(&ResourceRequirements), 40, P | E),
    f("hostnameOverride", Shape::String, 41, P | E),
    f("schedulingGroup", o(&PodSchedulingGroup), 43, P | E),
];

pub static PodStatus: Type = object("io.k8s.api.core.v1.PodStatus", &PodStatus_F);
static PodStatus_F: [Field; 21] = [
    f("observedGeneration", Shape::Int64, 17, E),
    g("phase", Shape::String, 1, E, "v1.PodPhase", ""),
    k("conditions", list(&PodCondition_S), 2, E | MERGE, &BY_type, "type"),
    f("message", Shape::String, 3, E),
    f("reason", Shape::String, 4, E),
    f("nominatedNodeName", Shape::String, 11, E),
    f("hostIP", Shape::String, 5, E),
    k("hostIPs", list(&HostIP_S), 16, E | MERGE, &[], "ip"),
    f("podIP", Shape::String, 6, E),
    k("podIPs", list(&PodIP_S), 12, E | MERGE, &BY_ip, "ip"),
    f("startTime", Shape::Time, 7, P | E),
    f("initContainerStatuses", list(&ContainerStatus_S), 10, E),
    f("containerStatuses", list(&ContainerStatus_S), 8, E),
    g("qosClass", Shape::String, 9, E, "v1.PodQOSClass", ""),
    f("ephemeralContainerStatuses", list(&ContainerStatus_S), 13, E),
    g("resize", Shape::String, 14, E, "v1.PodResizeStatus", ""),
    k("resourceClaimStatuses", list(&PodResourceClaimStatus_S), 15, E | MERGE | RETAIN, &BY_name, "name"),
    f("extendedResourceClaimStatus", o(&PodExtendedResourceClaimStatus), 18, P | E),
    g("allocatedResources", map(&QUANTITY_S), 19, E, "v1.ResourceList", ""),
    f("resources", o(&ResourceRequirements), 20, P | E),
    f("nodeAllocatableResourceClaimStatuses", list(&NodeAllocatableResourceClaimStatus_S), 21, E),
];

pub static PodStatusResult: Type = object("io.k8s.api.core.v1.PodStatusResult", &PodStatusResult_F);
static PodStatusResult_F: [Field; 4] = [
    f("kind", Shape::String, 0, E),
    f("apiVersion", Shape::String, 0, E),
    f("metadata", o(&meta_v1::ObjectMeta), 1, 0),
    f("status", o(&PodStatus), 2, 0),
];

pub static PodTemplate: Type = object("io.k8s.api.core.v1.PodTemplate", &PodTemplate_F);
static PodTemplate_F: [Field; 4] = [
    f("kind", Shape::String, 0, E),
    f("apiVersion", Shape::String, 0, E),
    f("metadata", o(&meta_v1::ObjectMeta), 1, 0),
    f("template", o(&PodTemplateSpec), 2, 0),
];

pub static PodTemplateList: Type = object("io.k8s.api.core.v1.PodTemplateList", &PodTemplateList_F);
static PodTemplateList_F: [Field; 4] = [
    f("kind", Shape::String, 0, E),
    f("apiVersion", Shape::String, 0, E),
    f("metadata", o(&meta_v1::ListMeta), 1, 0),
    f("items", list(&PodTemplate_S), 2, R),
];

pub static PodTemplateSpec: Type = object("io.k8s.api.core.v1.PodTemplateSpec", &PodTemplateSpec_F);
static PodTemplateSpec_F: [Field; 2] = [
    f("metadata", o(&meta_v1::ObjectMeta), 1, 0),
    f("spec", o(&PodSpec), 2, 0),
];

pub static PortStatus: Type = object("io.k8s.api.core.v1.PortStatus", &PortStatus_F);
static PortStatus_F: [Field; 3] = [
    f("port", Shape::Int32, 1, R),
    g("protocol", Shape::String, 2, R, "v1.Protocol", ""),
    f("error", Shape::String, 3, P | E),
];

pub static PortworxVolumeSource: Type = object("io.k8s.api.core.v1.PortworxVolumeSource", &PortworxVolumeSource_F);
static PortworxVolumeSource_F: [Field; 3] = [
    f("volumeID", Shape::String, 1, R),
    f("fsType", Shape::String, 2, E),
    f("readOnly", Shape::Bool, 3, E),
];

pub static PreferredSchedulingTerm: Type = object("io.k8s.api.core.v1.PreferredSchedulingTerm", &PreferredSchedulingTerm_F);
static PreferredSchedulingTerm_F: [Field; 2] = [
    f("weight", Shape::Int32, 1, R),
    f("preference", o(&NodeSelectorTerm), 2, R),
];

pub static Probe: Type = object("io.k8s.api.core.v1.Probe", &Probe_F);
static Probe_F: [Field; 7] = [
    f("", o(&ProbeHandler), 1, 0),
    f("initialDelaySeconds", Shape::Int32, 2, E),
    f("timeoutSeconds", Shape::Int32, 3, E),
    f("periodSeconds", Shape::Int32, 4, E),
    f("successThreshold", Shape::Int32, 5, E),
    f("failureThreshold", Shape::Int32, 6, E),
    f("terminationGracePeriodSeconds", Shape::Int64, 7, P | E),
];

pub static ProbeHandler: Type = object("io.k8s.api.core.v1.ProbeHandler", &ProbeHandler_F);
static ProbeHandler_F: [Field; 4] = [
    f("exec", o(&ExecAction), 1, P | E),
    f("httpGet", o(&HTTPGetAction), 2, P | E),
    f("tcpSocket", o(&TCPSocketAction), 3, P | E),
    f("grpc", o(&GRPCAction), 4, P | E),
];

pub static ProjectedVolumeSource: Type = object("io.k8s.api.core.v1.ProjectedVolumeSource", &ProjectedVolumeSource_F);
static ProjectedVolumeSource_F: [Field; 2] = [
    f("sources", list(&VolumeProjection_S), 1, 0),
    f("defaultMode", Shape::Int32, 2, P | E),
];

pub static QuobyteVolumeSource: Type = object("io.k8s.api.core.v1.QuobyteVolumeSource", &QuobyteVolumeSource_F);
static QuobyteVolumeSource_F: [Field; 6] = [
    f("registry", Shape::String, 1, R),
    f("volume", Shape::String, 2, R),
    f("readOnly", Shape::Bool, 3, E),
    f("user", Shape::String, 4, E),
    f("group", Shape::String, 5, E),
    f("tenant", Shape::String, 6, E),
];

pub static RBDPersistentVolumeSource: Type = object("io.k8s.api.core.v1.RBDPersistentVolumeSource", &RBDPersistentVolumeSource_F);
static RBDPersistentVolumeSource_F: [Field; 8] = [
    f("monitors", list(&STRING_S), 1, R),
    f("image", Shape::String, 2, R),
    f("fsType", Shape::String, 3, E),
    g("pool", Shape::String, 4, E, "", "\"rbd\""),
    g("user", Shape::String, 5, E, "", "\"admin\""),
    g("keyring", Shape::String, 6, E, "", "\"/etc/ceph/keyring\""),
    f("secretRef", o(&SecretReference), 7, P | E),
    f("readOnly", Shape::Bool, 8, E),
];

pub static RBDVolumeSource: Type = object("io.k8s.api.core.v1.RBDVolumeSource", &RBDVolumeSource_F);
static RBDVolumeSource_F: [Field; 8] = [
    f("monitors", list(&STRING_S), 1, R),
    f("image", Shape::String, 2, R),
    f("fsType", Shape::String, 3, E),
    g("pool", Shape::String, 4, E, "", "\"rbd\""),
    g("user", Shape::String, 5, E, "", "\"admin\""),
    g("keyring", Shape::String, 6, E, "", "\"/etc/ceph/keyring\""),
    f("secretRef", o(&LocalObjectReference), 7, P | E),
    f("readOnly", Shape::Bool, 8, E),
];

pub static RangeAllocation: Type = object("io.k8s.api.core.v1.RangeAllocation", &RangeAllocation_F);
static RangeAllocation_F: [Field; 5] = [
    f("kind", Shape::String, 0, E),
    f("apiVersion", Shape::String, 0, E),
    f("metadata", o(&meta_v1::ObjectMeta), 1, 0),
    f("range", Shape::String, 2, R),
    f("data", Shape::Bytes, 3, R),
];

pub static ReplicationController: Type = object("io.k8s.api.core.v1.ReplicationController", &ReplicationController_F);
static ReplicationController_F: [Field; 5] = [
    f("kind", Shape::String, 0, E),
    f("apiVersion", Shape::String, 0, E),
    f("metadata", o(&meta_v1::ObjectMeta), 1, 0),
    f("spec", o(&ReplicationControllerSpec), 2, 0),
    f("status", o(&ReplicationControllerStatus), 3, 0),
];

pub static ReplicationControllerCondition: Type = object("io.k8s.api.core.v1.ReplicationControllerCondition", &ReplicationControllerCondition_F);
static ReplicationControllerCondition_F: [Field; 5] = [
    g("type", Shape::String, 1, R, "v1.ReplicationControllerConditionType", ""),
    g("status", Shape::String, 2, R, "v1.ConditionStatus", ""),
    f("lastTransitionTime", Shape::Time, 3, 0),
    f("reason", Shape::String, 4, E),
    f("message", Shape::String, 5, E),
];

pub static ReplicationControllerList: Type = object("io.k8s.api.core.v1.ReplicationControllerList", &ReplicationControllerList_F);
static ReplicationControllerList_F: [Field; 4] = [
    f("kind", Shape::String, 0, E),
    f("apiVersion", Shape::String, 0, E),
    f("metadata", o(&meta_v1::ListMeta), 1, 0),
    f("items", list(&ReplicationController_S), 2, R),
];

pub static ReplicationControllerSpec: Type = object("io.k8s.api.core.v1.ReplicationControllerSpec", &ReplicationControllerSpec_F);
static ReplicationControllerSpec_F: [Field; 4] = [
    g("replicas", Shape::Int32, 1, P | E, "", "1"),
    g("minReadySeconds", Shape::Int32, 4, E, "", "0"),
    f("selector", map(&STRING_S), 2, E | ATOMIC),
    f("template", o(&PodTemplateSpec), 3, P | E),
];

pub static ReplicationControllerStatus: Type = object("io.k8s.api.core.v1.ReplicationControllerStatus", &ReplicationControllerStatus_F);
static ReplicationControllerStatus_F: [Field; 6] = [
    f("replicas", Shape::Int32, 1, R),
    f("fullyLabeledReplicas", Shape::Int32, 2, E),
    f("readyReplicas", Shape::Int32, 4, E),
    f("availableReplicas", Shape::Int32, 5, E),
    f("observedGeneration", Shape::Int64, 3, E),
    k("conditions", list(&ReplicationControllerCondition_S), 6, E | MERGE, &BY_type, "type"),
];

pub static ResourceClaim: Type = object("io.k8s.api.core.v1.ResourceClaim", &ResourceClaim_F);
static ResourceClaim_F: [Field; 2] = [
    f("name", Shape::String, 1, R),
    f("request", Shape::String, 2, E),
];

pub static ResourceFieldSelector: Type = atomic_object("io.k8s.api.core.v1.ResourceFieldSelector", &ResourceFieldSelector_F);
static ResourceFieldSelector_F: [Field; 3] = [
    f("containerName", Shape::String, 1, E),
    f("resource", Shape::String, 2, R),
    f("divisor", Shape::Quantity, 3, 0),
];

pub static ResourceHealth: Type = object("io.k8s.api.core.v1.ResourceHealth", &ResourceHealth_F);
static ResourceHealth_F: [Field; 3] = [
    g("resourceID", Shape::String, 1, R, "v1.ResourceID", ""),
    g("health", Shape::String, 2, E, "v1.ResourceHealthStatus", ""),
    f("message", Shape::String, 6, P | E),
];

pub static ResourceQuota: Type = object("io.k8s.api.core.v1.ResourceQuota", &ResourceQuota_F);
static ResourceQuota_F: [Field; 5] = [
    f("kind", Shape::String, 0, E),
    f("apiVersion", Shape::String, 0, E),
    f("metadata", o(&meta_v1::ObjectMeta), 1, 0),
    f("spec", o(&ResourceQuotaSpec), 2, 0),
    f("status", o(&ResourceQuotaStatus), 3, 0),
];

pub static ResourceQuotaList: Type = object("io.k8s.api.core.v1.ResourceQuotaList", &ResourceQuotaList_F);
static ResourceQuotaList_F: [Field; 4] = [
    f("kind", Shape::String, 0, E),
    f("apiVersion", Shape::String, 0, E),
    f("metadata", o(&meta_v1::ListMeta), 1, 0),
    f("items", list(&ResourceQuota_S), 2, R),
];

pub static ResourceQuotaSpec: Type = object("io.k8s.api.core.v1.ResourceQuotaSpec", &ResourceQuotaSpec_F);
static ResourceQuotaSpec_F: [Field; 3] = [
    g("hard", map(&QUANTITY_S), 1, E, "v1.ResourceList", ""),
    g("scopes", list(&STRING_S), 2, E, "[]v1.ResourceQuotaScope", ""),
    f("scopeSelector", o(&ScopeSelector), 3, P | E),
];

pub static ResourceQuotaStatus: Type = object("io.k8s.api.core.v1.ResourceQuotaStatus", &ResourceQuotaStatus_F);
static ResourceQuotaStatus_F: [Field; 2] = [
    g("hard", map(&QUANTITY_S), 1, E, "v1.ResourceList", ""),
    g("used", map(&QUANTITY_S), 2, E, "v1.ResourceList", ""),
];

pub static ResourceRequirements: Type = object("io.k8s.api.core.v1.ResourceRequirements", &ResourceRequirements_F);
static ResourceRequirements_F: [Field; 3] = [
    g("limits", map(&QUANTITY_S), 1, E, "v1.ResourceList", ""),
    g("requests", map(&QUANTITY_S), 2, E, "v1.ResourceList", ""),
    k("claims", list(&ResourceClaim_S), 3, E, &BY_name, ""),
];

pub static ResourceStatus: Type = object("io.k8s.api.core.v1.ResourceStatus", &ResourceStatus_F);
static ResourceStatus_F: [Field; 2] = [
    g("name", Shape::String, 1, R, "v1.ResourceName", ""),
    k("resources", list(&ResourceHealth_S), 2, E, &BY_resourceID, ""),
];

pub static SELinuxOptions: Type = object("io.k8s.api.core.v1.SELinuxOptions", &SELinuxOptions_F);
static SELinuxOptions_F: [Field; 4] = [
    f("user", Shape::String, 1, E),
    f("role", Shape::String, 2, E),
    f("type", Shape::String, 3, E),
    f("level", Shape::String, 4, E),
];

pub static ScaleIOPersistentVolumeSource: Type = object("io.k8s.api.core.v1.ScaleIOPersistentVolumeSource", &ScaleIOPersistentVolumeSource_F);
static ScaleIOPersistentVolumeSource_F: [Field; 10] = [
    f("gateway", Shape::String, 1, R),
    f("system", Shape::String, 2, R),
    f("secretRef", o(&SecretReference), 3, P | R),
    f("sslEnabled", Shape::Bool, 4, E),
    f("protectionDomain", Shape::String, 5, E),
    f("storagePool", Shape::String, 6, E),
    g("storageMode", Shape::String, 7, E, "", "\"ThinProvisioned\""),
    f("volumeName", Shape::String, 8, E),
    g("fsType", Shape::String, 9, E, "", "\"xfs\""),
    f("readOnly", Shape::Bool, 10, E),
];

pub static ScaleIOVolumeSource: Type = object("io.k8s.api.core.v1.ScaleIOVolumeSource", &ScaleIOVolumeSource_F);
static ScaleIOVolumeSource_F: [Field; 10] = [
    f("gateway", Shape::String, 1, R),
    f("system", Shape::String, 2, R),
    f("secretRef", o(&LocalObjectReference), 3, P | R),
    f("sslEnabled", Shape::Bool, 4, E),
    f("protectionDomain", Shape::String, 5, E),
    f("storagePool", Shape::String, 6, E),
    g("storageMode", Shape::String, 7, E, "", "\"ThinProvisioned\""),
    f("volumeName", Shape::String, 8, E),
    g("fsType", Shape::String, 9, E, "", "\"xfs\""),
    f("readOnly", Shape::Bool, 10, E),
];

pub static ScopeSelector: Type = atomic_object("io.k8s.api.core.v1.ScopeSelector", &ScopeSelector_F);
static ScopeSelector_F: [Field; 1] = [
    f("matchExpressions", list(&ScopedResourceSelectorRequirement_S), 1, E),
];

pub static ScopedResourceSelectorRequirement: Type = object("io.k8s.api.core.v1.ScopedResourceSelectorRequirement", &ScopedResourceSelectorRequirement_F);
static ScopedResourceSelectorRequirement_F: [Field; 3] = [
    g("scopeName", Shape::String, 1, R, "v1.ResourceQuotaScope", ""),
    g("operator", Shape::String, 2, R, "v1.ScopeSelectorOperator", ""),
    f("values", list(&STRING_S), 3, E),
];

pub static SeccompProfile: Type = object("io.k8s.api.core.v1.SeccompProfile", &SeccompProfile_F);
static SeccompProfile_F: [Field; 2] = [
    g("type", Shape::String, 1, R, "v1.SeccompProfileType", ""),
    f("localhostProfile", Shape::String, 2, P | E),
];

pub static Secret: Type = object("io.k8s.api.core.v1.Secret", &Secret_F);
static Secret_F: [Field; 7] = [
    f("kind", Shape::String, 0, E),
    f("apiVersion", Shape::String, 0, E),
    f("metadata", o(&meta_v1::ObjectMeta), 1, 0),
    f("immutable", Shape::Bool, 5, P | E),
    f("data", map(&BYTES_S), 2, E),
    f("stringData", map(&STRING_S), 4, E),
    g("type", Shape::String, 3, E, "v1.SecretType", ""),
];

pub static SecretEnvSource: Type = object("io.k8s.api.core.v1.SecretEnvSource", &SecretEnvSource_F);
static SecretEnvSource_F: [Field; 2] = [
    f("", o(&LocalObjectReference), 1, 0),
    f("optional", Shape::Bool, 2, P | E),
];

pub static SecretKeySelector: Type = atomic_object("io.k8s.api.core.v1.SecretKeySelector", &SecretKeySelector_F);
static SecretKeySelector_F: [Field; 3] = [
    f("", o(&LocalObjectReference), 1, 0),
    f("key", Shape::String, 2, R),
    f("optional", Shape::Bool, 3, P | E),
];

pub static SecretList: Type = object("io.k8s.api.core.v1.SecretList", &SecretList_F);
static SecretList_F: [Field; 4] = [
    f("kind", Shape::String, 0, E),
    f("apiVersion", Shape::String, 0, E),
    f("metadata", o(&meta_v1::ListMeta), 1, 0),
    f("items", list(&Secret_S), 2, R),
];

pub static SecretProjection: Type = object("io.k8s.api.core.v1.SecretProjection", &SecretProjection_F);
static SecretProjection_F: [Field; 3] = [
    f("", o(&LocalObjectReference), 1, 0),
    f("items", list(&KeyToPath_S), 2, E),
    f("optional", Shape::Bool, 4, P | E),
];

pub static SecretReference: Type = atomic_object("io.k8s.api.core.v1.SecretReference", &SecretReference_F);
static SecretReference_F: [Field; 2] = [
    f("name", Shape::String, 1, E),
    f("namespace", Shape::String, 2, E),
];

pub static SecretVolumeSource: Type = object("io.k8s.api.core.v1.SecretVolumeSource", &SecretVolumeSource_F);
static SecretVolumeSource_F: [Field; 4] = [
    f("secretName", Shape::String, 1, E),
    f("items", list(&KeyToPath_S), 2, E),
    f("defaultMode", Shape::Int32, 3, P | E),
    f("optional", Shape::Bool, 4, P | E),
];

pub static SecurityContext: Type = object("io.k8s.api.core.v1.SecurityContext", &SecurityContext_F);
static SecurityContext_F: [Field; 12] = [
    f("capabilities", o(&Capabilities), 1, P | E),
    f("privileged", Shape::Bool, 2, P | E),
    f("seLinuxOptions", o(&SELinuxOptions), 3, P | E),
    f("windowsOptions", o(&WindowsSecurityContextOptions), 10, P | E),
    f("runAsUser", Shape::Int64, 4, P | E),
    f("runAsGroup", Shape::Int64, 8, P | E),
    f("runAsNonRoot", Shape::Bool, 5, P | E),
    f("readOnlyRootFilesystem", Shape::Bool, 6, P | E),
    f("allowPrivilegeEscalation", Shape::Bool, 7, P | E),
    g("procMount", Shape::String, 9, P | E, "v1.ProcMountType", ""),
    f("seccompProfile", o(&SeccompProfile), 11, P | E),
    f("appArmorProfile", o(&AppArmorProfile), 12, P | E),
];

pub static SerializedReference: Type = object("io.k8s.api.core.v1.SerializedReference", &SerializedReference_F);
static SerializedReference_F: [Field; 3] = [
    f("kind", Shape::String, 0, E),
    f("apiVersion", Shape::String, 0, E),
    f("reference", o(&ObjectReference), 1, 0),
];

pub static Service: Type = object("io.k8s.api.core.v1.Service", &Service_F);
static Service_F: [Field; 5] = [
    f("kind", Shape::String, 0, E),
    f("apiVersion", Shape::String, 0, E),
    f("metadata", o(&meta_v1::ObjectMeta), 1, 0),
    f("spec", o(&ServiceSpec), 2, 0),
    f("status", o(&ServiceStatus), 3, 0),
];

pub static ServiceAccount: Type = object("io.k8s.api.core.v1.ServiceAccount", &ServiceAccount_F);
static ServiceAccount_F: [Field; 6] = [
    f("kind", Shape::String, 0, E),
    f("apiVersion", Shape::String, 0, E),
    f("metadata", o(&meta_v1::ObjectMeta), 1, 0),
    k("secrets", list(&ObjectReference_S), 2, E | MERGE, &BY_name, "name"),
    f("imagePullSecrets", list(&LocalObjectReference_S), 3, E),
    f("automountServiceAccountToken", Shape::Bool, 4, P | E),
];

pub static ServiceAccountList: Type = object("io.k8s.api.core.v1.ServiceAccountList", &ServiceAccountList_F);
static ServiceAccountList_F: [Field; 4] = [
    f("kind", Shape::String, 0, E),
    f("apiVersion", Shape::String, 0, E),
    f("metadata", o(&meta_v1::ListMeta), 1, 0),
    f("items", list(&ServiceAccount_S), 2, R),
];

pub static ServiceAccountTokenProjection: Type = object("io.k8s.api.core.v1.ServiceAccountTokenProjection", &ServiceAccountTokenProjection_F);
static ServiceAccountTokenProjection_F: [Field; 3] = [
    f("audience", Shape::String, 1, E),
    f("expirationSeconds", Shape::Int64, 2, P | E),
    f("path", Shape::String, 3, R),
];

pub static ServiceList: Type = object("io.k8s.api.core.v1.ServiceList", &ServiceList_F);
static ServiceList_F: [Field; 4] = [
    f("kind", Shape::String, 0, E),
    f("apiVersion", Shape::String, 0, E),
    f("metadata", o(&meta_v1::ListMeta), 1, 0),
    f("items", list(&Service_S), 2, R),
];

pub static ServicePort: Type = object("io.k8s.api.core.v1.ServicePort", &ServicePort_F);
static ServicePort_F: [Field; 6] = [
    f("name", Shape::String, 1, E),
    g("protocol", Shape::String, 2, E, "v1.Protocol", "\"TCP\""),
    f("appProtocol", Shape::String, 6, P | E),
    f("port", Shape::Int32, 3, R),
    f("targetPort", Shape::IntOrString, 4, 0),
    f("nodePort", Shape::Int32, 5, E),
];

pub static ServiceProxyOptions: Type = object("io.k8s.api.core.v1.ServiceProxyOptions", &ServiceProxyOptions_F);
static ServiceProxyOptions_F: [Field; 3] = [
    f("kind", Shape::String, 0, E),
    f("apiVersion", Shape::String, 0, E),
    f("path", Shape::String, 1, E),
];

pub static ServiceSpec: Type = object("io.k8s.api.core.v1.ServiceSpec", &ServiceSpec_F);
static ServiceSpec_F: [Field; 20] = [
    k("ports", list(&ServicePort_S), 1, E | MERGE, &BY_port_protocol, "port"),
    f("selector", map(&STRING_S), 2, E | ATOMIC),
    f("clusterIP", Shape::String, 3, E),
    f("clusterIPs", list(&STRING_S), 18, E),
    g("type", Shape::String, 4, E, "v1.ServiceType", ""),
    f("externalIPs", list(&STRING_S), 5, E),
    g("sessionAffinity", Shape::String, 7, E, "v1.ServiceAffinity", ""),
    f("loadBalancerIP", Shape::String, 8, E),
    f("loadBalancerSourceRanges", list(&STRING_S), 9, E),
    f("externalName", Shape::String, 10, E),
    g("externalTrafficPolicy", Shape::String, 11, E, "v1.ServiceExternalTrafficPolicy", ""),
    f("healthCheckNodePort", Shape::Int32, 12, E),
    f("publishNotReadyAddresses", Shape::Bool, 13, E),
    f("sessionAffinityConfig", o(&SessionAffinityConfig), 14, P | E),
    g("ipFamilies", list(&STRING_S), 19, E, "[]v1.IPFamily", ""),
    g("ipFamilyPolicy", Shape::String, 17, P | E, "v1.IPFamilyPolicy", ""),
    f("allocateLoadBalancerNodePorts", Shape::Bool, 20, P | E),
    f("loadBalancerClass", Shape::String, 21, P | E),
    g("internalTrafficPolicy", Shape::String, 22, P | E, "v1.ServiceInternalTrafficPolicy", ""),
    f("trafficDistribution", Shape::String, 23, P | E),
];

pub static ServiceStatus: Type = object("io.k8s.api.core.v1.ServiceStatus", &ServiceStatus_F);
static ServiceStatus_F: [Field; 2] = [
    f("loadBalancer", o(&LoadBalancerStatus), 1, 0),
    k("conditions", list(&meta_v1::Condition_S), 2, E | MERGE, &BY_type, "type"),
];

pub static SessionAffinityConfig: Type = object("io.k8s.api.core.v1.SessionAffinityConfig", &SessionAffinityConfig_F);
static SessionAffinityConfig_F: [Field; 1] = [
    f("clientIP", o(&ClientIPConfig), 1, P | E),
];

pub static SleepAction: Type = object("io.k8s.api.core.v1.SleepAction", &SleepAction_F);
static SleepAction_F: [Field; 1] = [
    f("seconds", Shape::Int64, 1, R),
];

pub static StorageOSPersistentVolumeSource: Type = object("io.k8s.api.core.v1.StorageOSPersistentVolumeSource", &StorageOSPersistentVolumeSource_F);
static StorageOSPersistentVolumeSource_F: [Field; 5] = [
    f("volumeName", Shape::String, 1, E),
    f("volumeNamespace", Shape::String, 2, E),
    f("fsType", Shape::String, 3, E),
    f("readOnly", Shape::Bool, 4, E),
    f("secretRef", o(&ObjectReference), 5, P | E),
];

pub static StorageOSVolumeSource: Type = object("io.k8s.api.core.v1.StorageOSVolumeSource", &StorageOSVolumeSource_F);
static StorageOSVolumeSource_F: [Field; 5] = [
    f("volumeName", Shape::String, 1, E),
    f("volumeNamespace", Shape::String, 2, E),
    f("fsType", Shape::String, 3, E),
    f("readOnly", Shape::Bool, 4, E),
    f("secretRef", o(&LocalObjectReference), 5, P | E),
];

pub static Sysctl: Type = object("io.k8s.api.core.v1.Sysctl", &Sysctl_F);
static Sysctl_F: [Field; 2] = [
    f("name", Shape::String, 1, R),
    f("value", Shape::String, 2, R),
];

pub static TCPSocketAction: Type = object("io.k8s.api.core.v1.TCPSocketAction", &TCPSocketAction_F);
static TCPSocketAction_F: [Field; 2] = [
    f("port", Shape::IntOrString, 1, R),
    f("host", Shape::String, 2, E),
];

pub static Taint: Type = object("io.k8s.api.core.v1.Taint", &Taint_F);
static Taint_F: [Field; 4] = [
    f("key", Shape::String, 1, R),
    f("value", Shape::String, 2, E),
    g("effect", Shape::String, 3, R, "v1.TaintEffect", ""),
    f("timeAdded", Shape::Time, 4, P | E),
];

pub static Toleration: Type = object("io.k8s.api.core.v1.Toleration", &Toleration_F);
static Toleration_F: [Field; 5] = [
    f("key", Shape::String, 1, E),
    g("operator", Shape::String, 2, E, "v1.TolerationOperator", ""),
    f("value", Shape::String, 3, E),
    g("effect", Shape::String, 4, E, "v1.TaintEffect", ""),
    f("tolerationSeconds", Shape::Int64, 5, P | E),
];

pub static TopologySelectorLabelRequirement: Type = object("io.k8s.api.core.v1.TopologySelectorLabelRequirement", &TopologySelectorLabelRequirement_F);
static TopologySelectorLabelRequirement_F: [Field; 2] = [
    f("key", Shape::String, 1, R),
    f("values", list(&STRING_S), 2, R),
];

pub static TopologySelectorTerm: Type = atomic_object("io.k8s.api.core.v1.TopologySelectorTerm", &TopologySelectorTerm_F);
static TopologySelectorTerm_F: [Field; 1] = [
    f("matchLabelExpressions", list(&TopologySelectorLabelRequirement_S), 1, E),
];

pub static TopologySpreadConstraint: Type = object("io.k8s.api.core.v1.TopologySpreadConstraint", &TopologySpreadConstraint_F);
static TopologySpreadConstraint_F: [Field; 8] = [
    f("maxSkew", Shape::Int32, 1, R),
    f("topologyKey", Shape::String, 2, R),
    g("whenUnsatisfiable", Shape::String, 3, R, "v1.UnsatisfiableConstraintAction", ""),
    f("labelSelector", o(&meta_v1::LabelSelector), 4, P | E),
    f("minDomains", Shape::Int32, 5, P | E),
    g("nodeAffinityPolicy", Shape::String, 6, P | E, "v1.NodeInclusionPolicy", ""),
    g("nodeTaintsPolicy", Shape::String, 7, P | E, "v1.NodeInclusionPolicy", ""),
    f("matchLabelKeys", list(&STRING_S), 8, E),
];

pub static TypedLocalObjectReference: Type = atomic_object("io.k8s.api.core.v1.TypedLocalObjectReference", &TypedLocalObjectReference_F);
static TypedLocalObjectReference_F: [Field; 3] = [
    f("apiGroup", Shape::String, 1, P),
    f("kind", Shape::String, 2, R),
    f("name", Shape::String, 3, R),
];

pub static TypedObjectReference: Type = object("io.k8s.api.core.v1.TypedObjectReference", &TypedObjectReference_F);
static TypedObjectReference_F: [Field; 4] = [
    f("apiGroup", Shape::String, 1, P),
    f("kind", Shape::String, 2, R),
    f("name", Shape::String, 3, R),
    f("namespace", Shape::String, 4, P | E),
];

pub static Volume: Type = object("io.k8s.api.core.v1.Volume", &Volume_F);
static Volume_F: [Field; 2] = [
    f("name", Shape::String, 1, R),
    f("", o(&VolumeSource), 2, 0),
];

pub static VolumeDevice: Type = object("io.k8s.api.core.v1.VolumeDevice", &VolumeDevice_F);
static VolumeDevice_F: [Field; 2] = [
    f("name", Shape::String, 1, R),
    f("devicePath", Shape::String, 2, R),
];

pub static VolumeMount: Type = object("io.k8s.api.core.v1.VolumeMount", &VolumeMount_F);
static VolumeMount_F: [Field; 7] = [
    f("name", Shape::String, 1, R),
    f("readOnly", Shape::Bool, 2, E),
    g("recursiveReadOnly", Shape::String, 7, P | E, "v1.RecursiveReadOnlyMode", ""),
    f("mountPath", Shape::String, 3, R),
    f("subPath", Shape::String, 4, E),
    g("mountPropagation", Shape::String, 5, P | E, "v1.MountPropagationMode", ""),
    f("subPathExpr", Shape::String, 6, E),
];

pub static VolumeMountStatus: Type = object("io.k8s.api.core.v1.VolumeMountStatus", &VolumeMountStatus_F);
static VolumeMountStatus_F: [Field; 5] = [
    f("name", Shape::String, 1, R),
    f("mountPath", Shape::String, 2, R),
    f("readOnly", Shape::Bool, 3, E),
    g("recursiveReadOnly", Shape::String, 4, P | E, "v1.RecursiveReadOnlyMode", ""),
    f("volumeStatus", o(&VolumeStatus), 5, P | E),
];

pub static VolumeNodeAffinity: Type = object("io.k8s.api.core.v1.VolumeNodeAffinity", &VolumeNodeAffinity_F);
static VolumeNodeAffinity_F: [Field; 1] = [
    f("required", o(&NodeSelector), 1, P | E),
];

pub static VolumeProjection: Type = object("io.k8s.api.core.v1.VolumeProjection", &VolumeProjection_F);
static VolumeProjection_F: [Field; 6] = [
    f("secret", o(&SecretProjection), 1, P | E),
    f("downwardAPI", o(&DownwardAPIProjection), 2, P | E),
    f("configMap", o(&ConfigMapProjection), 3, P | E),
    f("serviceAccountToken", o(&ServiceAccountTokenProjection), 4, P | E),
    f("clusterTrustBundle", o(&ClusterTrustBundleProjection), 5, P | E),
    f("podCertificate", o(&PodCertificateProjection), 6, P | E),
];

pub static VolumeResourceRequirements: Type = object("io.k8s.api.core.v1.VolumeResourceRequirements", &VolumeResourceRequirements_F);
static VolumeResourceRequirements_F: [Field; 2] = [
    g("limits", map(&QUANTITY_S), 1, E, "v1.ResourceList", ""),
    g("requests", map(&QUANTITY_S), 2, E, "v1.ResourceList", ""),
];

pub static VolumeSource: Type = object("io.k8s.api.core.v1.VolumeSource", &VolumeSource_F);
static VolumeSource_F: [Field; 30] = [
    f("hostPath", o(&HostPathVolumeSource), 1, P | E),
    f("emptyDir", o(&EmptyDirVolumeSource), 2, P | E),
    f("gcePersistentDisk", o(&GCEPersistentDiskVolumeSource), 3, P | E),
    f("awsElasticBlockStore", o(&AWSElasticBlockStoreVolumeSource), 4, P | E),
    f("gitRepo", o(&GitRepoVolumeSource), 5, P | E),
    f("secret", o(&SecretVolumeSource), 6, P | E),
    f("nfs", o(&NFSVolumeSource), 7, P | E),
    f("iscsi", o(&ISCSIVolumeSource), 8, P | E),
    f("glusterfs", o(&GlusterfsVolumeSource), 9, P | E),
    f("persistentVolumeClaim", o(&PersistentVolumeClaimVolumeSource), 10, P | E),
    f("rbd", o(&RBDVolumeSource), 11, P | E),
    f("flexVolume", o(&FlexVolumeSource), 12, P | E),
    f("cinder", o(&CinderVolumeSource), 13, P | E),
    f("cephfs", o(&CephFSVolumeSource), 14, P | E),
    f("flocker", o(&FlockerVolumeSource), 15, P | E),
    f("downwardAPI", o(&DownwardAPIVolumeSource), 16, P | E),
    f("fc", o(&FCVolumeSource), 17, P | E),
    f("azureFile", o(&AzureFileVolumeSource), 18, P | E),
    f("configMap", o(&ConfigMapVolumeSource), 19, P | E),
    f("vsphereVolume", o(&VsphereVirtualDiskVolumeSource), 20, P | E),
    f("quobyte", o(&QuobyteVolumeSource), 21, P | E),
    f("azureDisk", o(&AzureDiskVolumeSource), 22, P | E),
    f("photonPersistentDisk", o(&PhotonPersistentDiskVolumeSource), 23, P | E),
    f("projected", o(&ProjectedVolumeSource), 26, P | E),
    f("portworxVolume", o(&PortworxVolumeSource), 24, P | E),
    f("scaleIO", o(&ScaleIOVolumeSource), 25, P | E),
    f("storageos", o(&StorageOSVolumeSource), 27, P | E),
    f("csi", o(&CSIVolumeSource), 28, P | E),
    f("ephemeral", o(&EphemeralVolumeSource), 29, P | E),
    f("image", o(&ImageVolumeSource), 30, P | E),
];

pub static VolumeStatus: Type = object("io.k8s.api.core.v1.VolumeStatus", &VolumeStatus_F);
static VolumeStatus_F: [Field; 1] = [
    f("image", o(&ImageVolumeStatus), 1, P | E),
];

pub static VsphereVirtualDiskVolumeSource: Type = object("io.k8s.api.core.v1.VsphereVirtualDiskVolumeSource", &VsphereVirtualDiskVolumeSource_F);
static VsphereVirtualDiskVolumeSource_F: [Field; 4] = [
    f("volumePath", Shape::String, 1, R),
    f("fsType", Shape::String, 2, E),
    f("storagePolicyName", Shape::String, 3, E),
    f("storagePolicyID", Shape::String, 4, E),
];

pub static WeightedPodAffinityTerm: Type = object("io.k8s.api.core.v1.WeightedPodAffinityTerm", &WeightedPodAffinityTerm_F);
static WeightedPodAffinityTerm_F: [Field; 2] = [
    f("weight", Shape::Int32, 1, R),
    f("podAffinityTerm", o(&PodAffinityTerm), 2, R),
];

pub static WindowsSecurityContextOptions: Type = object("io.k8s.api.core.v1.WindowsSecurityContextOptions", &WindowsSecurityContextOptions_F);
static WindowsSecurityContextOptions_F: [Field; 4] = [
    f("gmsaCredentialSpecName", Shape::String, 1, P | E),
    f("gmsaCredentialSpec", Shape::String, 2, P | E),
    f("runAsUserName", Shape::String, 3, P | E),
    f("hostProcess", Shape::Bool, 4, P | E),
];

// Keys of lists.
static BY_containerPort_protocol: [Key; 2] = [key("containerPort"), key("protocol")];
static BY_devicePath: [Key; 1] = [key("devicePath")];
static BY_ip: [Key; 1] = [key("ip")];
static BY_mountPath: [Key; 1] = [key("mountPath")];
static BY_name: [Key; 1] = [key("name")];
static BY_port_protocol: [Key; 2] = [key("port"), key("protocol")];
static BY_resourceID: [Key; 1] = [key("resourceID")];
static BY_topologyKey_whenUnsatisfiable: [Key; 2] = [key("topologyKey"), key("whenUnsatisfiable")];
static BY_type: [Key; 1] = [key("type")];

// Elements of lists and maps.
pub static AttachedVolume_S: Shape = o(&AttachedVolume);
pub static ComponentCondition_S: Shape = o(&ComponentCondition);
pub static ComponentStatus_S: Shape = o(&ComponentStatus);
pub static ConfigMap_S: Shape = o(&ConfigMap);
pub static ContainerExtendedResourceRequest_S: Shape = o(&ContainerExtendedResourceRequest);
pub static ContainerImage_S: Shape = o(&ContainerImage);
pub static ContainerPort_S: Shape = o(&ContainerPort);
pub static ContainerResizePolicy_S: Shape = o(&ContainerResizePolicy);
pub static ContainerRestartRule_S: Shape = o(&ContainerRestartRule);
pub static ContainerStatus_S: Shape = o(&ContainerStatus);
pub static Container_S: Shape = o(&Container);
pub static DownwardAPIVolumeFile_S: Shape = o(&DownwardAPIVolumeFile);
pub static EndpointAddress_S: Shape = o(&EndpointAddress);
pub static EndpointPort_S: Shape = o(&EndpointPort);
pub static EndpointSubset_S: Shape = o(&EndpointSubset);
pub static Endpoints_S: Shape = o(&Endpoints);
pub static EnvFromSource_S: Shape = o(&EnvFromSource);
pub static EnvVar_S: Shape = o(&EnvVar);
pub static EphemeralContainer_S: Shape = o(&EphemeralContainer);
pub static Event_S: Shape = o(&Event);
pub static HTTPHeader_S: Shape = o(&HTTPHeader);
pub static HostAlias_S: Shape = o(&HostAlias);
pub static HostIP_S: Shape = o(&HostIP);
pub static KeyToPath_S: Shape = o(&KeyToPath);
pub static LimitRangeItem_S: Shape = o(&LimitRangeItem);
pub static LimitRange_S: Shape = o(&LimitRange);
pub static LoadBalancerIngress_S: Shape = o(&LoadBalancerIngress);
pub static LocalObjectReference_S: Shape = o(&LocalObjectReference);
pub static NamespaceCondition_S: Shape = o(&NamespaceCondition);
pub static Namespace_S: Shape = o(&Namespace);
pub static NodeAddress_S: Shape = o(&NodeAddress);
pub static NodeAllocatableResourceClaimStatus_S: Shape = o(&NodeAllocatableResourceClaimStatus);
pub static NodeCondition_S: Shape = o(&NodeCondition);
pub static NodeRuntimeHandler_S: Shape = o(&NodeRuntimeHandler);
pub static NodeSelectorRequirement_S: Shape = o(&NodeSelectorRequirement);
pub static NodeSelectorTerm_S: Shape = o(&NodeSelectorTerm);
pub static Node_S: Shape = o(&Node);
pub static ObjectReference_S: Shape = o(&ObjectReference);
pub static PersistentVolumeClaimCondition_S: Shape = o(&PersistentVolumeClaimCondition);
pub static PersistentVolumeClaim_S: Shape = o(&PersistentVolumeClaim);
pub static PersistentVolume_S: Shape = o(&PersistentVolume);
pub static PodAffinityTerm_S: Shape = o(&PodAffinityTerm);
pub static PodCondition_S: Shape = o(&PodCondition);
pub static PodDNSConfigOption_S: Shape = o(&PodDNSConfigOption);
pub static PodIP_S: Shape = o(&PodIP);
pub static PodReadinessGate_S: Shape = o(&PodReadinessGate);
pub static PodResourceClaimStatus_S: Shape = o(&PodResourceClaimStatus);
pub static PodResourceClaim_S: Shape = o(&PodResourceClaim);
pub static PodSchedulingGate_S: Shape = o(&PodSchedulingGate);
pub static PodTemplate_S: Shape = o(&PodTemplate);
pub static Pod_S: Shape = o(&Pod);
pub static PortStatus_S: Shape = o(&PortStatus);
pub static PreferredSchedulingTerm_S: Shape = o(&PreferredSchedulingTerm);
pub static ReplicationControllerCondition_S: Shape = o(&ReplicationControllerCondition);
pub static ReplicationController_S: Shape = o(&ReplicationController);
pub static ResourceClaim_S: Shape = o(&ResourceClaim);
pub static ResourceHealth_S: Shape = o(&ResourceHealth);
pub static ResourceQuota_S: Shape = o(&ResourceQuota);
pub static ResourceStatus_S: Shape = o(&ResourceStatus);
pub static ScopedResourceSelectorRequirement_S: Shape = o(&ScopedResourceSelectorRequirement);
pub static Secret_S: Shape = o(&Secret);
pub static ServiceAccount_S: Shape = o(&ServiceAccount);
pub static ServicePort_S: Shape = o(&ServicePort);
pub static Service_S: Shape = o(&Service);
pub static Sysctl_S: Shape = o(&Sysctl);
pub static Taint_S: Shape = o(&Taint);
pub static Toleration_S: Shape = o(&Toleration);
pub static TopologySelectorLabelRequirement_S: Shape = o(&TopologySelectorLabelRequirement);
pub static TopologySelectorTerm_S: Shape = o(&TopologySelectorTerm);
pub static TopologySpreadConstraint_S: Shape = o(&TopologySpreadConstraint);
pub static VolumeDevice_S: Shape = o(&VolumeDevice);
pub static VolumeMountStatus_S: Shape = o(&VolumeMountStatus);
pub static VolumeMount_S: Shape = o(&VolumeMount);
pub static VolumeProjection_S: Shape = o(&VolumeProjection);
pub static Volume_S: Shape = o(&Volume);
pub static WeightedPodAffinityTerm_S: Shape = o(&WeightedPodAffinityTerm);
