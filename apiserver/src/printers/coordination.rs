//! Leases.

use super::Printer;
use super::cells::{age, cells, name, text};
use super::column::{AGE, Column, NAME};

pub static LEASE: Printer = Printer::new(
    &[
        NAME,
        Column::string(
            "Holder",
            "holderIdentity contains the identity of the holder of a current lease. If Coordinated Leader Election is used, the holder identity must be equal to the elected LeaseCandidate.metadata.name field.",
        ),
        AGE,
    ],
    |object, now| cells![name(object), text(&object["spec"]["holderIdentity"]), age(object, now)],
);

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::printers::cells::testing::shows;

    #[test]
    fn leases() {
        shows(&LEASE, json!({"spec": {"holderIdentity": "h"}}), json!(["x", "h", "60s"]));
        shows(&LEASE, json!({"spec": {}}), json!(["x", "", "60s"]));
    }
}
