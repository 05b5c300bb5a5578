//! `authorizer.group("apps").resource("deployments").namespace("x").check("create").allowed()`: the chain that
//! narrows down what is asked, and the question to the authorizer that the caller gave.

use std::fmt;
use std::sync::Arc;

use super::{failed, library_value, no_overload, object};
use crate::plan::Call;
use crate::value::{Evaluated, Value};

/// What an expression asks an authorizer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Attributes {
    /// Another user than that of the request: a service account, by namespace and name.
    pub service_account: Option<(String, String)>,
    /// A path that is no resource's; then only the verb counts besides.
    pub path: Option<String>,
    pub group: String,
    pub resource: String,
    pub subresource: String,
    pub namespace: String,
    pub name: String,
    /// As written; not yet parsed.
    pub field_selector: String,
    /// As written; not yet parsed.
    pub label_selector: String,
    pub verb: String,
}

/// What an authorizer answers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Decision {
    pub allowed: bool,
    pub reason: String,
    /// What went wrong while deciding.
    pub error: Option<String>,
}

/// Answers what an expression asks on behalf of the user of a request.
pub trait Authorizer: Send + Sync {
    /// Decides; called during evaluations, so it must not take long.
    fn authorize(&self, attributes: &Attributes) -> Decision;
}

#[derive(Clone)]
struct Chain {
    authorizer: Arc<dyn Authorizer>,
    attributes: Attributes,
}

impl fmt::Debug for Chain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.attributes.fmt(f)
    }
}

impl PartialEq for Chain {
    fn eq(&self, other: &Chain) -> bool {
        Arc::ptr_eq(&self.authorizer, &other.authorizer) && self.attributes == other.attributes
    }
}

#[derive(Clone, Debug, PartialEq)]
struct Root(Chain);
#[derive(Clone, Debug, PartialEq)]
struct PathCheck(Chain);
#[derive(Clone, Debug, PartialEq)]
struct GroupCheck(Chain);
#[derive(Clone, Debug, PartialEq)]
struct ResourceCheck(Chain);

library_value!(Root, "kubernetes.authorization.Authorizer", |_root| None);
library_value!(PathCheck, "kubernetes.authorization.PathCheck", |_check| None);
library_value!(GroupCheck, "kubernetes.authorization.GroupCheck", |_check| None);
library_value!(ResourceCheck, "kubernetes.authorization.ResourceCheck", |_check| None);
library_value!(Decision, "kubernetes.authorization.Decision", |_decision| None);

impl Value<'_> {
    /// The variable `authorizer`: its type is `kubernetes.authorization.Authorizer`.
    #[must_use]
    pub fn authorizer(authorizer: Arc<dyn Authorizer>) -> Value<'static> {
        Value::Object(Arc::new(Root(Chain { authorizer, attributes: Attributes::default() })))
    }

    /// The variable `authorizer.requestResource`: its type is `kubernetes.authorization.ResourceCheck`.
    #[must_use]
    pub fn resource_authorizer(authorizer: Arc<dyn Authorizer>, attributes: Attributes) -> Value<'static> {
        Value::Object(Arc::new(ResourceCheck(Chain { authorizer, attributes })))
    }
}

/// All that narrows down the question.
pub(crate) fn narrow<'a>(call: &Call, args: Vec<Value<'a>>) -> Evaluated<'a> {
    let Some((target, rest)) = args.split_first() else { return no_overload() };
    let texts: Option<Vec<&str>> = rest
        .iter()
        .map(|value| match value {
            Value::String(text) => Some(&**text),
            _ => None,
        })
        .collect();
    let Some(texts) = texts else { return no_overload() };
    let [text, more @ ..] = texts.as_slice() else { return no_overload() };
    let blank = text.trim().is_empty();
    if let Some(Root(chain)) = object(target) {
        let mut chain = chain.clone();
        return match (call.name, more) {
            ("path", []) if blank => failed("path must not be empty"),
            ("path", []) => {
                chain.attributes.path = Some((*text).to_owned());
                Ok(Value::Object(Arc::new(PathCheck(chain))))
            }
            ("group", []) => {
                chain.attributes.group = (*text).to_owned();
                Ok(Value::Object(Arc::new(GroupCheck(chain))))
            }
            ("serviceAccount", [name]) => service_account(chain, text, name),
            _ => no_overload(),
        };
    }
    if let Some(GroupCheck(chain)) = object(target) {
        if call.name != "resource" {
            return no_overload();
        }
        if blank {
            return failed("resource must not be empty");
        }
        let mut chain = chain.clone();
        chain.attributes.resource = (*text).to_owned();
        return Ok(Value::Object(Arc::new(ResourceCheck(chain))));
    }
    let Some(ResourceCheck(chain)) = object(target) else { return no_overload() };
    let mut chain = chain.clone();
    let field = match call.name {
        "subresource" => &mut chain.attributes.subresource,
        "namespace" => &mut chain.attributes.namespace,
        "name" => &mut chain.attributes.name,
        "fieldSelector" => &mut chain.attributes.field_selector,
        "labelSelector" => &mut chain.attributes.label_selector,
        _ => return no_overload(),
    };
    *field = (*text).to_owned();
    Ok(Value::Object(Arc::new(ResourceCheck(chain))))
}

fn service_account<'a>(mut chain: Chain, namespace: &str, name: &str) -> Evaluated<'a> {
    if !super::format::is_name(name) {
        return failed("Invalid service account name");
    }
    if !super::format::is_label(namespace) {
        return failed("Invalid service account namespace");
    }
    chain.attributes.service_account = Some((namespace.to_owned(), name.to_owned()));
    Ok(Value::Object(Arc::new(Root(chain))))
}

pub(crate) fn check<'a>(_: &Call, args: Vec<Value<'a>>) -> Evaluated<'a> {
    let [target, Value::String(verb)] = args.as_slice() else { return no_overload() };
    let chain = match (object::<PathCheck>(target), object::<ResourceCheck>(target)) {
        (Some(PathCheck(chain)), _) | (_, Some(ResourceCheck(chain))) => chain,
        _ => return no_overload(),
    };
    let attributes = Attributes { verb: (**verb).to_owned(), ..chain.attributes.clone() };
    Ok(Value::Object(Arc::new(chain.authorizer.authorize(&attributes))))
}

pub(crate) fn decision<'a>(call: &Call, args: Vec<Value<'a>>) -> Evaluated<'a> {
    let Some(decision) = args.first().and_then(object::<Decision>) else { return no_overload() };
    Ok(match call.name {
        "allowed" => Value::Bool(decision.allowed),
        "reason" => Value::string(&decision.reason),
        "errored" => Value::Bool(decision.error.is_some()),
        _ => Value::string(decision.error.as_deref().unwrap_or_default()),
    })
}
