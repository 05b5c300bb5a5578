//! A table of expressions with what upstream's libraries made of them: results, errors, estimated and actual costs.
//!
//! A row is `{"expr", "with"?, ...}`; a definition is `{"define", "schema", "self", "oldSelf"?}` or `{"define", "dyn"}`.
#![allow(clippy::unwrap_used)] // A test.

use std::collections::HashMap;

use apiserver_cel::{Bindings, DeclType, Env, PER_CALL_LIMIT, Program, Type, Unusable, Value};
use serde_json::Value as Json;

/// A value as the table shows it.
fn show(value: &Value<'_>) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(_) | Value::Int(_) => value.to_string(),
        Value::Uint(number) => format!("{number}u"),
        Value::Double(_) => format!("double({value})"),
        Value::String(text) => serde_json::to_string(&**text).unwrap(),
        Value::Bytes(bytes) => format!("bytes({})", bytes.iter().map(|b| format!("{b:02x}")).collect::<String>()),
        Value::Duration(_) => {
            let text = value.to_json().unwrap();
            format!("google.protobuf.Duration({})", text.as_str().unwrap())
        }
        Value::Timestamp(time) => format!("google.protobuf.Timestamp({time})"),
        Value::List(list) => {
            format!("[{}]", list.iter().map(|item| show(&item.unwrap())).collect::<Vec<_>>().join(", "))
        }
        Value::Map(map) => {
            let entry = |key: &Value<'_>| format!("{}: {}", show(key), show(&map.find(key).unwrap().unwrap()));
            let mut parts: Vec<String> = map.keys().iter().map(entry).collect();
            parts.sort();
            format!("{{{}}}", parts.join(", "))
        }
        Value::Type(name) => format!("type({name})"),
        Value::Optional(None) => "optional.none()".to_owned(),
        Value::Optional(Some(inner)) => format!("optional.of({})", show(inner)),
        Value::Object(object) => object.type_name().to_owned(),
        Value::Preserved(_) => "unknown".to_owned(),
    }
}

/// What our engine makes of a row, in the row's form; only the columns that the row has are compared.
fn run(row: &Json, definition: &Json) -> Json {
    let mut out = serde_json::Map::new();
    let mut env = Env::new();
    let decl = definition.get("schema").map(|schema| DeclType::from_schema(schema, false).unwrap());
    if let Some(decl) = &decl {
        env = env.typed_variable("self", decl).typed_variable("oldSelf", decl);
    }
    if definition.get("dyn").is_some() {
        env = env.variable_of("object", Type::Dyn);
    }
    let program = match Program::compile(&env, row["expr"].as_str().unwrap()) {
        Ok(program) => program,
        Err(Unusable::Compile(error)) => {
            out.insert("compile".to_owned(), error.to_string().into());
            return out.into();
        }
        Err(Unusable::Instantiate(error)) => {
            out.insert("program".to_owned(), error.to_string().into());
            return out.into();
        }
    };
    out.insert("estMin".to_owned(), program.estimated_cost().min.into());
    out.insert("estMax".to_owned(), program.estimated_cost().max.into());
    let mut bindings = Bindings::new();
    for name in ["self", "oldSelf"] {
        if let (Some(decl), Some(value)) = (&decl, definition.get(name)) {
            bindings.set(name, Value::typed(value, decl));
        }
    }
    if let Some(value) = definition.get("dyn") {
        bindings.set("object", Value::dynamic(value));
    }
    let outcome = program.evaluate(&bindings, PER_CALL_LIMIT);
    out.insert("cost".to_owned(), outcome.cost.into());
    match outcome.result {
        Ok(value) => out.insert("result".to_owned(), show(&value).into()),
        Err(error) => out.insert("error".to_owned(), error.to_string().into()),
    };
    out.into()
}

#[test]
fn expressions_give_what_upstream_gives() {
    let table = include_str!("expressions.jsonl");
    let mut definitions = HashMap::new();
    let mut rows = 0;
    let mut wrong = Vec::new();
    for line in table.lines() {
        let row: Json = serde_json::from_str(line).unwrap();
        if let Some(name) = row["define"].as_str() {
            definitions.insert(name.to_owned(), row.clone());
            continue;
        }
        rows += 1;
        let definition = row["with"].as_str().map_or(&Json::Null, |name| &definitions[name]);
        let got = run(&row, definition);
        for column in ["compile", "program", "result", "error", "cost", "estMin", "estMax"] {
            let (expected, actual) = (row.get(column), got.get(column));
            if expected != actual {
                let show = |value: Option<&Json>| value.map_or("-".to_owned(), Json::to_string);
                wrong.push(format!("{}\n    {column}: {} != {}", row["expr"], show(actual), show(expected)));
            }
        }
    }
    assert!(rows >= 500, "only {rows} rows");
    assert!(wrong.is_empty(), "{} of {rows} rows differ (ours != upstream's):\n{}", wrong.len(), wrong.join("\n"));
}
