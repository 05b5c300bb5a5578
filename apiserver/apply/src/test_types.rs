//! Small types for tests, shaped like a Deployment.

use std::borrow::Cow;
use std::sync::Arc;

use apiserver_schema::{Field, ListType, MapType, Omit, PatchStrategy, Ref, Shape, Type};

const NO_STRATEGY: PatchStrategy = PatchStrategy { merge: false, replace: false, retain_keys: false };

/// An optional field without any special treatment.
pub fn field(name: &'static str, shape: Shape) -> Field {
    // Go's omitempty has no effect on structs.
    let omit = if matches!(shape, Shape::Object(_)) { Omit::Never } else { Omit::Empty };
    Field {
        name: name.into(),
        shape,
        number: 0,
        pointer: false,
        omit,
        required: false,
        list_type: ListType::Atomic,
        map_type: MapType::Granular,
        patch_strategy: NO_STRATEGY,
        patch_merge_key: "".into(),
        default: "".into(),
        go_type: "".into(),
        wrapped: false,
    }
}

pub fn required(name: &'static str, shape: Shape) -> Field {
    Field { omit: Omit::Never, required: true, ..field(name, shape) }
}

pub fn pointer(name: &'static str, shape: Shape) -> Field {
    Field { pointer: true, omit: Omit::Empty, ..field(name, shape) }
}

pub fn object(name: &'static str, fields: Vec<Field>) -> Shape {
    Shape::Object(Ref::Shared(ty(name, fields)))
}

pub fn ty(name: &'static str, fields: Vec<Field>) -> Arc<Type> {
    Arc::new(Type {
        name: name.into(),
        fields: fields.into(),
        atomic: false,
        preserve_unknown: false,
        structural: None,
    })
}

pub fn list_of(shape: Shape) -> Shape {
    Shape::List(Ref::Shared(Arc::new(shape)))
}

pub fn map_of(shape: Shape) -> Shape {
    Shape::Map(Ref::Shared(Arc::new(shape)))
}

/// A list merged by `keys`, both ways; the first is the merge key of patches.
pub fn keyed(name: &'static str, element: Shape, keys: &[&'static str]) -> Field {
    let names: Vec<Cow<'static, str>> = keys.iter().map(|key| (*key).into()).collect();
    Field {
        list_type: ListType::Map(names.into()),
        patch_strategy: PatchStrategy { merge: true, ..NO_STRATEGY },
        patch_merge_key: keys[0].into(),
        ..field(name, list_of(element))
    }
}

pub fn set(name: &'static str) -> Field {
    Field {
        list_type: ListType::Set,
        patch_strategy: PatchStrategy { merge: true, ..NO_STRATEGY },
        ..field(name, list_of(Shape::String))
    }
}

/// A Deployment in miniature, with one field of each way to merge.
pub fn deployment() -> Arc<Type> {
    let metadata = || {
        object(
            "meta.v1.ObjectMeta",
            vec![
                field("name", Shape::String),
                field("namespace", Shape::String),
                field("uid", Shape::String),
                field("resourceVersion", Shape::String),
                field("generation", Shape::Int64),
                Field { omit: Omit::Zero, ..field("creationTimestamp", Shape::Time) },
                field("labels", map_of(Shape::String)),
                field("annotations", map_of(Shape::String)),
                set("finalizers"),
                field("managedFields", list_of(Shape::Raw)),
            ],
        )
    };
    let port = object(
        "core.v1.ContainerPort",
        vec![
            field("name", Shape::String),
            required("containerPort", Shape::Int32),
            Field { default: "\"TCP\"".into(), ..field("protocol", Shape::String) },
        ],
    );
    let env = object("core.v1.EnvVar", vec![required("name", Shape::String), field("value", Shape::String)]);
    let container = object(
        "core.v1.Container",
        vec![
            required("name", Shape::String),
            field("image", Shape::String),
            field("command", list_of(Shape::String)),
            keyed("ports", port, &["containerPort", "protocol"]),
            keyed("env", env, &["name"]),
            field("resources", object("core.v1.ResourceRequirements", vec![field("limits", map_of(Shape::Quantity))])),
        ],
    );
    let volume = object(
        "core.v1.Volume",
        vec![
            required("name", Shape::String),
            pointer("emptyDir", object("core.v1.EmptyDir", vec![field("medium", Shape::String)])),
            pointer("hostPath", object("core.v1.HostPath", vec![required("path", Shape::String)])),
        ],
    );
    let volumes = keyed("volumes", volume, &["name"]);
    let pod_spec = object(
        "core.v1.PodSpec",
        vec![
            Field { patch_strategy: PatchStrategy { retain_keys: true, ..volumes.patch_strategy }, ..volumes },
            Field { omit: Omit::Never, ..keyed("containers", container, &["name"]) },
            field("nodeName", Shape::String),
            Field { map_type: MapType::Atomic, ..field("nodeSelector", map_of(Shape::String)) },
            field("tolerations", list_of(object("core.v1.Toleration", vec![field("key", Shape::String)]))),
            pointer("hostNetwork", Shape::Bool),
        ],
    );
    let template = object("core.v1.PodTemplateSpec", vec![field("metadata", metadata()), field("spec", pod_spec)]);
    let rolling = object("apps.v1.RollingUpdate", vec![pointer("maxSurge", Shape::IntOrString)]);
    let strategy =
        object("apps.v1.DeploymentStrategy", vec![field("type", Shape::String), pointer("rollingUpdate", rolling)]);
    let selector = Shape::Object(Ref::Shared(Arc::new(Type {
        name: "meta.v1.LabelSelector".into(),
        fields: vec![field("matchLabels", map_of(Shape::String))].into(),
        atomic: true,
        preserve_unknown: false,
        structural: None,
    })));
    let spec = object(
        "apps.v1.DeploymentSpec",
        vec![
            pointer("replicas", Shape::Int32),
            Field { pointer: true, ..required("selector", selector) },
            required("template", template),
            Field { patch_strategy: PatchStrategy { retain_keys: true, ..NO_STRATEGY }, ..field("strategy", strategy) },
            field("parameters", Shape::Raw),
        ],
    );
    let condition =
        object("apps.v1.DeploymentCondition", vec![required("type", Shape::String), required("status", Shape::String)]);
    let status = object(
        "apps.v1.DeploymentStatus",
        vec![field("replicas", Shape::Int32), keyed("conditions", condition, &["type"])],
    );
    ty(
        "apps.v1.Deployment",
        vec![
            field("apiVersion", Shape::String),
            field("kind", Shape::String),
            field("metadata", metadata()),
            field("spec", spec),
            field("status", status),
        ],
    )
}
