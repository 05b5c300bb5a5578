//! Tests of levels, schemas and seats together.

use serde_json::{Value, json};

use super::*;

const SOON: Duration = Duration::from_secs(60);

fn level(name: &str, shares: u32, queuing: Value) -> PriorityLevel {
    let response = match &queuing {
        Value::Null => json!({"type": "Reject"}),
        queuing => json!({"type": "Queue", "queuing": queuing}),
    };
    let limited = json!({"nominalConcurrencyShares": shares, "lendablePercent": 50, "limitResponse": response});
    let object = json!({"metadata": {"name": name, "uid": format!("{name}-uid")},
        "spec": {"type": "Limited", "limited": limited}});
    serde_json::from_value(object).unwrap()
}

fn schema(name: &str, level: &str, precedence: i32, group: &str) -> FlowSchema {
    serde_json::from_value(json!({
        "metadata": {"name": name, "uid": format!("{name}-uid")},
        "spec": {
            "matchingPrecedence": precedence, "priorityLevelConfiguration": {"name": level},
            "distinguisherMethod": {"type": "ByUser"},
            "rules": [{
                "subjects": [{"kind": "Group", "group": {"name": group}}],
                "nonResourceRules": [{"verbs": ["*"], "nonResourceURLs": ["*"]}],
            }],
        },
    }))
    .unwrap()
}

fn fairness(seats: usize) -> Arc<Fairness> {
    let metrics = Metrics::new(&prometheus::Registry::new()).unwrap();
    let exempt: PriorityLevel =
        serde_json::from_value(json!({"metadata": {"name": "exempt"}, "spec": {"type": "Exempt", "exempt": {}}}))
            .unwrap();
    let schemas = vec![schema("exempt", "exempt", 1, "masters"), schema("catch-all", "catch-all", 10_000, "all")];
    Arc::new(Fairness::new(seats, metrics, schemas, vec![exempt, level("catch-all", 5, Value::Null)]))
}

fn asked(groups: &[String]) -> Asked<'_> {
    Asked { user: "jane", groups, verb: "get", path: "/x", ..Asked::default() }
}

async fn enter(fairness: &Arc<Fairness>, group: &str, patience: Duration) -> Result<Seat, Refused> {
    let groups = [group.to_owned()];
    let asked = asked(&groups);
    let schema = fairness.classify(&asked).unwrap();
    fairness.enter(&schema, &asked, Estimate::ONE, Details::default(), false, patience).await
}

#[tokio::test]
async fn everybody_has_a_schema_and_a_level() {
    let fairness = fairness(10);
    let levels = vec![level("busy", 15, json!({"queues": 2, "handSize": 1, "queueLengthLimit": 2}))];
    fairness.configure(vec![schema("busy", "busy", 500, "workers"), schema("lost", "nowhere", 1, "workers")], levels);
    let name = |group: &str| fairness.classify(&asked(&[group.to_owned()])).unwrap().name.clone();
    assert_eq!(
        (name("masters"), name("workers"), name("strangers")),
        ("exempt".into(), "busy".into(), "catch-all".into())
    );
    let schema = fairness.classify(&asked(&["workers".to_owned()])).unwrap();
    assert_eq!((schema.uid.as_str(), schema.level_uid.as_str()), ("busy-uid", "busy-uid"));
    // 15 of 20 shares of ten seats, and five of them may be lent.
    let limits = |fairness: &Fairness| {
        let states = fairness.states.lock();
        let state = &states.levels["busy"];
        (state.nominal, state.lower, state.upper)
    };
    assert_eq!(limits(&fairness), (8, 4, 18));
    let dump = fairness.dump_priority_levels();
    let rows: Vec<&str> = dump.lines().map(|line| line.split(',').next().unwrap()).collect();
    assert_eq!(rows, ["PriorityLevelName", "busy", "catch-all", "exempt"]);
}

#[tokio::test]
async fn who_waits_gets_the_next_seat_or_gives_up() {
    let fairness = fairness(1);
    fairness.configure(
        vec![schema("busy", "busy", 500, "workers")],
        vec![level("busy", 1000, json!({"queues": 1, "handSize": 1, "queueLengthLimit": 2}))],
    );
    let seat = enter(&fairness, "workers", SOON).await.unwrap();
    let waiting = tokio::spawn({
        let fairness = Arc::clone(&fairness);
        async move { enter(&fairness, "workers", SOON).await.is_ok() }
    });
    while fairness.levels()[0].set().usage().waiting == 0 {
        tokio::task::yield_now().await;
    }
    let requests = fairness.dump_requests(true);
    assert_eq!(requests.lines().count(), 3, "{requests}");
    assert!(enter(&fairness, "workers", Duration::ZERO).await.is_err());
    drop(seat);
    assert!(waiting.await.unwrap());
    let totals = fairness.levels()[0].set().totals();
    assert_eq!((totals.dispatched, totals.refused, totals.cancelled), (2, 1, 1));
    // A client that goes away leaves nothing behind.
    let seat = enter(&fairness, "workers", SOON).await.unwrap();
    let gone = tokio::time::timeout(Duration::from_millis(5), enter(&fairness, "workers", SOON)).await;
    assert!(gone.is_err());
    drop(seat);
    assert!(fairness.levels()[0].set().is_idle());
    assert_eq!(fairness.levels()[0].set().usage().seats_in_use, 0);
}

#[tokio::test]
async fn levels_that_are_gone_serve_who_is_there() {
    let fairness = fairness(10);
    let busy = || vec![level("busy", 15, Value::Null)];
    fairness.configure(vec![schema("busy", "busy", 500, "workers")], busy());
    let seat = enter(&fairness, "workers", SOON).await.unwrap();
    fairness.configure(vec![schema("busy", "busy", 500, "workers")], Vec::new());
    assert_eq!(fairness.classify(&asked(&["workers".to_owned()])).unwrap().name, "catch-all");
    assert_eq!(fairness.levels().len(), 3);
    fairness.rebalance();
    assert_eq!(fairness.levels().len(), 3);
    drop(seat);
    fairness.rebalance();
    assert_eq!(fairness.levels().len(), 2);
    fairness.configure(Vec::new(), busy());
    assert!(!fairness.levels()[0].is_quiescing());
}

#[tokio::test]
async fn seats_go_where_they_are_wanted() {
    let fairness = fairness(20);
    let levels = || vec![level("busy", 10, Value::Null), level("idle", 10, Value::Null)];
    fairness.configure(vec![schema("busy", "busy", 500, "workers")], levels());
    let current = |name: &str| fairness.states.lock().levels[name].current;
    let mut seats = Vec::new();
    while let Ok(seat) = enter(&fairness, "workers", SOON).await {
        seats.push(seat);
    }
    let before = seats.len();
    tokio::time::sleep(Duration::from_millis(2)).await;
    fairness.rebalance();
    assert!(current("busy") > before && current("idle") < current("busy"), "{} {before}", current("busy"));
    assert!(enter(&fairness, "workers", SOON).await.is_ok());
    let sum: usize = fairness.states.lock().levels.values().map(|state| state.current).sum();
    assert!(sum <= fairness.states.lock().nominal_sum + 2, "{sum}");
}

#[tokio::test]
async fn an_idle_level_costs_next_to_nothing() {
    let fairness = fairness(600);
    let queuing = json!({"queues": 128, "handSize": 6, "queueLengthLimit": 50});
    fairness.configure(vec![schema("busy", "busy", 500, "workers")], vec![level("busy", 30, queuing)]);
    let rounds = 20_000;
    let began = Instant::now();
    for _ in 0..rounds {
        drop(enter(&fairness, "workers", SOON).await.unwrap());
    }
    println!("{:?} for a request", began.elapsed() / rounds);
    assert!(fairness.levels()[0].set().is_idle());
    assert_eq!(fairness.levels()[0].set().totals().dispatched, u64::from(rounds));
}
