//! Writes the tables: one Rust file per group and version, and the index of kinds.

use std::collections::BTreeSet;
use std::fmt::Write;

use super::resolve::{Field, META, Omit, Shape, Type, Universe};

/// The table file of a package: `core_v1`, `meta_v1`.
pub fn module(path: &str) -> String {
    let mut segments = path.rsplit('/');
    let version = segments.next().unwrap_or_default();
    let group = segments.next().unwrap_or_default();
    format!("{group}_{version}")
}

/// The file of one group and version.
pub fn types(universe: &Universe, module: &str) -> String {
    let mut out = String::new();
    let mine: Vec<(&String, &Type)> = universe
        .types
        .iter()
        .filter(|((path, _), _)| self::module(path) == module)
        .map(|((_, name), ty)| (name, ty))
        .collect();
    let mut body = String::new();
    for (name, ty) in &mine {
        let constructor = if ty.atomic { "atomic_object" } else { "object" };
        let _ = writeln!(body, "\npub static {name}: Type = {constructor}(\"{}\", &{name}_F);", ty.definition);
        let _ = writeln!(body, "static {name}_F: [Field; {}] = [", ty.fields.len());
        for field in &ty.fields {
            let _ = writeln!(body, "    {},", row(module, field));
        }
        body.push_str("];\n");
    }
    let lists: BTreeSet<&Vec<String>> = mine
        .iter()
        .flat_map(|(_, ty)| &ty.fields)
        .filter(|field| field.list_type == "map")
        .map(|field| &field.list_keys)
        .collect();
    if !lists.is_empty() {
        body.push_str("\n// Keys of lists.\n");
    }
    for list in lists {
        let keys: Vec<String> = list.iter().map(|key| format!("key({key:?})")).collect();
        let _ = writeln!(body, "static {}: [Key; {}] = [{}];", keys_name(list), keys.len(), keys.join(", "));
    }
    let mut shapes = BTreeSet::new();
    for ty in universe.types.values() {
        for field in &ty.fields {
            elements(&field.shape, &mut shapes);
        }
    }
    let mine: Vec<&(String, String)> = shapes.iter().filter(|(owner, _)| owner == module).collect();
    if !mine.is_empty() {
        body.push_str("\n// Elements of lists and maps.\n");
    }
    for (_, text) in mine {
        let (name, value) = text.split_once('=').unwrap_or_default();
        let _ = writeln!(body, "pub static {name}: Shape = {value};");
    }
    let _ = writeln!(out, "//! The types of `{module}`. Made by `cargo run -p hack-xtask -- codegen`; do not edit.");
    out.push_str("#![allow(non_upper_case_globals)] // The Go names, so that a type is found by its name.\n\n");
    let imports = imports(universe, module, &body);
    out.push_str(&imports);
    out.push_str(&body);
    out
}

fn imports(universe: &Universe, module: &str, body: &str) -> String {
    let mut others: BTreeSet<String> = BTreeSet::new();
    for (path, _) in universe.types.keys() {
        let other = self::module(path);
        if other != module && body.contains(&format!("{other}::")) {
            others.insert(other);
        }
    }
    let mut out = String::new();
    if !others.is_empty() {
        let list: Vec<&str> = others.iter().map(String::as_str).collect();
        match list.as_slice() {
            [one] => {
                let _ = writeln!(out, "use super::{one};");
            }
            many => {
                let _ = writeln!(out, "use super::{{{}}};", many.join(", "));
            }
        }
    }
    out.push_str("use crate::row::*;\n");
    out
}

/// The index: module list, lookup tables.
pub fn index(universe: &Universe, modules: &BTreeSet<String>, roots: &[(String, String)]) -> String {
    let mut out = String::new();
    out.push_str("//! Tables of the built-in types. Made by `cargo run -p hack-xtask -- codegen`; do not edit.\n\n");
    for module in modules {
        let _ = writeln!(out, "mod {module};");
    }
    out.push_str("\nuse crate::{Builtin, Shape, Type};\n\n");
    out.push_str("/// JSONSchemaProps, which the either-or shapes refer to.\n");
    out.push_str("pub(crate) static SCHEMA: &Type = &apiextensions_v1::JSONSchemaProps;\n");
    out.push_str("pub(crate) static SCHEMA_SHAPE: &Shape = &apiextensions_v1::JSONSchemaProps_S;\n\n");
    let mut kinds: Vec<(String, String, String, String)> = roots
        .iter()
        .map(|(path, kind)| {
            let package = &universe.packages[path];
            let version = path.rsplit('/').next().unwrap_or_default();
            let group = if path == META { "meta.k8s.io" } else { &package.group };
            (group.to_owned(), version.to_owned(), kind.clone(), module(path))
        })
        .collect();
    kinds.sort();
    kinds.dedup();
    out.push_str("/// Every built-in kind, sorted by group, version and kind.\n");
    let _ = writeln!(out, "pub static KINDS: [Builtin; {}] = [", kinds.len());
    for (group, version, kind, module) in &kinds {
        let _ = writeln!(
            out,
            "    Builtin {{ group: \"{group}\", version: \"{version}\", kind: \"{kind}\", ty: &{module}::{kind} }},"
        );
    }
    out.push_str("];\n\n");
    let mut all: Vec<(&str, String)> = universe
        .types
        .iter()
        .map(|((path, name), ty)| (ty.definition.as_str(), format!("{}::{name}", module(path))))
        .collect();
    all.sort();
    out.push_str("/// Every built-in type, sorted by definition name.\n");
    let _ = writeln!(out, "pub static TYPES: [&Type; {}] = [", all.len());
    for (_, place) in &all {
        let _ = writeln!(out, "    &{place},");
    }
    out.push_str("];\n");
    out
}

fn row(module: &str, field: &Field) -> String {
    let mut flags = Vec::new();
    if field.pointer {
        flags.push("P");
    }
    match field.omit {
        Omit::Never => {}
        Omit::Empty => flags.push("E"),
        Omit::Zero => flags.push("Z"),
    }
    if field.required {
        flags.push("R");
    }
    if field.list_type == "set" {
        flags.push("SET");
    }
    if field.map_atomic {
        flags.push("ATOMIC");
    }
    for strategy in &field.strategies {
        flags.push(match strategy.as_str() {
            "merge" => "MERGE",
            "replace" => "REPLACE",
            _ => "RETAIN",
        });
    }
    if field.wrapped {
        flags.push("W");
    }
    let flags = if flags.is_empty() { "0".to_owned() } else { flags.join(" | ") };
    let shape = shape(module, &field.shape);
    let start = format!("\"{}\", {shape}, {}, {flags}", field.name, field.number);
    let keyed = field.list_type == "map" || !field.merge_key.is_empty();
    let marked = !field.default.is_empty() || !field.go_type.is_empty();
    match (keyed, marked) {
        (false, false) => format!("f({start})"),
        (false, true) => format!("g({start}, {:?}, {:?})", field.go_type, field.default),
        (true, false) => format!("k({start}, {}, {:?})", keys(field), field.merge_key),
        (true, true) => {
            format!("l({start}, {:?}, {:?}, {}, {:?})", field.go_type, field.default, keys(field), field.merge_key)
        }
    }
}

fn keys(field: &Field) -> String {
    if field.list_type != "map" {
        return "&[]".into();
    }
    format!("&{}", keys_name(&field.list_keys))
}

fn keys_name(keys: &[String]) -> String {
    format!("BY_{}", keys.join("_"))
}

fn shape(module: &str, shape: &Shape) -> String {
    match shape {
        Shape::Plain(name) => format!("Shape::{name}"),
        Shape::Object(path, name) => format!("o(&{})", qualified(module, &self::module(path), name)),
        Shape::List(element) => format!("list(&{})", element_name(module, element)),
        Shape::Map(value) => format!("map(&{})", element_name(module, value)),
    }
}

fn qualified(module: &str, owner: &str, name: &str) -> String {
    if owner == module { name.to_owned() } else { format!("{owner}::{name}") }
}

fn element_name(module: &str, shape: &Shape) -> String {
    match shape {
        Shape::Plain(name) => {
            format!("{}_S", name.replace("SchemaOr(SchemaOr::", "SchemaOr").replace(')', "")).to_uppercase()
        }
        Shape::Object(path, name) => qualified(module, &self::module(path), &format!("{name}_S")),
        // Nested containers are named in row.rs.
        Shape::List(element) => format!("LIST_OF_{}", element_name(module, element)),
        Shape::Map(value) => format!("MAP_OF_{}", element_name(module, value)),
    }
}

/// Object shapes that stand in lists or maps, each owned by the module of its type.
fn elements(shape: &Shape, found: &mut BTreeSet<(String, String)>) {
    if let Shape::List(inner) | Shape::Map(inner) = shape {
        if let Shape::Object(path, name) = &**inner {
            found.insert((module(path), format!("{name}_S=o(&{name})")));
        }
        elements(inner, found);
    }
}
