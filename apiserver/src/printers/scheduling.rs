//! Priority classes.

use super::Printer;
use super::cells::{age, boolean, cells, integer, name, text};
use super::column::{AGE, Column, NAME};

pub static PRIORITY_CLASS: Printer = Printer::new(
    &[
        NAME,
        Column::integer(
            "Value",
            "value represents the integer value of this priority class. This is the actual priority that pods receive when they have the name of this class in their pod spec.",
        ),
        Column::boolean(
            "Global-Default",
            "globalDefault specifies whether this PriorityClass should be considered as the default priority for pods that do not have any priority class. Only one PriorityClass can be marked as `globalDefault`. However, if more than one PriorityClasses exists with their `globalDefault` field set to true, the smallest value of such global default PriorityClasses will be used as the default priority.",
        ),
        AGE,
        Column::string(
            "PreemptionPolicy",
            "preemptionPolicy is the Policy for preempting pods with lower priority. One of Never, PreemptLowerPriority. Defaults to PreemptLowerPriority if unset.",
        ),
    ],
    |object, now| {
        cells![
            name(object),
            integer(&object["value"]),
            boolean(&object["globalDefault"]),
            age(object, now),
            text(&object["preemptionPolicy"]),
        ]
    },
);

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::printers::cells::testing::shows;

    #[test]
    fn priority_classes() {
        let object = json!({"value": 7, "preemptionPolicy": "Never"});
        shows(&PRIORITY_CLASS, object, json!(["x", 7, false, "60s", "Never"]));
    }
}
