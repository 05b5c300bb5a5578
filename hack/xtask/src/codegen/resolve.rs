//! From Go declarations to table rows: names are looked up, embedded structs placed, markers read.

use std::collections::BTreeMap;

use anyhow::{Context, Result, bail};

use super::go::{Member, Package, Struct, marker};

/// The package of ObjectMeta and friends.
pub const META: &str = "apimachinery/pkg/apis/meta/v1";

/// Every package, and the types reached so far.
pub struct Universe {
    pub packages: BTreeMap<String, Package>,
    /// By package path and name.
    pub types: BTreeMap<(String, String), Type>,
}

pub struct Type {
    pub definition: String,
    pub atomic: bool,
    pub fields: Vec<Field>,
}

/// One row; the same facts as the schema crate's `Field`.
pub struct Field {
    pub name: String,
    pub shape: Shape,
    pub number: u32,
    pub pointer: bool,
    pub omit: Omit,
    pub required: bool,
    pub list_type: String,
    pub list_keys: Vec<String>,
    pub map_atomic: bool,
    pub strategies: Vec<String>,
    pub merge_key: String,
    pub default: String,
    pub go_type: String,
    pub wrapped: bool,
}

#[derive(Clone, PartialEq, Eq)]
pub enum Shape {
    /// A scalar or special type, by its name in the schema crate's `Shape`.
    Plain(&'static str),
    Object(String, String),
    List(Box<Shape>),
    Map(Box<Shape>),
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Omit {
    Never,
    Empty,
    Zero,
}

struct Resolved {
    shape: Shape,
    /// As Go's `reflect.Type` prints it.
    go: String,
    nullable_list: bool,
    atomic_map: bool,
}

impl Universe {
    pub fn new(packages: BTreeMap<String, Package>) -> Universe {
        Universe { packages, types: BTreeMap::new() }
    }

    /// Takes in a struct and all that it refers to.
    pub fn require(&mut self, path: &str, name: &str) -> Result<()> {
        let key = (path.to_owned(), name.to_owned());
        if self.types.contains_key(&key) {
            return Ok(());
        }
        let (declaration, model) = self.find_struct(path, name)?;
        // Announced before its fields are resolved: types may refer to themselves.
        let atomic = marker(&declaration.markers, "structType") == Some("atomic");
        let definition = format!("{model}.{name}");
        self.types.insert(key.clone(), Type { definition, atomic, fields: Vec::new() });
        let mut fields = Vec::new();
        for member in &declaration.fields {
            self.add_member(&mut fields, path, &declaration, member)
                .with_context(|| format!("{name}.{}{}", member.name, member.go_type))?;
        }
        if let Some(entry) = self.types.get_mut(&key) {
            entry.fields = fields;
        }
        Ok(())
    }

    /// The struct of this name, following `type X Y` and `type X = Y`.
    fn find_struct(&self, path: &str, name: &str) -> Result<(Struct, String)> {
        let package = self.packages.get(path).with_context(|| format!("package {path} is not read"))?;
        if let Some(found) = package.structs.get(name) {
            return Ok((found.clone(), package.model.clone()));
        }
        let named = package.named.get(name).with_context(|| format!("no type {name} in {path}"))?;
        let (target_path, target) = locate(path, &named.imports, &named.target);
        let (mut found, _) = self.find_struct(&target_path, &target)?;
        if found.imports.is_empty() || target_path != path {
            // Field types of the target are resolved where it was declared.
            qualify(&mut found, &target_path);
        }
        Ok((found, package.model.clone()))
    }

    fn add_member(&mut self, fields: &mut Vec<Field>, path: &str, scope: &Struct, member: &Member) -> Result<()> {
        let Some(json) = member.tags.get("json") else {
            bail!("no json tag");
        };
        let mut parts = json.split(',');
        let name = parts.next().unwrap_or_default().to_owned();
        let options: Vec<&str> = parts.collect();
        if name == "-" {
            return Ok(());
        }
        let inline = name.is_empty();
        if inline && member.name.is_empty() && member.go_type.ends_with("TypeMeta") {
            for name in ["kind", "apiVersion"] {
                fields.push(Field::plain(name));
            }
            return Ok(());
        }
        let pointer = member.go_type.starts_with('*');
        let resolved = self.resolve(path, &scope.imports, member.go_type.trim_start_matches('*'))?;
        let number = match member.tags.get("protobuf").map(|tag| tag.split(',').nth(1)) {
            Some(Some(number)) => number.parse().with_context(|| format!("protobuf number {number:?}"))?,
            _ => 0,
        };
        let is_struct = match &resolved.shape {
            Shape::Object(..) => true,
            Shape::Plain(name) => !matches!(*name, "String" | "Bool" | "Int32" | "Int64" | "Float64" | "Bytes"),
            _ => false,
        };
        let omit = match (options.contains(&"omitempty"), options.contains(&"omitzero")) {
            (_, true) if is_struct && !pointer => Omit::Zero,
            (true, _) if is_struct && !pointer => Omit::Never,
            (true, _) => Omit::Empty,
            (false, true) => Omit::Zero,
            (false, false) => Omit::Never,
        };
        let optional = member.marker("required").is_none()
            && (options.contains(&"omitempty") || member.marker("optional").is_some());
        let derived = self.go_name(&resolved.shape);
        fields.push(Field {
            required: !optional && !inline,
            name,
            number,
            pointer,
            omit,
            list_type: member.marker("listType").unwrap_or_default().to_owned(),
            list_keys: member.marker_values("listMapKey").map(str::to_owned).collect(),
            map_atomic: resolved.atomic_map
                || member.marker("mapType") == Some("atomic")
                || member.marker("structType") == Some("atomic"),
            strategies: member
                .tags
                .get("patchStrategy")
                .map(|value| value.split(',').map(str::to_owned).collect())
                .unwrap_or_default(),
            merge_key: member.tags.get("patchMergeKey").cloned().unwrap_or_default(),
            default: self.default(path, member)?,
            go_type: if derived == resolved.go { String::new() } else { resolved.go },
            wrapped: resolved.nullable_list,
            shape: resolved.shape,
        });
        Ok(())
    }

    fn default(&self, path: &str, member: &Member) -> Result<String> {
        let Some(value) = member.marker("default") else { return Ok(String::new()) };
        match value.strip_prefix("ref(").and_then(|value| value.strip_suffix(')')) {
            None => Ok(value.to_owned()),
            Some(constant) => {
                let constant = self.packages[path].constants.get(constant);
                Ok(format!("{:?}", constant.context("no such constant")?))
            }
        }
    }

    fn resolve(&mut self, path: &str, imports: &BTreeMap<String, String>, go_type: &str) -> Result<Resolved> {
        if let Some(element) = go_type.strip_prefix("[]") {
            if element == "byte" {
                return Ok(plain("Bytes", "[]uint8"));
            }
            let element = self.resolve(path, imports, element.trim_start_matches('*'))?;
            return Ok(Resolved {
                go: format!("[]{}", element.go),
                shape: Shape::List(Box::new(element.shape)),
                nullable_list: false,
                atomic_map: false,
            });
        }
        if let Some(rest) = go_type.strip_prefix("map[") {
            let (key, value) = rest.split_once(']').context("a map without a key")?;
            let key = self.resolve(path, imports, key)?.go;
            let value = self.resolve(path, imports, value)?;
            return Ok(Resolved {
                go: format!("map[{key}]{}", value.go),
                shape: Shape::Map(Box::new(value.shape)),
                nullable_list: false,
                atomic_map: false,
            });
        }
        match go_type {
            "string" => return Ok(plain("String", "string")),
            "bool" => return Ok(plain("Bool", "bool")),
            "int32" => return Ok(plain("Int32", "int32")),
            "int" => return Ok(plain("Int64", "int")),
            "int64" => return Ok(plain("Int64", "int64")),
            "float64" => return Ok(plain("Float64", "float64")),
            "interface{}" => return Ok(plain("Raw", "interface {}")),
            _ => {}
        }
        let (target_path, name) = locate(path, imports, go_type);
        let package = target_path.rsplit('/').next().unwrap_or_default();
        let go = format!("{package}.{name}");
        let special = match (target_path.as_str(), name.as_str()) {
            ("apimachinery/pkg/api/resource", "Quantity") => Some("Quantity"),
            ("apimachinery/pkg/util/intstr", "IntOrString") => Some("IntOrString"),
            ("apimachinery/pkg/runtime", "RawExtension") => Some("Raw"),
            ("apimachinery/pkg/types", _) => Some("String"),
            (META, "Time") => Some("Time"),
            (META, "MicroTime") => Some("MicroTime"),
            (META, "Duration") => Some("Duration"),
            (META, "FieldsV1") => Some("FieldsV1"),
            ("apiextensions-apiserver/pkg/apis/apiextensions/v1", "JSON") => Some("Raw"),
            (_, "JSONSchemaPropsOrArray") => Some("SchemaOr(SchemaOr::Array)"),
            (_, "JSONSchemaPropsOrBool") => Some("SchemaOr(SchemaOr::Bool)"),
            (_, "JSONSchemaPropsOrStringArray") => Some("SchemaOr(SchemaOr::StringArray)"),
            _ => None,
        };
        if let Some(shape) = special {
            return Ok(plain(shape, &go));
        }
        let declared = self.packages.get(&target_path).with_context(|| format!("{go_type} in {target_path}"))?;
        if let Some(named) = declared.named.get(&name).cloned() {
            let (behind_path, behind) = locate(&target_path, &named.imports, &named.target);
            let behind_is_struct = self.packages.get(&behind_path).is_some_and(|p| p.structs.contains_key(&behind));
            if named.alias || !behind_is_struct {
                let mut resolved = self.resolve(&target_path, &named.imports, &named.target)?;
                if !named.alias {
                    resolved.go = go;
                }
                resolved.nullable_list |= marker(&named.markers, "protobuf.nullable") == Some("true")
                    && matches!(resolved.shape, Shape::List(_));
                resolved.atomic_map |= marker(&named.markers, "mapType") == Some("atomic");
                return Ok(resolved);
            }
        }
        self.require(&target_path, &name)?;
        Ok(Resolved { shape: Shape::Object(target_path, name), go, nullable_list: false, atomic_map: false })
    }

    /// What the schema crate's `Shape::go_type` derives.
    fn go_name(&self, shape: &Shape) -> String {
        match shape {
            Shape::Plain(name) => match *name {
                "String" => "string",
                "Bool" => "bool",
                "Int32" => "int32",
                "Int64" => "int64",
                "Float64" => "float64",
                "Bytes" => "[]uint8",
                "Quantity" => "resource.Quantity",
                "IntOrString" => "intstr.IntOrString",
                "Time" => "v1.Time",
                "MicroTime" => "v1.MicroTime",
                "Duration" => "v1.Duration",
                "Raw" => "runtime.RawExtension",
                "FieldsV1" => "v1.FieldsV1",
                "SchemaOr(SchemaOr::Array)" => "v1.JSONSchemaPropsOrArray",
                "SchemaOr(SchemaOr::Bool)" => "v1.JSONSchemaPropsOrBool",
                _ => "v1.JSONSchemaPropsOrStringArray",
            }
            .to_owned(),
            Shape::Object(path, name) => format!("{}.{name}", path.rsplit('/').next().unwrap_or_default()),
            Shape::List(element) => format!("[]{}", self.go_name(element)),
            Shape::Map(value) => format!("map[string]{}", self.go_name(value)),
        }
    }
}

impl Field {
    /// An optional string outside protobuf: TypeMeta's fields.
    fn plain(name: &str) -> Field {
        Field {
            name: name.into(),
            shape: Shape::Plain("String"),
            number: 0,
            pointer: false,
            omit: Omit::Empty,
            required: false,
            list_type: String::new(),
            list_keys: Vec::new(),
            map_atomic: false,
            strategies: Vec::new(),
            merge_key: String::new(),
            default: String::new(),
            go_type: String::new(),
            wrapped: false,
        }
    }
}

fn plain(shape: &'static str, go: &str) -> Resolved {
    Resolved { shape: Shape::Plain(shape), go: go.to_owned(), nullable_list: false, atomic_map: false }
}

/// The package and name that a Go type expression means in a file with these imports.
fn locate(path: &str, imports: &BTreeMap<String, String>, go_type: &str) -> (String, String) {
    match go_type.split_once('.') {
        Some((alias, name)) => (imports.get(alias).cloned().unwrap_or_else(|| alias.to_owned()), name.to_owned()),
        None => (path.to_owned(), go_type.to_owned()),
    }
}

/// Makes the unqualified field types of a struct refer to the package that declared it.
fn qualify(declaration: &mut Struct, path: &str) {
    const HOME: &str = "home";
    declaration.imports.insert(HOME.into(), path.into());
    for field in &mut declaration.fields {
        let start = field.go_type.rfind([']', '*']).map_or(0, |at| at + 1);
        let name = &field.go_type[start..];
        if !name.contains('.') && name.starts_with(|first: char| first.is_ascii_uppercase()) {
            field.go_type.insert_str(start, "home.");
        }
    }
}
