//! Flow schemas and priority levels.

use std::cmp::Ordering;

use jiff::Timestamp;
use serde_json::Value;

use super::Printer;
use super::cells::{age, cells, condition, integer, name, text};
use super::column::{AGE, Column, NAME};

pub static FLOW_SCHEMA: Printer = Printer {
    order: Some(by_precedence),
    ..Printer::new(
        &[
            NAME,
            Column::string(
                "PriorityLevel",
                "`name` is the name of the priority level configuration being referenced Required.",
            ),
            Column::string(
                "MatchingPrecedence",
                "`matchingPrecedence` is used to choose among the FlowSchemas that match a given request. The chosen FlowSchema is among those with the numerically lowest (which we take to be logically highest) MatchingPrecedence.  Each MatchingPrecedence value must be ranged in [1,10000]. Note that if the precedence is not specified, it will be set to 1000 as default.",
            ),
            Column::string(
                "DistinguisherMethod",
                "`distinguisherMethod` defines how to compute the flow distinguisher for requests that match this schema. `nil` specifies that the distinguisher is disabled and thus will always be the empty string.",
            ),
            AGE,
            Column::string("MissingPL", "references a broken or non-existent PriorityLevelConfiguration"),
        ],
        flow_schema,
    )
};

pub static PRIORITY_LEVEL: Printer = Printer::new(
    &[
        NAME,
        Column::string(
            "Type",
            "`type` indicates whether this priority level is subject to limitation on request execution.  A value of `\"Exempt\"` means that requests of this priority level are not subject to a limit (and thus are never queued) and do not detract from the capacity made available to other priority levels.  A value of `\"Limited\"` means that (a) requests of this priority level _are_ subject to limits and (b) some of the server's limited capacity is made available exclusively to this priority level. Required.",
        ),
        Column::string(
            "NominalConcurrencyShares",
            "`nominalConcurrencyShares` (NCS) contributes to the computation of the NominalConcurrencyLimit (NominalCL) of this level. This is the number of execution seats available at this priority level. This is used both for requests dispatched from this priority level as well as requests dispatched from other priority levels borrowing seats from this level. The server's concurrency limit (ServerCL) is divided among the Limited priority levels in proportion to their NCS values:\n\nNominalCL(i)  = ceil( ServerCL * NCS(i) / sum_ncs ) sum_ncs = sum[priority level k] NCS(k)\n\nBigger numbers mean a larger nominal concurrency limit, at the expense of every other priority level.\n\nIf not specified, this field defaults to a value of 30.\n\nSetting this field to zero supports the construction of a \"jail\" for this priority level that is used to hold some request(s)",
        ),
        Column::string(
            "Queues",
            "`queues` is the number of queues for this priority level. The queues exist independently at each apiserver. The value must be positive.  Setting it to 1 effectively precludes shufflesharding and thus makes the distinguisher method of associated flow schemas irrelevant.  This field has a default value of 64.",
        ),
        Column::string(
            "HandSize",
            "`handSize` is a small positive number that configures the shuffle sharding of requests into queues.  When enqueuing a request at this priority level the request's flow identifier (a string pair) is hashed and the hash value is used to shuffle the list of queues and deal a hand of the size specified here.  The request is put into one of the shortest queues in that hand. `handSize` must be no larger than `queues`, and should be significantly smaller (so that a few heavy flows do not saturate most of the queues).  See the user-facing documentation for more extensive guidance on setting this field.  This field has a default value of 8.",
        ),
        Column::string(
            "QueueLengthLimit",
            "`queueLengthLimit` is the maximum number of requests allowed to be waiting in a given queue of this priority level at a time; excess requests are rejected.  This value must be positive.  If not specified, it will be defaulted to 50.",
        ),
        AGE,
    ],
    priority_level,
);

/// Flow schemas are listed in the order in which they are tried.
fn by_precedence(left: &Value, right: &Value) -> Ordering {
    let precedence = |object: &Value| integer(&object["spec"]["matchingPrecedence"]);
    precedence(left).cmp(&precedence(right)).then_with(|| name(left).cmp(name(right)))
}

fn flow_schema(object: &Value, now: Timestamp) -> Vec<Value> {
    let spec = &object["spec"];
    let method = &spec["distinguisherMethod"];
    cells![
        name(object),
        text(&spec["priorityLevelConfiguration"]["name"]),
        integer(&spec["matchingPrecedence"]),
        if method.is_object() { text(&method["type"]) } else { "<none>" },
        age(object, now),
        condition(object, "Dangling").map_or("?", |condition| text(&condition["status"])),
    ]
}

fn priority_level(object: &Value, now: Timestamp) -> Vec<Value> {
    let spec = &object["spec"];
    let limited = &spec["limited"];
    let queuing = &limited["limitResponse"]["queuing"];
    let number = |from: &Value, field: &str| match from.is_object() {
        true => Value::from(integer(&from[field])),
        false => Value::from("<none>"),
    };
    cells![
        name(object),
        text(&spec["type"]),
        number(limited, "nominalConcurrencyShares"),
        number(queuing, "queues"),
        number(queuing, "handSize"),
        number(queuing, "queueLengthLimit"),
        age(object, now),
    ]
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::printers::cells::testing::shows;

    #[test]
    fn flow_schemas() {
        let object = json!({
            "spec": {
                "priorityLevelConfiguration": {"name": "pl"}, "matchingPrecedence": 9, "distinguisherMethod": {"type": "ByUser"},
            },
            "status": {"conditions": [{"type": "Dangling", "status": "False"}]},
        });
        shows(&FLOW_SCHEMA, object, json!(["x", "pl", 9, "ByUser", "60s", "False"]));
        shows(&FLOW_SCHEMA, json!({}), json!(["x", "", 0, "<none>", "60s", "?"]));
    }

    #[test]
    fn priority_levels() {
        let queuing = json!({"queues": 64, "handSize": 6, "queueLengthLimit": 50});
        let limited = json!({"nominalConcurrencyShares": 30, "limitResponse": {"type": "Queue", "queuing": queuing}});
        let object = json!({"spec": {"type": "Limited", "limited": limited}});
        shows(&PRIORITY_LEVEL, object, json!(["x", "Limited", 30, 64, 6, 50, "60s"]));
        let object = json!({"spec": {"type": "Exempt"}});
        shows(&PRIORITY_LEVEL, object, json!(["x", "Exempt", "<none>", "<none>", "<none>", "<none>", "60s"]));
    }
}
