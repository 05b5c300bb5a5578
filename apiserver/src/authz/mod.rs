//! Who may do what: the authorizers in the order in which they are asked.

use std::path::PathBuf;
use std::sync::Arc;

use arc_swap::ArcSwap;
use futures::future::BoxFuture;
use parking_lot::Mutex;

use crate::authn::User;
use crate::flags::Flags;
use crate::request::RequestInfo;
use crate::server::Server;

mod configuration;
pub mod escalation;
mod node;
pub mod rbac;
mod selectors;
mod webhook;

pub use selectors::{NO_SELECTORS, Selectors};

/// A question for the authorizers.
#[derive(Clone, Debug)]
pub struct Attributes<'a> {
    pub user: &'a User,
    pub verb: &'a str,
    pub is_resource: bool,
    pub group: &'a str,
    /// Of the resource as it was asked for.
    pub version: &'a str,
    pub resource: &'a str,
    pub subresource: &'a str,
    pub namespace: &'a str,
    pub name: &'a str,
    /// The path of a request that is about no resource.
    pub path: &'a str,
    /// What of many objects the request is about.
    pub selectors: &'a Selectors,
}

impl<'a> Attributes<'a> {
    pub fn of(user: &'a User, info: &'a RequestInfo) -> Self {
        Attributes {
            user,
            verb: info.verb,
            is_resource: info.is_resource,
            group: &info.group,
            version: &info.version,
            resource: &info.resource,
            subresource: &info.subresource,
            namespace: &info.namespace,
            name: &info.name,
            path: &info.path,
            selectors: &info.selectors,
        }
    }

    /// What the user cannot do, in upstream's words.
    pub fn forbidden_message(&self) -> String {
        let user = &self.user.name;
        if !self.is_resource {
            return format!("User {user:?} cannot {} path {:?}", self.verb, self.path);
        }
        let resource = if self.subresource.is_empty() {
            self.resource.to_owned()
        } else {
            format!("{}/{}", self.resource, self.subresource)
        };
        let place = if self.namespace.is_empty() {
            "at the cluster scope".to_owned()
        } else {
            format!("in the namespace {:?}", self.namespace)
        };
        format!("User {user:?} cannot {} resource {resource:?} in API group {:?} {place}", self.verb, self.group)
    }
}

/// An authorizer's answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    Allow(String),
    /// No authorizer that comes after is asked.
    Deny(String),
    /// Nothing is known for it; the next authorizer may.
    NoOpinion(String),
}

impl Decision {
    pub fn is_allowed(&self) -> bool {
        matches!(self, Decision::Allow(_))
    }

    pub fn reason(&self) -> &str {
        match self {
            Decision::Allow(reason) | Decision::Deny(reason) | Decision::NoOpinion(reason) => reason,
        }
    }
}

/// Several problems as one, in upstream's form: each once, in brackets where there are more.
pub fn aggregate(problems: &[String]) -> String {
    let mut distinct: Vec<&str> = Vec::new();
    for problem in problems {
        if !distinct.contains(&problem.as_str()) {
            distinct.push(problem);
        }
    }
    match distinct.as_slice() {
        [one] => (*one).to_owned(),
        many => format!("[{}]", many.join(", ")),
    }
}

/// What is known of what a user may do.
#[derive(Debug, Default)]
pub struct KnownRules {
    pub rules: Vec<rbac::Rule>,
    /// Whether the user may do more.
    pub incomplete: bool,
    /// What could not be found out.
    pub problems: Vec<String>,
}

/// One of the authorizers that are asked.
pub struct Authorizer {
    mode: Mode,
}

enum Mode {
    AlwaysAllow,
    AlwaysDeny,
    Node,
    Rbac,
    Webhook(Box<webhook::Webhook>),
}

/// The authorizers in the order in which they are asked.
pub struct Authorization {
    authorizers: ArcSwap<Vec<Authorizer>>,
    /// The file that names them, with its contents when it was last looked at.
    configuration: Option<(PathBuf, Mutex<Vec<u8>>)>,
    pub rbac: Arc<rbac::Rbac>,
}

impl Authorization {
    pub fn new(flags: &Flags) -> anyhow::Result<Authorization> {
        let authorizers = configuration::of_flags(flags)?;
        Ok(Authorization {
            authorizers: ArcSwap::from_pointee(authorizers),
            configuration: flags
                .authorization_config
                .as_ref()
                .map(|path| (path.clone(), Mutex::new(std::fs::read(path).unwrap_or_default()))),
            rbac: Arc::default(),
        })
    }

    /// Takes a changed configuration; one that is wrong leaves the old one.
    pub fn reload(&self) {
        let Some((path, seen)) = &self.configuration else { return };
        let mut seen = seen.lock();
        let Ok(bytes) = std::fs::read(path) else { return };
        if bytes == *seen {
            return;
        }
        *seen = bytes;
        match configuration::read(path) {
            Ok(authorizers) => {
                self.authorizers.store(Arc::new(authorizers));
                tracing::info!(file = %path.display(), "reloaded authz config");
            }
            Err(error) => tracing::error!(error = format!("{error:#}"), "failed to load authz config"),
        }
    }

    /// Asks each authorizer until one decides. The future owns what it waits for of the authorizers.
    pub fn ask<'a>(&'a self, server: &'a Server, attributes: &'a Attributes<'a>) -> BoxFuture<'a, Decision> {
        let authorizers = self.authorizers.load_full();
        Box::pin(async move {
            let mut reasons = Vec::new();
            // Its members are trusted before any authorizer is asked.
            if attributes.user.is_in(crate::authn::MASTERS) {
                return Decision::Allow(String::new());
            }
            for authorizer in authorizers.iter() {
                let decision = match &authorizer.mode {
                    Mode::Webhook(webhook) => webhook.decide(attributes).await,
                    mode => self.at_once(mode, server, attributes),
                };
                match decision {
                    Decision::NoOpinion(reason) if reason.is_empty() => {}
                    Decision::NoOpinion(reason) => reasons.push(reason),
                    decided => return decided,
                }
            }
            Decision::NoOpinion(reasons.join("\n"))
        })
    }

    /// As [`Authorization::ask`], for questions that come up in the midst of other work. Where a webhook has to be
    /// asked for that, this thread waits and others take over its tasks.
    pub fn decide(&self, server: &Server, attributes: &Attributes<'_>) -> Decision {
        if self.authorizers.load().iter().any(|authorizer| matches!(authorizer.mode, Mode::Webhook(_))) {
            let ask = || tokio::runtime::Handle::current().block_on(self.ask(server, attributes));
            return tokio::task::block_in_place(ask);
        }
        if attributes.user.is_in(crate::authn::MASTERS) {
            return Decision::Allow(String::new());
        }
        let mut reasons = Vec::new();
        for authorizer in self.authorizers.load().iter() {
            match self.at_once(&authorizer.mode, server, attributes) {
                Decision::NoOpinion(reason) if reason.is_empty() => {}
                Decision::NoOpinion(reason) => reasons.push(reason),
                decided => return decided,
            }
        }
        Decision::NoOpinion(reasons.join("\n"))
    }

    /// What an authorizer decides that asks nobody.
    fn at_once(&self, mode: &Mode, server: &Server, attributes: &Attributes<'_>) -> Decision {
        match mode {
            Mode::AlwaysAllow => Decision::Allow(String::new()),
            Mode::AlwaysDeny => Decision::NoOpinion("Everything is forbidden.".to_owned()),
            Mode::Node => node::decide(server, attributes),
            Mode::Rbac => self.rbac.decide(server, attributes),
            Mode::Webhook(_) => Decision::NoOpinion(String::new()),
        }
    }

    /// What a user may do in a namespace and in the whole cluster, as far as the authorizers can list it.
    pub fn rules(&self, server: &Server, user: &User, namespace: &str) -> KnownRules {
        let mut known = KnownRules::default();
        for authorizer in self.authorizers.load().iter() {
            match &authorizer.mode {
                Mode::Webhook(_) => {
                    known.incomplete = true;
                    known.problems.push("webhook authorizer does not support user rule resolution".to_owned());
                }
                Mode::AlwaysAllow => known.rules.extend(rbac::Rule::everything()),
                Mode::AlwaysDeny => {}
                Mode::Node if node::is_node(user) => {
                    known.incomplete = true;
                    known.problems.push("node authorizer does not support user rule resolution".to_owned());
                }
                Mode::Node => {}
                Mode::Rbac => {
                    let (rules, mut problems) = self.rbac.rules_and_problems(server, user, namespace);
                    known.rules.extend(rules);
                    known.problems.append(&mut problems);
                }
            }
        }
        known
    }

    pub fn has_rbac(&self) -> bool {
        self.authorizers.load().iter().any(|authorizer| matches!(authorizer.mode, Mode::Rbac))
    }
}
