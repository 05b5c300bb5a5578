//! No input makes the engine panic, recurse without bound or run without end.
#![allow(clippy::unwrap_used)] // A test.

use apiserver_cel::{Bindings, DeclType, Env, ErrorKind, Program, Type, Value};
use proptest::prelude::*;
use serde_json::{Value as Json, json};

fn env() -> Env {
    Env::new().variable_of("x", Type::Dyn).variable_of("l", Type::list(Type::Int))
}

/// Compiles and evaluates, on a stack as small as the server's.
fn run(expression: &str) {
    let Ok(program) = Program::compile(&env(), expression) else { return };
    let x = json!({"a": [1, "b", null, {"c": 1.5}], "s": "text"});
    let l = json!([3, 1, 2]);
    let bindings = Bindings::new().with("x", Value::dynamic(&x)).with("l", Value::dynamic(&l));
    let outcome = program.evaluate(&bindings, 100_000);
    assert!(outcome.cost <= 1_200_000 || outcome.result.is_err());
}

fn fragment() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec![
        "x",
        "l",
        "1",
        "-",
        "2u",
        "1.5",
        "\"s\"",
        "b'b'",
        "r'\\'",
        "true",
        "null",
        "(",
        ")",
        "[",
        "]",
        "{",
        "}",
        ".",
        ",",
        ":",
        "?",
        "[?",
        ".?",
        "==",
        "!=",
        "<",
        "<=",
        "+",
        "*",
        "/",
        "%",
        "&&",
        "||",
        "!",
        " in ",
        "has(x.a)",
        ".a",
        ".s",
        ".all(",
        ".exists(",
        ".map(",
        ".filter(",
        ".transformMap(",
        ".optMap(",
        ".sortBy(",
        "y",
        "k, v",
        ".size()",
        "size(",
        "string(",
        "int(",
        "duration('1h')",
        "timestamp(0)",
        ".matches('a')",
        ".split('')",
        ".format([",
        "dyn(",
        "optional.of(",
        "optional.none()",
        ".orValue(",
        "quantity('1Gi')",
        "url('/')",
        "ip('::1')",
        "cidr('::/0')",
        "lists.range(",
        ".flatten()",
        ".distinct()",
        "sets.contains(",
        "type(",
        "\\",
        "\u{e9}",
        "\n",
        "`",
        "@",
        "//",
    ])
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    #[test]
    fn arbitrary_text_is_answered(text in "\\PC{0,60}") {
        run(&text);
    }

    #[test]
    fn arbitrary_fragments_are_answered(parts in prop::collection::vec(fragment(), 0..24)) {
        run(&parts.concat());
    }

    #[test]
    fn arbitrary_schemas_are_read(kind in "object|array|string|integer|number|boolean|x", format in "[a-z-]{0,10}",
                                  name in "\\PC{0,12}", limit in any::<i64>(), flag in any::<bool>()) {
        let schema = json!({
            "type": kind, "format": format, "maxLength": limit, "maxItems": limit, "x-kubernetes-int-or-string": flag,
            "properties": {(name.clone()): {"type": kind}}, "items": {"type": kind, "maxLength": limit},
            "additionalProperties": {"type": kind}, "required": [name],
        });
        if let Some(decl) = DeclType::from_schema(&schema, flag) {
            for value in [json!(null), json!("s"), json!(1), json!([1, "x"]), json!({"a": {}})] {
                let _ = Value::typed(&value, &decl).map(|value| value.to_string());
            }
            let env = Env::new().typed_variable("self", &decl);
            let _ = Program::compile(&env, "self == self").map(|program| program.estimated_cost());
        }
    }
}

/// As deep as an expression may be, on a stack of two megabytes.
#[test]
fn the_deepest_expressions_fit_the_stack() {
    let deep: Vec<String> = vec![
        format!("{}1{}", "(".repeat(240), ")".repeat(240)),
        format!("{}1{}", "[".repeat(240), "]".repeat(240)),
        format!("{}1{}", "size([".repeat(120), "])".repeat(120)),
        format!("1{}", " + 1".repeat(240)),
        format!("x{}", ".a".repeat(240)),
        format!("x{}", "[0]".repeat(240)),
        format!("{}true{}", "l.all(y, ".repeat(60), ")".repeat(60)),
        format!("l{}", ".map(y, y)".repeat(100)),
        format!("{}1", "true ? 1 : ".repeat(240)),
        ["true"; 5000].join(" && "),
        format!("optional.of(1){}", ".optMap(y, y)".repeat(12)),
        "!".repeat(5000) + "true",
    ];
    let threads = deep.into_iter().map(|expression| {
        // An overflow names the thread.
        let name: String = expression.chars().filter(|character| *character != '\0').take(15).collect();
        std::thread::Builder::new().name(name).stack_size(2 << 20).spawn(move || run(&expression)).unwrap()
    });
    threads.collect::<Vec<_>>().into_iter().for_each(|thread| thread.join().unwrap());
}

#[test]
fn too_deep_and_too_long_expressions_are_refused() {
    for (expression, problem) in [
        (format!("{}1{}", "(".repeat(300), ")".repeat(300)), "expression recursion limit exceeded: 250"),
        (format!("1{}", " + 1".repeat(300)), "max recursion depth exceeded"),
        ("1".repeat(100_001), "expression code point size exceeds limit: size: 100001, limit 100000"),
        (format!("optional.of(1){}", ".optMap(y, y)".repeat(40)), "too large"),
    ] {
        let error = Program::compile(&env(), &expression).unwrap_err().to_string();
        assert!(error.contains(problem), "{error}");
    }
}

#[test]
fn limits_and_interrupts_end_evaluations() {
    let program = Program::compile(&env(), "lists.range(100000).all(y, y >= 0) || true").unwrap();
    let outcome = program.evaluate(&Bindings::new(), 1_000);
    assert_eq!(outcome.result.unwrap_err().kind, ErrorKind::CostLimit);
    let mut bindings = Bindings::new();
    bindings.set_interrupt(&|| true);
    let outcome = program.evaluate(&bindings, u64::MAX);
    assert_eq!(outcome.result.unwrap_err().kind, ErrorKind::Interrupted);
}

#[test]
fn lists_and_maps_grow_in_place() {
    // Copying them at every step would take minutes.
    let program = Program::compile(&env(), "lists.range(200000).map(y, y * 2).size()").unwrap();
    let outcome = program.evaluate(&Bindings::new(), u64::MAX);
    assert_eq!(outcome.result.unwrap().to_json().unwrap(), Json::from(200_000));
}

/// What is bound is evaluated when it is first needed, within other bindings.
#[test]
fn bindings_within_bindings_keep_apart() {
    for (expression, expected) in [
        ("optional.of(1).optMap(y, y + 1).optMap(y, y * 10).value()", json!(20)),
        ("[1, 2].map(v, optional.of(v).optMap(y, y + 1).optMap(z, z * v).value())", json!([2, 6])),
        ("[3, 1, 2].sortBy(v, optional.of(-v).optMap(y, y).optMap(y, y).value())", json!([3, 2, 1])),
    ] {
        let program = Program::compile(&env(), expression).unwrap();
        let outcome = program.evaluate(&Bindings::new(), 100_000);
        assert_eq!(outcome.result.unwrap().to_json().unwrap(), expected, "{expression}");
    }
}
