//! DefaultIngressClass: an Ingress without a class gets the default one.

use async_trait::async_trait;
use serde_json::Value;

use super::{Attributes, Operation, Plugin};
use crate::object;
use crate::status::Result;

pub struct DefaultIngressClass;

const GROUP: &str = "networking.k8s.io";

#[async_trait]
impl Plugin for DefaultIngressClass {
    fn handles(&self, attributes: &Attributes<'_>) -> bool {
        attributes.operation == Operation::Create && attributes.is(GROUP, "ingresses")
    }

    async fn admit(&self, attributes: &Attributes<'_>, ingress: &mut Value) -> Result<()> {
        let annotated = !ingress["metadata"]["annotations"]["kubernetes.io/ingress.class"].is_null();
        if annotated || !ingress["spec"]["ingressClassName"].is_null() {
            return Ok(());
        }
        let classes = attributes.server().list_cached(GROUP, "ingressclasses")?;
        if let Some(class) = newest_default(classes, &["ingressclass.kubernetes.io/is-default-class"]) {
            object::set(ingress, &["spec", "ingressClassName"], object::meta(&class, "name"));
        }
        Ok(())
    }
}

/// Of the classes that one of the annotations marks as default the newest, of equally new ones the first by name.
pub fn newest_default(classes: Vec<Value>, annotations: &[&str]) -> Option<Value> {
    let marked = |class: &Value| annotations.iter().any(|key| class["metadata"]["annotations"][*key] == "true");
    let mut defaults: Vec<Value> = classes.into_iter().filter(marked).collect();
    defaults.sort_by(|a, b| {
        let age = |class: &Value| object::meta(class, "creationTimestamp").to_owned();
        age(b).cmp(&age(a)).then_with(|| object::meta(a, "name").cmp(object::meta(b, "name")))
    });
    defaults.into_iter().next()
}
