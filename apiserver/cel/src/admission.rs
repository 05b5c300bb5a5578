//! The environments of admission's expressions: policies, match conditions, mutations.
//!
//! Source: apiserver `pkg/admission/plugin/cel`, `pkg/cel/mutation`.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use crate::decl_type::DeclType;
use crate::env::{Env, StructTypes};
use crate::escaping::unescape;
use crate::types::{Name, StructType, Type};

/// What the expressions of one policy may mention, besides what all may.
#[derive(Clone, Copy, Debug, Default)]
pub struct Declared {
    pub params: bool,
    pub authorizer: bool,
    pub patch_types: bool,
}

struct Fixed {
    name: &'static str,
    fields: BTreeMap<&'static str, Type>,
}

impl StructType for Fixed {
    fn name(&self) -> &str {
        self.name
    }

    fn field(&self, name: &str) -> Option<Type> {
        // Words of the language are escaped where they are fields.
        let name = unescape(name)?;
        self.fields.get(&*name).cloned()
    }
}

fn structure(name: &'static str, fields: &[(&'static str, Type)]) -> Type {
    Type::Struct(Arc::new(Fixed { name, fields: fields.iter().cloned().collect() }))
}

static REQUEST: LazyLock<Type> = LazyLock::new(|| {
    let text = || Type::String;
    let kind = structure("kubernetes.GroupVersionKind", &[("group", text()), ("version", text()), ("kind", text())]);
    let resource =
        structure("kubernetes.GroupVersionResource", &[("group", text()), ("version", text()), ("resource", text())]);
    let user = structure(
        "kubernetes.UserInfo",
        &[
            ("username", text()),
            ("uid", text()),
            ("groups", Type::list(text())),
            ("extra", Type::map(text(), Type::list(text()))),
        ],
    );
    structure(
        "kubernetes.AdmissionRequest",
        &[
            ("kind", kind.clone()),
            ("resource", resource.clone()),
            ("subResource", text()),
            ("requestKind", kind),
            ("requestResource", resource),
            ("requestSubResource", text()),
            ("name", text()),
            ("namespace", text()),
            ("operation", text()),
            ("userInfo", user),
            ("dryRun", Type::Bool),
            ("options", Type::Dyn),
        ],
    )
});

static NAMESPACE: LazyLock<Type> = LazyLock::new(|| {
    let text = || Type::String;
    let labels = || Type::map(text(), text());
    let metadata = structure(
        "kubernetes.NamespaceMetadata",
        &[
            ("name", text()),
            ("generateName", text()),
            ("namespace", text()),
            ("labels", labels()),
            ("annotations", labels()),
            ("UID", text()),
            ("creationTimestamp", Type::Timestamp),
            ("deletionGracePeriodSeconds", Type::Int),
            ("deletionTimestamp", Type::Timestamp),
            ("generation", Type::Int),
            ("resourceVersion", text()),
            ("finalizers", Type::list(text())),
        ],
    );
    let condition = structure(
        "kubernetes.NamespaceCondition",
        &[
            ("status", text()),
            ("type", text()),
            ("lastTransitionTime", Type::Timestamp),
            ("message", text()),
            ("reason", text()),
        ],
    );
    let spec = structure("kubernetes.NamespaceSpec", &[("finalizers", Type::list(text()))]);
    let status = structure("kubernetes.NamespaceStatus", &[("conditions", Type::list(condition)), ("phase", text())]);
    structure("kubernetes.Namespace", &[("metadata", metadata), ("spec", spec), ("status", status)])
});

/// The environment of a policy's expressions. `variables`: none where they cannot be mentioned at all.
#[must_use]
pub fn environment(declared: Declared, variables: Option<&Arc<VariablesType>>) -> Env {
    let mut env = Env::new()
        .variable_of("object", Type::Dyn)
        .variable_of("oldObject", Type::Dyn)
        .variable_of("namespaceObject", NAMESPACE.clone())
        .variable_of("request", REQUEST.clone());
    env = with_variables(env, variables);
    if declared.params {
        env = env.variable_of("params", Type::Dyn);
    }
    if declared.authorizer {
        env = env
            .variable_of("authorizer", Type::opaque("kubernetes.authorization.Authorizer"))
            .variable_of("authorizer.requestResource", Type::opaque("kubernetes.authorization.ResourceCheck"));
    }
    if declared.patch_types {
        env = env.struct_types(Arc::new(PatchTypes));
    }
    env
}

fn with_variables(env: Env, variables: Option<&Arc<VariablesType>>) -> Env {
    match variables {
        Some(variables) => env.variable_of("variables", Type::Struct(variables.clone())),
        None => env,
    }
}

/// The environment in which a policy's expressions are checked against the types of the objects that it is about.
/// `params`: none where a policy takes none, and of no type where the type is not known.
#[must_use]
pub fn typed_environment(
    object: &Arc<DeclType>,
    params: Option<Option<&Arc<DeclType>>>,
    variables: &Arc<VariablesType>,
) -> Env {
    let env = Env::new()
        .variable_of("object", object.cel_type())
        .variable_of("oldObject", object.cel_type())
        .variable_of("namespaceObject", NAMESPACE.clone())
        .variable_of("request", REQUEST.clone())
        .variable_of("authorizer", Type::opaque("kubernetes.authorization.Authorizer"));
    let env = match params {
        Some(of) => env.variable_of("params", of.map_or(Type::Dyn, DeclType::cel_type)),
        None => env,
    };
    with_variables(env, Some(variables))
}

/// The type of the variable `variables`.
#[derive(Clone, Default)]
pub struct VariablesType {
    fields: BTreeMap<String, Type>,
}

impl VariablesType {
    /// These variables and one more, of a type or of any.
    #[must_use]
    pub fn with(&self, name: &str, of: Option<&Type>) -> VariablesType {
        let mut more = self.clone();
        more.fields.insert(name.to_owned(), of.map_or(Type::Dyn, shown));
        more
    }
}

impl StructType for VariablesType {
    fn name(&self) -> &str {
        "kubernetes.variables"
    }

    fn field(&self, name: &str) -> Option<Type> {
        self.fields.get(name).cloned()
    }
}

/// The type that others see: what is no plain data is dynamic.
fn shown(of: &Type) -> Type {
    match of {
        Type::List(element) => Type::list(shown(element)),
        Type::Map(key, value) => Type::map(shown(key), shown(value)),
        Type::Struct(_) | Type::Opaque(..) | Type::Type(_) | Type::Error | Type::Param(_) => Type::Dyn,
        other => other.clone(),
    }
}

struct PatchTypes;

/// A message with whatever fields an expression gives it; what stands in it is checked when it is applied.
struct Message(Name);

impl StructType for Message {
    fn name(&self) -> &str {
        &self.0
    }

    fn field(&self, name: &str) -> Option<Type> {
        match (&*self.0, name) {
            ("JSONPatch", "op" | "from" | "path") => Some(Type::String),
            ("JSONPatch", "value") => Some(Type::Dyn),
            // What upstream takes an unknown field for: a type without a name, which nothing is of.
            ("JSONPatch", _) => Some(Type::opaque("")),
            _ => Some(Type::Dyn),
        }
    }
}

/// A message type by its name.
#[must_use]
pub fn message(name: &str) -> Type {
    Type::Struct(Arc::new(Message(name.into())))
}

impl StructTypes for PatchTypes {
    fn find(&self, name: &str) -> Option<Type> {
        (name == "JSONPatch" || name == "Object" || name.starts_with("Object.")).then(|| message(name))
    }
}
