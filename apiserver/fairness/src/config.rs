//! The API objects that configure priority and fairness, as far as they matter here.

use serde::Deserialize;

/// A `FlowSchema`.
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(default)]
pub struct FlowSchema {
    pub metadata: Metadata,
    pub spec: FlowSchemaSpec,
}

/// A `PriorityLevelConfiguration`.
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(default)]
pub struct PriorityLevel {
    pub metadata: Metadata,
    pub spec: PriorityLevelSpec,
}

#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(default)]
pub struct Metadata {
    pub name: String,
    pub uid: String,
}

#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(rename_all = "camelCase", default)]
pub struct FlowSchemaSpec {
    pub matching_precedence: i32,
    pub priority_level_configuration: Reference,
    pub distinguisher_method: Option<DistinguisherMethod>,
    pub rules: Vec<Rule>,
}

#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(default)]
pub struct Reference {
    pub name: String,
}

/// What tells the flows of one schema apart.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(tag = "type")]
pub enum DistinguisherMethod {
    ByUser,
    ByNamespace,
}

#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(rename_all = "camelCase", default)]
pub struct Rule {
    pub subjects: Vec<Subject>,
    pub resource_rules: Vec<ResourceRule>,
    pub non_resource_rules: Vec<NonResourceRule>,
}

#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(tag = "kind")]
pub enum Subject {
    User {
        user: Reference,
    },
    Group {
        group: Reference,
    },
    #[serde(rename_all = "camelCase")]
    ServiceAccount {
        service_account: Account,
    },
}

#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(default)]
pub struct Account {
    pub namespace: String,
    pub name: String,
}

#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(rename_all = "camelCase", default)]
pub struct ResourceRule {
    pub verbs: Vec<String>,
    pub api_groups: Vec<String>,
    pub resources: Vec<String>,
    pub cluster_scope: bool,
    pub namespaces: Vec<String>,
}

#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(default)]
pub struct NonResourceRule {
    pub verbs: Vec<String>,
    #[serde(rename = "nonResourceURLs")]
    pub non_resource_urls: Vec<String>,
}

#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(default)]
pub struct PriorityLevelSpec {
    pub r#type: String,
    pub limited: Option<Limited>,
    pub exempt: Option<Exempt>,
}

#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(rename_all = "camelCase", default)]
pub struct Limited {
    pub nominal_concurrency_shares: Option<u32>,
    pub lendable_percent: Option<u32>,
    pub borrowing_limit_percent: Option<u32>,
    pub limit_response: LimitResponse,
}

#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(default)]
pub struct LimitResponse {
    pub r#type: String,
    pub queuing: Option<QueuingSpec>,
}

#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq)]
#[serde(rename_all = "camelCase", default)]
pub struct QueuingSpec {
    pub queues: usize,
    pub hand_size: usize,
    pub queue_length_limit: usize,
}

#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(rename_all = "camelCase", default)]
pub struct Exempt {
    pub nominal_concurrency_shares: Option<u32>,
    pub lendable_percent: Option<u32>,
}

impl PriorityLevel {
    pub fn is_exempt(&self) -> bool {
        self.spec.r#type == "Exempt"
    }

    /// Shares of the server's seats, percent of them that others may use, and percent that may be borrowed.
    pub fn shares(&self) -> (u32, u32, Option<u32>) {
        match (&self.spec.limited, &self.spec.exempt) {
            (Some(limited), _) => (
                limited.nominal_concurrency_shares.unwrap_or(30),
                limited.lendable_percent.unwrap_or(0),
                limited.borrowing_limit_percent,
            ),
            (None, Some(exempt)) => {
                (exempt.nominal_concurrency_shares.unwrap_or(0), exempt.lendable_percent.unwrap_or(0), None)
            }
            (None, None) => (0, 0, None),
        }
    }

    /// The queues; none where requests are refused at once.
    pub fn queuing(&self) -> Option<QueuingSpec> {
        self.spec.limited.as_ref()?.limit_response.queuing
    }

    /// What is wrong with an object that validation would have refused.
    pub fn problem(&self) -> Option<&'static str> {
        let (exempt, spec) = (self.is_exempt(), &self.spec);
        if (spec.r#type == "Limited") != spec.limited.is_some() || exempt != spec.exempt.is_some() {
            return Some("broken union structure at the top");
        }
        if exempt != (self.metadata.name == "exempt") {
            return Some("non-alignment between name and type");
        }
        let response = spec.limited.as_ref().map(|limited| &limited.limit_response)?;
        if (response.r#type == "Reject") == response.queuing.is_some() {
            return Some("broken union structure for limit response");
        }
        let queuing = response.queuing?;
        crate::Dealer::new(queuing.queues, queuing.hand_size).is_none().then_some("invalid shuffle sharding")
    }
}
