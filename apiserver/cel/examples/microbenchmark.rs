//! How long compiling and evaluating take: `cargo run --release -p apiserver-cel --example microbenchmark`.

use std::time::Instant;

use apiserver_cel::{Bindings, DeclType, Env, PER_CALL_LIMIT, Program, Type, Value};
use serde_json::{Value as Json, json};

const ROUNDS: u32 = 20_000;

fn measure(what: &str, mut body: impl FnMut()) {
    let started = Instant::now();
    for _ in 0..ROUNDS {
        body();
    }
    println!("{what}: {:.2} us", started.elapsed().as_secs_f64() * 1e6 / f64::from(ROUNDS));
}

fn pod() -> Json {
    let container =
        |name: usize| json!({"name": format!("c{name}"), "image": "registry/app:v1", "ports": [{"containerPort": 80}]});
    json!({"metadata": {"name": "web"}, "spec": {"replicas": 3, "containers": (0..10).map(container).collect::<Vec<_>>()}})
}

fn main() {
    let object = pod();
    let env = Env::new().variable_of("object", Type::Dyn);
    for expression in
        ["object.spec.replicas <= 5", "object.spec.containers.all(c, c.image.startsWith('registry/') && c.name != '')"]
    {
        measure(&format!("compile {expression}"), || drop(Program::compile(&env, expression)));
        let Ok(program) = Program::compile(&env, expression) else { continue };
        measure(&format!("evaluate {expression}"), || {
            let bindings = Bindings::new().with("object", Value::dynamic(&object));
            assert!(program.evaluate(&bindings, PER_CALL_LIMIT).result.is_ok());
        });
    }
    let schema = json!({"type": "object", "properties": {
        "min": {"type": "integer"}, "max": {"type": "integer"},
        "names": {"type": "array", "x-kubernetes-list-type": "set", "items": {"type": "string"}},
    }});
    let Some(decl) = DeclType::from_schema(&schema, false) else { return };
    let value = json!({"min": 1, "max": 5, "names": ["a", "b", "c"]});
    let env = Env::new().typed_variable("self", &decl);
    let rule = "self.min <= self.max && self.names.all(n, n.size() < 10)";
    let Ok(program) = Program::compile(&env, rule) else { return };
    measure(&format!("evaluate typed {rule}"), || {
        let bindings = Bindings::new().with("self", Value::typed(&value, &decl));
        assert!(program.evaluate(&bindings, PER_CALL_LIMIT).result.is_ok());
    });
}
