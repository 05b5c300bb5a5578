//! One operation (a method on a path) and how each OpenAPI writes it.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use crate::definitions::Flavour;
use crate::parameters::Parameter;

/// A method on a path.
pub struct Operation {
    /// In lower case.
    pub method: &'static str,
    pub id: String,
    pub tag: String,
    pub description: String,
    /// `x-kubernetes-action`; empty for what is not about a resource.
    pub action: &'static str,
    /// Group, version and kind of what it is about.
    pub kind: Option<(String, String, String)>,
    pub parameters: Vec<Parameter>,
    pub body: Option<Body>,
    pub media_types: MediaTypes,
    /// Status codes but 401, with what they answer.
    pub responses: &'static [u16],
    pub answer: Answer,
}

/// What a request carries.
pub struct Body {
    pub definition: String,
    pub required: bool,
    pub patch: bool,
}

/// What a response carries.
pub enum Answer {
    Definition(String),
    Text,
}

/// In which forms an operation answers.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum MediaTypes {
    Object,
    /// An object or a stream of watch events.
    Watchable,
    /// Text, or an error as an object.
    Log,
    Any,
    Json,
    KeySet,
}

const JSON: &str = "application/json";
const YAML: &str = "application/yaml";
const PROTOBUF: &str = "application/vnd.kubernetes.protobuf";
const PATCHES: [&str; 4] = [
    "application/json-patch+json",
    "application/merge-patch+json",
    "application/strategic-merge-patch+json",
    "application/apply-patch+yaml",
];

impl MediaTypes {
    fn list(self) -> &'static [&'static str] {
        match self {
            MediaTypes::Object => &[JSON, YAML, PROTOBUF],
            MediaTypes::Watchable => &[
                JSON,
                YAML,
                PROTOBUF,
                "application/json;stream=watch",
                "application/vnd.kubernetes.protobuf;stream=watch",
            ],
            MediaTypes::Log => &["text/plain", JSON, YAML, PROTOBUF],
            MediaTypes::Any => &["*/*"],
            MediaTypes::Json => &[JSON],
            MediaTypes::KeySet => &["application/jwk-set+json"],
        }
    }
}

/// The operations of one path. Adds the definitions they refer to to `references`.
pub fn path_item(operations: &[Operation], flavour: Flavour, references: &mut BTreeSet<String>) -> Value {
    let mut item = Map::new();
    let Some(first) = operations.first() else { return Value::Object(item) };
    let common: Vec<&Parameter> = first
        .parameters
        .iter()
        .filter(|parameter| operations.iter().all(|operation| operation.parameters.contains(parameter)))
        .collect();
    for operation in operations {
        operation.references(references);
        item.insert(operation.method.into(), operation.render(flavour, &common));
    }
    if !common.is_empty() {
        item.insert("parameters".into(), render_parameters(common.iter().copied(), flavour).into());
    }
    Value::Object(item)
}

fn render_parameters<'a>(parameters: impl Iterator<Item = &'a Parameter>, flavour: Flavour) -> Vec<Value> {
    let mut sorted: Vec<&Parameter> = parameters.collect();
    sorted.sort_by_key(|parameter| (parameter.name.clone(), parameter.place));
    sorted.into_iter().map(|parameter| parameter.render(flavour)).collect()
}

impl Operation {
    fn references(&self, out: &mut BTreeSet<String>) {
        if let Answer::Definition(name) = &self.answer {
            out.insert(name.clone());
        }
        if let Some(body) = &self.body {
            out.insert(body.definition.clone());
        }
    }

    fn render(&self, flavour: Flavour, common: &[&Parameter]) -> Value {
        let own = self.parameters.iter().filter(|parameter| !common.contains(parameter));
        let mut parameters = render_parameters(own, flavour);
        let mut rendered = Map::new();
        rendered.insert("tags".into(), json!([self.tag]));
        rendered.insert("description".into(), self.description.as_str().into());
        rendered.insert("operationId".into(), self.id.as_str().into());
        if let Some(body) = &self.body {
            let schema = flavour.reference(&body.definition);
            match flavour {
                Flavour::V2 => {
                    let mut parameter = json!({"name": "body", "in": "body", "schema": schema});
                    if body.required {
                        parameter["required"] = true.into();
                    }
                    parameters.insert(0, parameter);
                }
                Flavour::V3 => {
                    let media_types: &[&str] = if body.patch { &PATCHES } else { &["*/*"] };
                    let mut request = json!({"content": content(media_types, &schema)});
                    if body.required {
                        request["required"] = true.into();
                    }
                    rendered.insert("requestBody".into(), request);
                }
            }
        }
        if !parameters.is_empty() {
            rendered.insert("parameters".into(), parameters.into());
        }
        if flavour == Flavour::V2 {
            if let Some(consumes) = self.consumes() {
                rendered.insert("consumes".into(), consumes.into());
            }
            rendered.insert("produces".into(), self.media_types.list().into());
            rendered.insert("schemes".into(), json!(["https"]));
        }
        rendered.insert("responses".into(), self.render_responses(flavour));
        if !self.action.is_empty() {
            rendered.insert("x-kubernetes-action".into(), self.action.into());
        }
        if let Some((group, version, kind)) = &self.kind {
            let kind = json!({"group": group, "version": version, "kind": kind});
            rendered.insert("x-kubernetes-group-version-kind".into(), kind);
        }
        Value::Object(rendered)
    }

    /// What OpenAPI v2 says the operation reads.
    fn consumes(&self) -> Option<&'static [&'static str]> {
        if self.body.as_ref().is_some_and(|body| body.patch) {
            return Some(&PATCHES);
        }
        match (self.action, self.media_types) {
            ("", MediaTypes::Object) => Some(&[JSON, YAML, PROTOBUF]),
            ("", MediaTypes::Json) if matches!(self.answer, Answer::Definition(_)) => Some(&[JSON]),
            ("", _) => None,
            _ => Some(&["*/*"]),
        }
    }

    fn render_responses(&self, flavour: Flavour) -> Value {
        let schema = match &self.answer {
            Answer::Definition(name) => flavour.reference(name),
            Answer::Text => json!({"type": "string"}),
        };
        let mut responses = Map::new();
        for code in self.responses {
            let description = match code {
                201 => "Created",
                202 => "Accepted",
                _ => "OK",
            };
            let response = match flavour {
                Flavour::V2 => json!({"description": description, "schema": schema}),
                Flavour::V3 => {
                    json!({"description": description, "content": content(self.media_types.list(), &schema)})
                }
            };
            responses.insert(code.to_string(), response);
        }
        responses.insert("401".into(), json!({"description": "Unauthorized"}));
        Value::Object(responses)
    }
}

fn content(media_types: &[&str], schema: &Value) -> Value {
    Value::Object(media_types.iter().map(|media_type| ((*media_type).into(), json!({"schema": schema}))).collect())
}
