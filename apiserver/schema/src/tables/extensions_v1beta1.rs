//! The types of `extensions_v1beta1`. Made by `cargo run -p hack-xtask -- codegen`; do not edit.
#![allow(non_upper_case_globals)] // The Go names, so that a type is found by its name.

use super::{core_v1, meta_v1};
use crate::row::*;

pub static DaemonSet: Type = object("io.k8s.api.extensions.v1beta1.DaemonSet", &DaemonSet_F);
static DaemonSet_F: [Field; 5] = [
    f("kind", Shape::String, 0, E),
    f("apiVersion", Shape::String, 0, E),
    f("metadata", o(&meta_v1::ObjectMeta), 1, 0),
    f("spec", o(&DaemonSetSpec), 2, 0),
    f("status", o(&DaemonSetStatus), 3, 0),
];

pub static DaemonSetCondition: Type = object("io.k8s.api.extensions.v1beta1.DaemonSetCondition", &DaemonSetCondition_F);
static DaemonSetCondition_F: [Field; 5] = [
    g("type", Shape::String, 1, R, "v1beta1.DaemonSetConditionType", ""),
    g("status", Shape::String, 2, R, "v1.ConditionStatus", ""),
    f("lastTransitionTime", Shape::Time, 3, 0),
    f("reason", Shape::String, 4, E),
    f("message", Shape::String, 5, E),
];

pub static DaemonSetList: Type = object("io.k8s.api.extensions.v1beta1.DaemonSetList", &DaemonSetList_F);
static DaemonSetList_F: [Field; 4] = [
    f("kind", Shape::String, 0, E),
    f("apiVersion", Shape::String, 0, E),
    f("metadata", o(&meta_v1::ListMeta), 1, 0),
    f("items", list(&DaemonSet_S), 2, R),
];

pub static DaemonSetSpec: Type = object("io.k8s.api.extensions.v1beta1.DaemonSetSpec", &DaemonSetSpec_F);
static DaemonSetSpec_F: [Field; 6] = [
    f("selector", o(&meta_v1::LabelSelector), 1, P | E),
    f("template", o(&core_v1::PodTemplateSpec), 2, R),
    f("updateStrategy", o(&DaemonSetUpdateStrategy), 3, 0),
    f("minReadySeconds", Shape::Int32, 4, E),
    f("templateGeneration", Shape::Int64, 5, E),
    f("revisionHistoryLimit", Shape::Int32, 6, P | E),
];

pub static DaemonSetStatus: Type = object("io.k8s.api.extensions.v1beta1.DaemonSetStatus", &DaemonSetStatus_F);
static DaemonSetStatus_F: [Field; 10] = [
    f("currentNumberScheduled", Shape::Int32, 1, R),
    f("numberMisscheduled", Shape::Int32, 2, R),
    f("desiredNumberScheduled", Shape::Int32, 3, R),
    f("numberReady", Shape::Int32, 4, R),
    f("observedGeneration", Shape::Int64, 5, E),
    f("updatedNumberScheduled", Shape::Int32, 6, E),
    f("numberAvailable", Shape::Int32, 7, E),
    f("numberUnavailable", Shape::Int32, 8, E),
    f("collisionCount", Shape::Int32, 9, P | E),
    k("conditions", list(&DaemonSetCondition_S), 10, E | MERGE, &BY_type, "type"),
];

pub static DaemonSetUpdateStrategy: Type = object("io.k8s.api.extensions.v1beta1.DaemonSetUpdateStrategy", &DaemonSetUpdateStrategy_F);
static DaemonSetUpdateStrategy_F: [Field; 2] = [
    g("type", Shape::String, 1, E, "v1beta1.DaemonSetUpdateStrategyType", ""),
    f("rollingUpdate", o(&RollingUpdateDaemonSet), 2, P | E),
];

pub static Deployment: Type = object("io.k8s.api.extensions.v1beta1.Deployment", &Deployment_F);
static Deployment_F: [Field; 5] = [
    f("kind", Shape::String, 0, E),
    f("apiVersion", Shape::String, 0, E),
    f("metadata", o(&meta_v1::ObjectMeta), 1, 0),
    f("spec", o(&DeploymentSpec), 2, 0),
    f("status", o(&DeploymentStatus), 3, 0),
];

pub static DeploymentCondition: Type = object("io.k8s.api.extensions.v1beta1.DeploymentCondition", &DeploymentCondition_F);
static DeploymentCondition_F: [Field; 6] = [
    g("type", Shape::String, 1, R, "v1beta1.DeploymentConditionType", ""),
    g("status", Shape::String, 2, R, "v1.ConditionStatus", ""),
    f("lastUpdateTime", Shape::Time, 6, 0),
    f("lastTransitionTime", Shape::Time, 7, 0),
    f("reason", Shape::String, 4, E),
    f("message", Shape::String, 5, E),
];

pub static DeploymentList: Type = object("io.k8s.api.extensions.v1beta1.DeploymentList", &DeploymentList_F);
static DeploymentList_F: [Field; 4] = [
    f("kind", Shape::String, 0, E),
    f("apiVersion", Shape::String, 0, E),
    f("metadata", o(&meta_v1::ListMeta), 1, 0),
    f("items", list(&Deployment_S), 2, R),
];

pub static DeploymentRollback: Type = object("io.k8s.api.extensions.v1beta1.DeploymentRollback", &DeploymentRollback_F);
static DeploymentRollback_F: [Field; 5] = [
    f("kind", Shape::String, 0, E),
    f("apiVersion", Shape::String, 0, E),
    f("name", Shape::String, 1, R),
    f("updatedAnnotations", map(&STRING_S), 2, E),
    f("rollbackTo", o(&RollbackConfig), 3, R),
];

pub static DeploymentSpec: Type = object("io.k8s.api.extensions.v1beta1.DeploymentSpec", &DeploymentSpec_F);
static DeploymentSpec_F: [Field; 9] = [
    f("replicas", Shape::Int32, 1, P | E),
    f("selector", o(&meta_v1::LabelSelector), 2, P | E),
    f("template", o(&core_v1::PodTemplateSpec), 3, R),
    f("strategy", o(&DeploymentStrategy), 4, RETAIN),
    f("minReadySeconds", Shape::Int32, 5, E),
    f("revisionHistoryLimit", Shape::Int32, 6, P | E),
    f("paused", Shape::Bool, 7, E),
    f("rollbackTo", o(&RollbackConfig), 8, P | E),
    f("progressDeadlineSeconds", Shape::Int32, 9, P | E),
];

pub static DeploymentStatus: Type = object("io.k8s.api.extensions.v1beta1.DeploymentStatus", &DeploymentStatus_F);
static DeploymentStatus_F: [Field; 9] = [
    f("observedGeneration", Shape::Int64, 1, E),
    f("replicas", Shape::Int32, 2, E),
    f("updatedReplicas", Shape::Int32, 3, E),
    f("readyReplicas", Shape::Int32, 7, E),
    f("availableReplicas", Shape::Int32, 4, E),
    f("unavailableReplicas", Shape::Int32, 5, E),
    f("terminatingReplicas", Shape::Int32, 9, P | E),
    k("conditions", list(&DeploymentCondition_S), 6, E | MERGE, &BY_type, "type"),
    f("collisionCount", Shape::Int32, 8, P | E),
];

pub static DeploymentStrategy: Type = object("io.k8s.api.extensions.v1beta1.DeploymentStrategy", &DeploymentStrategy_F);
static DeploymentStrategy_F: [Field; 2] = [
    g("type", Shape::String, 1, E, "v1beta1.DeploymentStrategyType", ""),
    f("rollingUpdate", o(&RollingUpdateDeployment), 2, P | E),
];

pub static HTTPIngressPath: Type = object("io.k8s.api.extensions.v1beta1.HTTPIngressPath", &HTTPIngressPath_F);
static HTTPIngressPath_F: [Field; 3] = [
    f("path", Shape::String, 1, E),
    g("pathType", Shape::String, 3, P | E, "v1beta1.PathType", ""),
    f("backend", o(&IngressBackend), 2, R),
];

pub static HTTPIngressRuleValue: Type = object("io.k8s.api.extensions.v1beta1.HTTPIngressRuleValue", &HTTPIngressRuleValue_F);
static HTTPIngressRuleValue_F: [Field; 1] = [
    f("paths", list(&HTTPIngressPath_S), 1, R),
];

pub static IPBlock: Type = object("io.k8s.api.extensions.v1beta1.IPBlock", &IPBlock_F);
static IPBlock_F: [Field; 2] = [
    f("cidr", Shape::String, 1, R),
    f("except", list(&STRING_S), 2, E),
];

pub static Ingress: Type = object("io.k8s.api.extensions.v1beta1.Ingress", &Ingress_F);
static Ingress_F: [Field; 5] = [
    f("kind", Shape::String, 0, E),
    f("apiVersion", Shape::String, 0, E),
    f("metadata", o(&meta_v1::ObjectMeta), 1, 0),
    f("spec", o(&IngressSpec), 2, 0),
    f("status", o(&IngressStatus), 3, 0),
];

pub static IngressBackend: Type = object("io.k8s.api.extensions.v1beta1.IngressBackend", &IngressBackend_F);
static IngressBackend_F: [Field; 3] = [
    f("serviceName", Shape::String, 1, E),
    f("servicePort", Shape::IntOrString, 2, 0),
    f("resource", o(&core_v1::TypedLocalObjectReference), 3, P | E),
];

pub static IngressList: Type = object("io.k8s.api.extensions.v1beta1.IngressList", &IngressList_F);
static IngressList_F: [Field; 4] = [
    f("kind", Shape::String, 0, E),
    f("apiVersion", Shape::String, 0, E),
    f("metadata", o(&meta_v1::ListMeta), 1, 0),
    f("items", list(&Ingress_S), 2, R),
];

pub static IngressLoadBalancerIngress: Type = object("io.k8s.api.extensions.v1beta1.IngressLoadBalancerIngress", &IngressLoadBalancerIngress_F);
static IngressLoadBalancerIngress_F: [Field; 3] = [
    f("ip", Shape::String, 1, E),
    f("hostname", Shape::String, 2, E),
    f("ports", list(&IngressPortStatus_S), 4, E),
];

pub static IngressLoadBalancerStatus: Type = object("io.k8s.api.extensions.v1beta1.IngressLoadBalancerStatus", &IngressLoadBalancerStatus_F);
static IngressLoadBalancerStatus_F: [Field; 1] = [
    f("ingress", list(&IngressLoadBalancerIngress_S), 1, E),
];

pub static IngressPortStatus: Type = object("io.k8s.api.extensions.v1beta1.IngressPortStatus", &IngressPortStatus_F);
static IngressPortStatus_F: [Field; 3] = [
    f("port", Shape::Int32, 1, R),
    g("protocol", Shape::String, 2, R, "v1.Protocol", ""),
    f("error", Shape::String, 3, P | E),
];

pub static IngressRule: Type = object("io.k8s.api.extensions.v1beta1.IngressRule", &IngressRule_F);
static IngressRule_F: [Field; 2] = [
    f("host", Shape::String, 1, E),
    f("", o(&IngressRuleValue), 2, 0),
];

pub static IngressRuleValue: Type = object("io.k8s.api.extensions.v1beta1.IngressRuleValue", &IngressRuleValue_F);
static IngressRuleValue_F: [Field; 1] = [
    f("http", o(&HTTPIngressRuleValue), 1, P | E),
];

pub static IngressSpec: Type = object("io.k8s.api.extensions.v1beta1.IngressSpec", &IngressSpec_F);
static IngressSpec_F: [Field; 4] = [
    f("ingressClassName", Shape::String, 4, P | E),
    f("backend", o(&IngressBackend), 1, P | E),
    f("tls", list(&IngressTLS_S), 2, E),
    f("rules", list(&IngressRule_S), 3, E),
];

pub static IngressStatus: Type = object("io.k8s.api.extensions.v1beta1.IngressStatus", &IngressStatus_F);
static IngressStatus_F: [Field; 1] = [
    f("loadBalancer", o(&IngressLoadBalancerStatus), 1, 0),
];

pub static IngressTLS: Type = object("io.k8s.api.extensions.v1beta1.IngressTLS", &IngressTLS_F);
static IngressTLS_F: [Field; 2] = [
    f("hosts", list(&STRING_S), 1, E),
    f("secretName", Shape::String, 2, E),
];

pub static NetworkPolicy: Type = object("io.k8s.api.extensions.v1beta1.NetworkPolicy", &NetworkPolicy_F);
static NetworkPolicy_F: [Field; 4] = [
    f("kind", Shape::String, 0, E),
    f("apiVersion", Shape::String, 0, E),
    f("metadata", o(&meta_v1::ObjectMeta), 1, 0),
    f("spec", o(&NetworkPolicySpec), 2, 0),
];

pub static NetworkPolicyEgressRule: Type = object("io.k8s.api.extensions.v1beta1.NetworkPolicyEgressRule", &NetworkPolicyEgressRule_F);
static NetworkPolicyEgressRule_F: [Field; 2] = [
    f("ports", list(&NetworkPolicyPort_S), 1, E),
    f("to", list(&NetworkPolicyPeer_S), 2, E),
];

pub static NetworkPolicyIngressRule: Type = object("io.k8s.api.extensions.v1beta1.NetworkPolicyIngressRule", &NetworkPolicyIngressRule_F);
static NetworkPolicyIngressRule_F: [Field; 2] = [
    f("ports", list(&NetworkPolicyPort_S), 1, E),
    f("from", list(&NetworkPolicyPeer_S), 2, E),
];

pub static NetworkPolicyList: Type = object("io.k8s.api.extensions.v1beta1.NetworkPolicyList", &NetworkPolicyList_F);
static NetworkPolicyList_F: [Field; 4] = [
    f("kind", Shape::String, 0, E),
    f("apiVersion", Shape::String, 0, E),
    f("metadata", o(&meta_v1::ListMeta), 1, 0),
    f("items", list(&NetworkPolicy_S), 2, R),
];

pub static NetworkPolicyPeer: Type = object("io.k8s.api.extensions.v1beta1.NetworkPolicyPeer", &NetworkPolicyPeer_F);
static NetworkPolicyPeer_F: [Field; 3] = [
    f("podSelector", o(&meta_v1::LabelSelector), 1, P | E),
    f("namespaceSelector", o(&meta_v1::LabelSelector), 2, P | E),
    f("ipBlock", o(&IPBlock), 3, P | E),
];

pub static NetworkPolicyPort: Type = object("io.k8s.api.extensions.v1beta1.NetworkPolicyPort", &NetworkPolicyPort_F);
static NetworkPolicyPort_F: [Field; 3] = [
    g("protocol", Shape::String, 1, P | E, "v1.Protocol", ""),
    f("port", Shape::IntOrString, 2, P | E),
    f("endPort", Shape::Int32, 3, P | E),
];

pub static NetworkPolicySpec: Type = object("io.k8s.api.extensions.v1beta1.NetworkPolicySpec", &NetworkPolicySpec_F);
static NetworkPolicySpec_F: [Field; 4] = [
    f("podSelector", o(&meta_v1::LabelSelector), 1, R),
    f("ingress", list(&NetworkPolicyIngressRule_S), 2, E),
    f("egress", list(&NetworkPolicyEgressRule_S), 3, E),
    g("policyTypes", list(&STRING_S), 4, E, "[]v1beta1.PolicyType", ""),
];

pub static ReplicaSet: Type = object("io.k8s.api.extensions.v1beta1.ReplicaSet", &ReplicaSet_F);
static ReplicaSet_F: [Field; 5] = [
    f("kind", Shape::String, 0, E),
    f("apiVersion", Shape::String, 0, E),
    f("metadata", o(&meta_v1::ObjectMeta), 1, 0),
    f("spec", o(&ReplicaSetSpec), 2, 0),
    f("status", o(&ReplicaSetStatus), 3, 0),
];

pub static ReplicaSetCondition: Type = object("io.k8s.api.extensions.v1beta1.ReplicaSetCondition", &ReplicaSetCondition_F);
static ReplicaSetCondition_F: [Field; 5] = [
    g("type", Shape::String, 1, R, "v1beta1.ReplicaSetConditionType", ""),
    g("status", Shape::String, 2, R, "v1.ConditionStatus", ""),
    f("lastTransitionTime", Shape::Time, 3, 0),
    f("reason", Shape::String, 4, E),
    f("message", Shape::String, 5, E),
];

pub static ReplicaSetList: Type = object("io.k8s.api.extensions.v1beta1.ReplicaSetList", &ReplicaSetList_F);
static ReplicaSetList_F: [Field; 4] = [
    f("kind", Shape::String, 0, E),
    f("apiVersion", Shape::String, 0, E),
    f("metadata", o(&meta_v1::ListMeta), 1, 0),
    f("items", list(&ReplicaSet_S), 2, R),
];

pub static ReplicaSetSpec: Type = object("io.k8s.api.extensions.v1beta1.ReplicaSetSpec", &ReplicaSetSpec_F);
static ReplicaSetSpec_F: [Field; 4] = [
    f("replicas", Shape::Int32, 1, P | E),
    f("minReadySeconds", Shape::Int32, 4, E),
    f("selector", o(&meta_v1::LabelSelector), 2, P | E),
    f("template", o(&core_v1::PodTemplateSpec), 3, 0),
];

pub static ReplicaSetStatus: Type = object("io.k8s.api.extensions.v1beta1.ReplicaSetStatus", &ReplicaSetStatus_F);
static ReplicaSetStatus_F: [Field; 7] = [
    f("replicas", Shape::Int32, 1, R),
    f("fullyLabeledReplicas", Shape::Int32, 2, E),
    f("readyReplicas", Shape::Int32, 4, E),
    f("availableReplicas", Shape::Int32, 5, E),
    f("terminatingReplicas", Shape::Int32, 7, P | E),
    f("observedGeneration", Shape::Int64, 3, E),
    k("conditions", list(&ReplicaSetCondition_S), 6, E | MERGE, &BY_type, "type"),
];

pub static RollbackConfig: Type = object("io.k8s.api.extensions.v1beta1.RollbackConfig", &RollbackConfig_F);
static RollbackConfig_F: [Field; 1] = [
    f("revision", Shape::Int64, 1, E),
];

pub static RollingUpdateDaemonSet: Type = object("io.k8s.api.extensions.v1beta1.RollingUpdateDaemonSet", &RollingUpdateDaemonSet_F);
static RollingUpdateDaemonSet_F: [Field; 2] = [
    f("maxUnavailable", Shape::IntOrString, 1, P | E),
    f("maxSurge", Shape::IntOrString, 2, P | E),
];

pub static RollingUpdateDeployment: Type = object("io.k8s.api.extensions.v1beta1.RollingUpdateDeployment", &RollingUpdateDeployment_F);
static RollingUpdateDeployment_F: [Field; 2] = [
    f("maxUnavailable", Shape::IntOrString, 1, P | E),
    f("maxSurge", Shape::IntOrString, 2, P | E),
];

pub static Scale: Type = object("io.k8s.api.extensions.v1beta1.Scale", &Scale_F);
static Scale_F: [Field; 5] = [
    f("kind", Shape::String, 0, E),
    f("apiVersion", Shape::String, 0, E),
    f("metadata", o(&meta_v1::ObjectMeta), 1, 0),
    f("spec", o(&ScaleSpec), 2, 0),
    f("status", o(&ScaleStatus), 3, 0),
];

pub static ScaleSpec: Type = object("io.k8s.api.extensions.v1beta1.ScaleSpec", &ScaleSpec_F);
static ScaleSpec_F: [Field; 1] = [
    g("replicas", Shape::Int32, 1, E, "", "0"),
];

pub static ScaleStatus: Type = object("io.k8s.api.extensions.v1beta1.ScaleStatus", &ScaleStatus_F);
static ScaleStatus_F: [Field; 3] = [
    f("replicas", Shape::Int32, 1, R),
    f("selector", map(&STRING_S), 2, E | ATOMIC),
    f("targetSelector", Shape::String, 3, E),
];

// Keys of lists.
static BY_type: [Key; 1] = [key("type")];

// Elements of lists and maps.
pub static DaemonSetCondition_S: Shape = o(&DaemonSetCondition);
pub static DaemonSet_S: Shape = o(&DaemonSet);
pub static DeploymentCondition_S: Shape = o(&DeploymentCondition);
pub static Deployment_S: Shape = o(&Deployment);
pub static HTTPIngressPath_S: Shape = o(&HTTPIngressPath);
pub static IngressLoadBalancerIngress_S: Shape = o(&IngressLoadBalancerIngress);
pub static IngressPortStatus_S: Shape = o(&IngressPortStatus);
pub static IngressRule_S: Shape = o(&IngressRule);
pub static IngressTLS_S: Shape = o(&IngressTLS);
pub static Ingress_S: Shape = o(&Ingress);
pub static NetworkPolicyEgressRule_S: Shape = o(&NetworkPolicyEgressRule);
pub static NetworkPolicyIngressRule_S: Shape = o(&NetworkPolicyIngressRule);
pub static NetworkPolicyPeer_S: Shape = o(&NetworkPolicyPeer);
pub static NetworkPolicyPort_S: Shape = o(&NetworkPolicyPort);
pub static NetworkPolicy_S: Shape = o(&NetworkPolicy);
pub static ReplicaSetCondition_S: Shape = o(&ReplicaSetCondition);
pub static ReplicaSet_S: Shape = o(&ReplicaSet);
