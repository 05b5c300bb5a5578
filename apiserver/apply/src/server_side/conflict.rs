//! The answer to an apply that would change what others own.

use super::{Conflict, Conflicts};
use crate::managed_fields::{FieldSet, Manager, Operation, PathElement};

/// The fields of one manager that an apply would change.
#[derive(Debug)]
pub(super) struct Clash {
    pub manager: Manager,
    pub set: FieldSet,
}

/// All fields that an apply would change although others own them.
#[derive(Debug, Default)]
pub(super) struct Clashes {
    all: Vec<Clash>,
}

impl Clashes {
    pub fn add(&mut self, clash: Clash) {
        self.all.push(clash);
    }

    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// The clashes outside `allowed`.
    pub fn without(mut self, allowed: &FieldSet) -> Clashes {
        for clash in &mut self.all {
            clash.set.subtract(allowed);
        }
        self.all.retain(|clash| !clash.set.is_empty());
        self
    }

    /// Upstream's message and causes.
    pub fn into_conflicts(mut self) -> Conflicts {
        self.all.sort_by_cached_key(|clash| clash.manager.identifier());
        let mut causes = Vec::new();
        let mut lines = Vec::new();
        for clash in &self.all {
            let manager = describe(&clash.manager);
            lines.push(format!("conflicts with {manager}:"));
            clash.set.for_each(&mut |path| {
                let field: String = path.iter().copied().map(PathElement::to_string).collect();
                lines.push(format!("- {field}"));
                causes.push(Conflict { message: format!("conflict with {manager}"), field });
            });
        }
        let message = match causes.as_slice() {
            [one] => format!("Apply failed with 1 conflict: {}: {}", one.message, one.field),
            many => format!("Apply failed with {} conflicts: {}", many.len(), lines.join("\n")),
        };
        Conflicts { message, causes }
    }
}

fn describe(manager: &Manager) -> String {
    let mut out = format!("{:?}", manager.name);
    if !manager.subresource.is_empty() {
        out.push_str(&format!(" with subresource {:?}", manager.subresource));
    }
    if manager.operation == Operation::Update {
        out.push_str(&format!(" using {}", manager.api_version));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_upstreams() {
        let clash = |name: &str, operation, subresource: &str, paths: &[&[&str]]| Clash {
            manager: Manager::new(name, operation, "apps/v1", subresource),
            set: FieldSet::of_fields(paths),
        };
        let one = Clashes { all: vec![clash("a", Operation::Update, "", &[&["spec", "replicas"]])] }.into_conflicts();
        let want = r#"Apply failed with 1 conflict: conflict with "a" using apps/v1: .spec.replicas"#;
        assert_eq!(one.message, want);
        assert_eq!(one.causes[0].message, r#"conflict with "a" using apps/v1"#);
        assert_eq!(one.causes[0].field, ".spec.replicas");

        let many = Clashes {
            all: vec![
                clash("b", Operation::Update, "status", &[&["status", "x"]]),
                clash("a", Operation::Apply, "", &[&["spec", "x"], &["spec", "y"]]),
            ],
        };
        let want = "Apply failed with 3 conflicts: conflicts with \"a\":\n- .spec.x\n- .spec.y\nconflicts with \"b\" with subresource \"status\" using apps/v1:\n- .status.x";
        assert_eq!(many.into_conflicts().message, want);
    }
}
