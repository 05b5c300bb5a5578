//! pods/binding: the scheduler puts a pod on a node.

use async_trait::async_trait;
use http::{Response, StatusCode};
use hyper::body::Bytes;
use serde_json::Value;

use crate::admission::{self, Attributes, Kind, Operation};
use crate::body::{Body, Expected};
use crate::conditions;
use crate::context::{Context, Target, WriteOptions};
use crate::field::{ErrorList, Path};
use crate::status::{Details, GroupResource, Result, Status};
use crate::verbs::{self, Change};
use crate::{object, respond};

pub async fn bind(context: &Context, target: &Target, bytes: &Bytes) -> Result<Response<Body>> {
    let options = context.write_options()?;
    let ty = apiserver_schema::builtin("", "v1", "Binding").ok_or_else(|| Status::internal("no type for Binding"))?;
    let expected = Expected { group: "", version: "v1", kind: "Binding", ty, older: &[] };
    let mut binding = context.decode(bytes, &expected, options.field_validation, &mut context.warnings.lock())?;
    // The older path, `bindings`, names the pod in the body alone.
    let named = if context.info.name.is_empty() { object::meta(&binding, "name") } else { &context.info.name };
    let name = named.to_owned();
    let info = &context.info;
    let attributes = Attributes::new(context, target, Operation::Create, &info.namespace, &name, options.dry_run)
        .subresource(&info.subresource)
        .kind(Kind { group: "", version: "v1", kind: "Binding" });
    admission::admit_as_sent(&attributes, &mut binding).await?;
    if object::meta(&binding, "name") != name {
        return Err(Status::bad_request("name in URL does not match name in Binding object"));
    }
    admission::validate(&attributes, &binding).await?;
    validate(&binding)?;
    let pods = context.server.served("", "pods").ok_or_else(Status::no_such_path)?;
    let pods = Target { served: std::sync::Arc::clone(pods), version: target.version.clone() };
    let pods = Target { version: pods.resource().versions[0].clone(), ..pods };
    let on_pod = Context {
        server: std::sync::Arc::clone(&context.server),
        info: crate::request::RequestInfo {
            resource: "pods".to_owned(),
            name: name.clone(),
            subresource: "binding".to_owned(),
            verb: "update",
            ..context.info.clone()
        },
        query: context.query.clone(),
        headers: context.headers.clone(),
        user: context.user.clone(),
        warnings: parking_lot::Mutex::default(),
        audit: std::sync::Arc::clone(&context.audit),
    };
    let change = Bind { context: &on_pod, target: &pods, options: &options, binding: &binding, name: &name };
    verbs::change(&on_pod, &pods, &options, &change).await?;
    let mut status = Status::success(Details::default());
    status.details = None;
    status.code = StatusCode::CREATED;
    respond::status(context, &status)
}

fn validate(binding: &Value) -> Result<()> {
    let mut errors = ErrorList::default();
    let target = Path::new("target");
    let kind = binding["target"]["kind"].as_str().unwrap_or_default();
    if !matches!(kind, "" | "Node") {
        errors.not_supported(&target.child("kind"), &kind.into(), &["Node", "<empty>"]);
    }
    if binding["target"]["name"].as_str().unwrap_or_default().is_empty() {
        errors.required(&target.child("name"), "");
    }
    if errors.is_empty() { Ok(()) } else { Err(Status::invalid("", "Binding", object::meta(binding, "name"), &errors)) }
}

struct Bind<'a> {
    context: &'a Context,
    target: &'a Target,
    options: &'a WriteOptions,
    binding: &'a Value,
    name: &'a str,
}

#[async_trait]
impl Change for Bind<'_> {
    async fn make(&self, old: Option<&Value>) -> Result<Value> {
        let pods = GroupResource { group: "", resource: "pods" };
        let old = old.ok_or_else(|| Status::not_found(pods, self.name))?;
        let conflict =
            |why: String| Status::conflict(GroupResource { group: "", resource: "pods/binding" }, self.name, why);
        let uid = object::meta(self.binding, "uid");
        if !uid.is_empty() && uid != object::meta(old, "uid") {
            return Err(conflict(format!(
                "Precondition failed: UID in precondition: {uid}, UID in object meta: {}",
                object::meta(old, "uid")
            )));
        }
        if object::is_terminating(old) {
            return Err(conflict(format!("pod {} is being deleted, cannot be assigned to a host", self.name)));
        }
        let bound = old["spec"]["nodeName"].as_str().unwrap_or_default();
        let node = &self.binding["target"]["name"];
        if !bound.is_empty() {
            return Err(conflict(format!("pod {} is already assigned to node {bound:?}", self.name)));
        }
        if old["spec"]["schedulingGates"].as_array().is_some_and(|gates| !gates.is_empty()) {
            return Err(conflict(format!("pod {} has non-empty .spec.schedulingGates", self.name)));
        }
        let mut pod = old.clone();
        object::set(&mut pod, &["spec", "nodeName"], node.clone());
        for (key, value) in self.binding["metadata"]["annotations"].as_object().into_iter().flatten() {
            object::set(&mut pod, &["metadata", "annotations", key], value.clone());
        }
        for (key, value) in self.binding["metadata"]["labels"].as_object().into_iter().flatten() {
            if pod["metadata"]["labels"][key.as_str()].is_null() {
                object::set(&mut pod, &["metadata", "labels", key], value.clone());
            }
        }
        scheduled(&mut pod);
        verbs::track(self.context, self.target, Some(old), &mut pod, self.options);
        Ok(pod)
    }

    /// As a binding.
    fn is_admitted(&self) -> bool {
        true
    }

    fn is_conditional(&self, _made: &Value) -> bool {
        false
    }
}

/// Sets the condition PodScheduled.
fn scheduled(pod: &mut Value) {
    if !conditions::is_true(pod, "PodScheduled") {
        conditions::set(pod, "PodScheduled", "True", "", "")["lastProbeTime"] = Value::Null;
    }
}
