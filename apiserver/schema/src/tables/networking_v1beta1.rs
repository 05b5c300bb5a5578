//! The types of `networking_v1beta1`. Made by `cargo run -p hack-xtask -- codegen`; do not edit.
#![allow(non_upper_case_globals)] // The Go names, so that a type is found by its name.

use super::{core_v1, meta_v1};
use crate::row::*;

pub static HTTPIngressPath: Type = object("io.k8s.api.networking.v1beta1.HTTPIngressPath", &HTTPIngressPath_F);
static HTTPIngressPath_F: [Field; 3] = [
    f("path", Shape::String, 1, E),
    g("pathType", Shape::String, 3, P | E, "v1beta1.PathType", ""),
    f("backend", o(&IngressBackend), 2, R),
];

pub static HTTPIngressRuleValue: Type = object("io.k8s.api.networking.v1beta1.HTTPIngressRuleValue", &HTTPIngressRuleValue_F);
static HTTPIngressRuleValue_F: [Field; 1] = [
    f("paths", list(&HTTPIngressPath_S), 1, R),
];

pub static IPAddress: Type = object("io.k8s.api.networking.v1beta1.IPAddress", &IPAddress_F);
static IPAddress_F: [Field; 4] = [
    f("kind", Shape::String, 0, E),
    f("apiVersion", Shape::String, 0, E),
    f("metadata", o(&meta_v1::ObjectMeta), 1, 0),
    f("spec", o(&IPAddressSpec), 2, R),
];

pub static IPAddressList: Type = object("io.k8s.api.networking.v1beta1.IPAddressList", &IPAddressList_F);
static IPAddressList_F: [Field; 4] = [
    f("kind", Shape::String, 0, E),
    f("apiVersion", Shape::String, 0, E),
    f("metadata", o(&meta_v1::ListMeta), 1, 0),
    f("items", list(&IPAddress_S), 2, R),
];

pub static IPAddressSpec: Type = object("io.k8s.api.networking.v1beta1.IPAddressSpec", &IPAddressSpec_F);
static IPAddressSpec_F: [Field; 1] = [
    f("parentRef", o(&ParentReference), 1, P | E | R),
];

pub static Ingress: Type = object("io.k8s.api.networking.v1beta1.Ingress", &Ingress_F);
static Ingress_F: [Field; 5] = [
    f("kind", Shape::String, 0, E),
    f("apiVersion", Shape::String, 0, E),
    f("metadata", o(&meta_v1::ObjectMeta), 1, 0),
    f("spec", o(&IngressSpec), 2, 0),
    f("status", o(&IngressStatus), 3, 0),
];

pub static IngressBackend: Type = object("io.k8s.api.networking.v1beta1.IngressBackend", &IngressBackend_F);
static IngressBackend_F: [Field; 3] = [
    f("serviceName", Shape::String, 1, E),
    f("servicePort", Shape::IntOrString, 2, 0),
    f("resource", o(&core_v1::TypedLocalObjectReference), 3, P | E),
];

pub static IngressClass: Type = object("io.k8s.api.networking.v1beta1.IngressClass", &IngressClass_F);
static IngressClass_F: [Field; 4] = [
    f("kind", Shape::String, 0, E),
    f("apiVersion", Shape::String, 0, E),
    f("metadata", o(&meta_v1::ObjectMeta), 1, 0),
    f("spec", o(&IngressClassSpec), 2, 0),
];

pub static IngressClassList: Type = object("io.k8s.api.networking.v1beta1.IngressClassList", &IngressClassList_F);
static IngressClassList_F: [Field; 4] = [
    f("kind", Shape::String, 0, E),
    f("apiVersion", Shape::String, 0, E),
    f("metadata", o(&meta_v1::ListMeta), 1, 0),
    f("items", list(&IngressClass_S), 2, R),
];

pub static IngressClassParametersReference: Type = object("io.k8s.api.networking.v1beta1.IngressClassParametersReference", &IngressClassParametersReference_F);
static IngressClassParametersReference_F: [Field; 5] = [
    f("apiGroup", Shape::String, 1, P | E),
    f("kind", Shape::String, 2, R),
    f("name", Shape::String, 3, R),
    f("scope", Shape::String, 4, P | R),
    f("namespace", Shape::String, 5, P | E),
];

pub static IngressClassSpec: Type = object("io.k8s.api.networking.v1beta1.IngressClassSpec", &IngressClassSpec_F);
static IngressClassSpec_F: [Field; 2] = [
    f("controller", Shape::String, 1, E),
    f("parameters", o(&IngressClassParametersReference), 2, P | E),
];

pub static IngressList: Type = object("io.k8s.api.networking.v1beta1.IngressList", &IngressList_F);
static IngressList_F: [Field; 4] = [
    f("kind", Shape::String, 0, E),
    f("apiVersion", Shape::String, 0, E),
    f("metadata", o(&meta_v1::ListMeta), 1, 0),
    f("items", list(&Ingress_S), 2, R),
];

pub static IngressLoadBalancerIngress: Type = object("io.k8s.api.networking.v1beta1.IngressLoadBalancerIngress", &IngressLoadBalancerIngress_F);
static IngressLoadBalancerIngress_F: [Field; 3] = [
    f("ip", Shape::String, 1, E),
    f("hostname", Shape::String, 2, E),
    f("ports", list(&IngressPortStatus_S), 4, E),
];

pub static IngressLoadBalancerStatus: Type = object("io.k8s.api.networking.v1beta1.IngressLoadBalancerStatus", &IngressLoadBalancerStatus_F);
static IngressLoadBalancerStatus_F: [Field; 1] = [
    f("ingress", list(&IngressLoadBalancerIngress_S), 1, E),
];

pub static IngressPortStatus: Type = object("io.k8s.api.networking.v1beta1.IngressPortStatus", &IngressPortStatus_F);
static IngressPortStatus_F: [Field; 3] = [
    f("port", Shape::Int32, 1, R),
    g("protocol", Shape::String, 2, R, "v1.Protocol", ""),
    f("error", Shape::String, 3, P | E),
];

pub static IngressRule: Type = object("io.k8s.api.networking.v1beta1.IngressRule", &IngressRule_F);
static IngressRule_F: [Field; 2] = [
    f("host", Shape::String, 1, E),
    f("", o(&IngressRuleValue), 2, 0),
];

pub static IngressRuleValue: Type = object("io.k8s.api.networking.v1beta1.IngressRuleValue", &IngressRuleValue_F);
static IngressRuleValue_F: [Field; 1] = [
    f("http", o(&HTTPIngressRuleValue), 1, P | E),
];

pub static IngressSpec: Type = object("io.k8s.api.networking.v1beta1.IngressSpec", &IngressSpec_F);
static IngressSpec_F: [Field; 4] = [
    f("ingressClassName", Shape::String, 4, P | E),
    f("backend", o(&IngressBackend), 1, P | E),
    f("tls", list(&IngressTLS_S), 2, E),
    f("rules", list(&IngressRule_S), 3, E),
];

pub static IngressStatus: Type = object("io.k8s.api.networking.v1beta1.IngressStatus", &IngressStatus_F);
static IngressStatus_F: [Field; 1] = [
    f("loadBalancer", o(&IngressLoadBalancerStatus), 1, 0),
];

pub static IngressTLS: Type = object("io.k8s.api.networking.v1beta1.IngressTLS", &IngressTLS_F);
static IngressTLS_F: [Field; 2] = [
    f("hosts", list(&STRING_S), 1, E),
    f("secretName", Shape::String, 2, E),
];

pub static ParentReference: Type = object("io.k8s.api.networking.v1beta1.ParentReference", &ParentReference_F);
static ParentReference_F: [Field; 4] = [
    f("group", Shape::String, 1, E),
    f("resource", Shape::String, 2, E | R),
    f("namespace", Shape::String, 3, E),
    f("name", Shape::String, 4, E | R),
];

pub static ServiceCIDR: Type = object("io.k8s.api.networking.v1beta1.ServiceCIDR", &ServiceCIDR_F);
static ServiceCIDR_F: [Field; 5] = [
    f("kind", Shape::String, 0, E),
    f("apiVersion", Shape::String, 0, E),
    f("metadata", o(&meta_v1::ObjectMeta), 1, 0),
    f("spec", o(&ServiceCIDRSpec), 2, 0),
    f("status", o(&ServiceCIDRStatus), 3, 0),
];

pub static ServiceCIDRList: Type = object("io.k8s.api.networking.v1beta1.ServiceCIDRList", &ServiceCIDRList_F);
static ServiceCIDRList_F: [Field; 4] = [
    f("kind", Shape::String, 0, E),
    f("apiVersion", Shape::String, 0, E),
    f("metadata", o(&meta_v1::ListMeta), 1, 0),
    f("items", list(&ServiceCIDR_S), 2, R),
];

pub static ServiceCIDRSpec: Type = object("io.k8s.api.networking.v1beta1.ServiceCIDRSpec", &ServiceCIDRSpec_F);
static ServiceCIDRSpec_F: [Field; 1] = [
    f("cidrs", list(&STRING_S), 1, E),
];

pub static ServiceCIDRStatus: Type = object("io.k8s.api.networking.v1beta1.ServiceCIDRStatus", &ServiceCIDRStatus_F);
static ServiceCIDRStatus_F: [Field; 1] = [
    k("conditions", list(&meta_v1::Condition_S), 1, E | MERGE, &BY_type, "type"),
];

// Keys of lists.
static BY_type: [Key; 1] = [key("type")];

// Elements of lists and maps.
pub static HTTPIngressPath_S: Shape = o(&HTTPIngressPath);
pub static IPAddress_S: Shape = o(&IPAddress);
pub static IngressClass_S: Shape = o(&IngressClass);
pub static IngressLoadBalancerIngress_S: Shape = o(&IngressLoadBalancerIngress);
pub static IngressPortStatus_S: Shape = o(&IngressPortStatus);
pub static IngressRule_S: Shape = o(&IngressRule);
pub static IngressTLS_S: Shape = o(&IngressTLS);
pub static Ingress_S: Shape = o(&Ingress);
pub static ServiceCIDR_S: Shape = o(&ServiceCIDR);
