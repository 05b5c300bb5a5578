//! LISTs of Pods: whole, in every form, and selective ones.

use std::time::Duration;

use anyhow::{Result, ensure};
use http::Method;
use http::header::ACCEPT;
use http_body_util::Full;

use super::super::client::{JSON, PROTOBUF, Spent, TABLE, Until, drive};
use super::super::objects::{PODS, group_name, node_name};
use super::super::{Goal, Load, Row, Setting};

pub const WHOLE: Load = Load {
    name: "lists",
    rows: &[
        Row { name: "LIST of all Pods, JSON", unit: "/s", goal: Goal::Times(15.0) },
        Row { name: "CPU per JSON LIST", unit: "ms", goal: Goal::None },
        Row { name: "LIST of all Pods, protobuf", unit: "/s", goal: Goal::Times(10.0) },
        Row { name: "CPU per protobuf LIST", unit: "ms", goal: Goal::None },
        Row { name: "LIST of all Pods, JSON, consistent", unit: "/s", goal: Goal::Times(15.0) },
        Row { name: "CPU per consistent LIST", unit: "ms", goal: Goal::None },
    ],
    objects: true,
    once: false,
    run: |setting| {
        Box::pin(async move {
            let json = list(setting, JSON, 2, |_| format!("{PODS}?resourceVersion=0")).await?;
            let protobuf = list(setting, PROTOBUF, 2, |_| format!("{PODS}?resourceVersion=0")).await?;
            let consistent = list(setting, JSON, 2, |_| PODS.to_owned()).await?;
            Ok([json, protobuf, consistent]
                .iter()
                .flat_map(|spent| [Some(spent.per_second()), Some(spent.cpu_ms())])
                .collect())
        })
    },
};

pub const SELECTIVE: Load = Load {
    name: "selective",
    rows: &[
        Row { name: "LIST of 1 % by label", unit: "/s", goal: Goal::Times(50.0) },
        Row { name: "CPU per LIST by label", unit: "ms", goal: Goal::None },
        Row { name: "LIST of 1 % by spec.nodeName", unit: "/s", goal: Goal::Times(50.0) },
        Row { name: "CPU per LIST by node", unit: "ms", goal: Goal::None },
        Row { name: "Table page of 500", unit: "ms", goal: Goal::Fraction(15.0) },
        Row { name: "CPU per Table page", unit: "ms", goal: Goal::None },
    ],
    objects: true,
    once: false,
    run: |setting| {
        Box::pin(async move {
            let (sizes, many) = (setting.sizes.clone(), setting.sizes.in_flight.min(8));
            let by_label =
                list(setting, JSON, many, move |n| format!("{PODS}?labelSelector=group%3D{}", group_name(n, &sizes)))
                    .await?;
            let sizes = setting.sizes.clone();
            let by_node = list(setting, JSON, many, move |n| {
                format!("{PODS}?fieldSelector=spec.nodeName%3D{}", node_name(n, &sizes))
            })
            .await?;
            let page = list(setting, TABLE, 1, |_| format!("{PODS}?limit=500")).await?;
            Ok(vec![
                Some(by_label.per_second()),
                Some(by_label.cpu_ms()),
                Some(by_node.per_second()),
                Some(by_node.cpu_ms()),
                Some(1e3 / page.per_second()),
                Some(page.cpu_ms()),
            ])
        })
    },
};

async fn list(
    setting: &Setting<'_>,
    accept: &'static str,
    in_flight: usize,
    path: impl Fn(usize) -> String + Send + Sync + 'static,
) -> Result<Spent> {
    let until = Until::Elapsed(Duration::from_secs_f64(setting.sizes.seconds));
    let spent = drive(setting.client, setting.subject.pid(), in_flight, until, move |client, number| {
        Ok(client.request(Method::GET, &path(number)).header(ACCEPT, accept).body(Full::default())?)
    })
    .await?;
    ensure!(spent.bytes / spent.done.max(1) > 10_000, "lists of {} bytes are not what was asked for", spent.bytes);
    Ok(spent)
}
