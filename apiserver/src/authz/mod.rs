//! Who may do what: the authorizers in the order in which they are asked.

use std::sync::Arc;

use crate::authn::User;
use crate::flags::Flags;
use crate::request::RequestInfo;
use crate::server::Server;

pub mod escalation;
mod node;
pub mod rbac;

/// A question for the authorizers.
#[derive(Clone, Debug)]
pub struct Attributes<'a> {
    pub user: &'a User,
    pub verb: &'a str,
    pub is_resource: bool,
    pub group: &'a str,
    pub resource: &'a str,
    pub subresource: &'a str,
    pub namespace: &'a str,
    pub name: &'a str,
    /// The path of a request that is about no resource.
    pub path: &'a str,
}

impl<'a> Attributes<'a> {
    pub fn of(user: &'a User, info: &'a RequestInfo) -> Self {
        Attributes {
            user,
            verb: info.verb,
            is_resource: info.is_resource,
            group: &info.group,
            resource: &info.resource,
            subresource: &info.subresource,
            namespace: &info.namespace,
            name: &info.name,
            path: &info.path,
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
    /// Nothing is known for it; the next authorizer may.
    NoOpinion(String),
}

impl Decision {
    pub fn is_allowed(&self) -> bool {
        matches!(self, Decision::Allow(_))
    }

    pub fn reason(&self) -> &str {
        match self {
            Decision::Allow(reason) | Decision::NoOpinion(reason) => reason,
        }
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

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    AlwaysAllow,
    AlwaysDeny,
    Node,
    Rbac,
}

/// The authorizers of `--authorization-mode`.
pub struct Authorization {
    modes: Vec<Mode>,
    pub rbac: Arc<rbac::Rbac>,
}

impl Authorization {
    pub fn new(flags: &Flags) -> anyhow::Result<Authorization> {
        let mode = |name: &String| match name.as_str() {
            "AlwaysAllow" => Ok(Mode::AlwaysAllow),
            "AlwaysDeny" => Ok(Mode::AlwaysDeny),
            "Node" => Ok(Mode::Node),
            "RBAC" => Ok(Mode::Rbac),
            "Webhook" => anyhow::bail!("authorization-mode Webhook is not supported yet"),
            other => anyhow::bail!("authorization-mode {other:?} is not a valid mode"),
        };
        let modes = flags.authorization_mode.iter().map(mode).collect::<anyhow::Result<Vec<_>>>()?;
        anyhow::ensure!(!modes.is_empty(), "at least one authorization-mode must be passed");
        Ok(Authorization { modes, rbac: Arc::default() })
    }

    /// Asks each authorizer until one decides.
    pub fn decide(&self, server: &Server, attributes: &Attributes<'_>) -> Decision {
        // Its members are trusted before any mode is asked.
        if attributes.user.is_in(crate::authn::MASTERS) {
            return Decision::Allow(String::new());
        }
        let mut reasons = Vec::new();
        for mode in &self.modes {
            let decision = match mode {
                Mode::AlwaysAllow => Decision::Allow(String::new()),
                Mode::AlwaysDeny => Decision::NoOpinion("Everything is forbidden.".to_owned()),
                Mode::Node => node::decide(server, attributes),
                Mode::Rbac => self.rbac.decide(server, attributes),
            };
            match decision {
                Decision::NoOpinion(reason) if reason.is_empty() => {}
                Decision::NoOpinion(reason) => reasons.push(reason),
                decided => return decided,
            }
        }
        Decision::NoOpinion(reasons.join("\n"))
    }

    /// What a user may do in a namespace and in the whole cluster, as far as the authorizers can list it.
    pub fn rules(&self, server: &Server, user: &User, namespace: &str) -> KnownRules {
        let mut known = KnownRules::default();
        for mode in &self.modes {
            match mode {
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
        self.modes.contains(&Mode::Rbac)
    }
}
