//! DefaultBinder: binds by the pod's Binding subresource.

use k8s_openapi::{
    api::core::v1::{Binding, ObjectReference},
    apimachinery::pkg::apis::meta::v1::ObjectMeta,
};

use super::{NOTHING, Plugin};
use crate::{framework::Bind, pod::PodInfo};

pub const PLUGIN: Plugin = Plugin { name: "DefaultBinder", bind: Some(&DefaultBinder), ..NOTHING };

struct DefaultBinder;

impl Bind for DefaultBinder {
    fn bind(&self, pod: &PodInfo, node: &str) -> Binding {
        Binding {
            metadata: ObjectMeta {
                namespace: Some(pod.namespace().to_string()),
                name: Some(pod.name().to_string()),
                // The API server refuses to bind a namesake.
                uid: Some(pod.uid.to_string()),
                ..ObjectMeta::default()
            },
            target: ObjectReference {
                kind: Some("Node".to_string()),
                name: Some(node.to_string()),
                ..ObjectReference::default()
            },
        }
    }
}
