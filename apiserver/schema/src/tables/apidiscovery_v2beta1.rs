//! The types of `apidiscovery_v2beta1`. Made by `cargo run -p hack-xtask -- codegen`; do not edit.
#![allow(non_upper_case_globals)] // The Go names, so that a type is found by its name.

use super::meta_v1;
use crate::row::*;

pub static APIGroupDiscovery: Type = object("io.k8s.api.apidiscovery.v2beta1.APIGroupDiscovery", &APIGroupDiscovery_F);
static APIGroupDiscovery_F: [Field; 4] = [
    f("kind", Shape::String, 0, E),
    f("apiVersion", Shape::String, 0, E),
    f("metadata", o(&meta_v1::ObjectMeta), 1, 0),
    k("versions", list(&APIVersionDiscovery_S), 2, E, &BY_version, ""),
];

pub static APIGroupDiscoveryList: Type = object("io.k8s.api.apidiscovery.v2beta1.APIGroupDiscoveryList", &APIGroupDiscoveryList_F);
static APIGroupDiscoveryList_F: [Field; 4] = [
    f("kind", Shape::String, 0, E),
    f("apiVersion", Shape::String, 0, E),
    f("metadata", o(&meta_v1::ListMeta), 1, 0),
    f("items", list(&APIGroupDiscovery_S), 2, R),
];

pub static APIResourceDiscovery: Type = object("io.k8s.api.apidiscovery.v2beta1.APIResourceDiscovery", &APIResourceDiscovery_F);
static APIResourceDiscovery_F: [Field; 8] = [
    f("resource", Shape::String, 1, R),
    f("responseKind", o(&meta_v1::GroupVersionKind), 2, P | E),
    g("scope", Shape::String, 3, R, "v2beta1.ResourceScope", ""),
    f("singularResource", Shape::String, 4, R),
    f("verbs", list(&STRING_S), 5, R | SET),
    f("shortNames", list(&STRING_S), 6, E | SET),
    f("categories", list(&STRING_S), 7, E | SET),
    k("subresources", list(&APISubresourceDiscovery_S), 8, E, &BY_subresource, ""),
];

pub static APISubresourceDiscovery: Type = object("io.k8s.api.apidiscovery.v2beta1.APISubresourceDiscovery", &APISubresourceDiscovery_F);
static APISubresourceDiscovery_F: [Field; 4] = [
    f("subresource", Shape::String, 1, R),
    f("responseKind", o(&meta_v1::GroupVersionKind), 2, P | E),
    k("acceptedTypes", list(&meta_v1::GroupVersionKind_S), 3, E, &BY_group_version_kind, ""),
    f("verbs", list(&STRING_S), 4, R | SET),
];

pub static APIVersionDiscovery: Type = object("io.k8s.api.apidiscovery.v2beta1.APIVersionDiscovery", &APIVersionDiscovery_F);
static APIVersionDiscovery_F: [Field; 3] = [
    f("version", Shape::String, 1, R),
    k("resources", list(&APIResourceDiscovery_S), 2, E, &BY_resource, ""),
    g("freshness", Shape::String, 3, E, "v2beta1.DiscoveryFreshness", ""),
];

// Keys of lists.
static BY_group_version_kind: [Key; 3] = [key("group"), key("version"), key("kind")];
static BY_resource: [Key; 1] = [key("resource")];
static BY_subresource: [Key; 1] = [key("subresource")];
static BY_version: [Key; 1] = [key("version")];

// Elements of lists and maps.
pub static APIGroupDiscovery_S: Shape = o(&APIGroupDiscovery);
pub static APIResourceDiscovery_S: Shape = o(&APIResourceDiscovery);
pub static APISubresourceDiscovery_S: Shape = o(&APISubresourceDiscovery);
pub static APIVersionDiscovery_S: Shape = o(&APIVersionDiscovery);
