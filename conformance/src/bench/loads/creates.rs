//! Creation of the ConfigMaps and Pods that later loads read, a share of them in each round.

use http::Method;
use http::header::CONTENT_TYPE;
use http_body_util::Full;

use super::super::client::{JSON, Until, drive};
use super::super::objects::{CONFIG_MAPS, PODS, config_map, pod};
use super::super::{Goal, Load, Row};

pub const LOAD: Load = Load {
    name: "creates",
    rows: &[
        Row { name: "ConfigMap creates", unit: "/s", goal: Goal::Times(2.0) },
        Row { name: "CPU per ConfigMap create", unit: "ms", goal: Goal::Fraction(5.0) },
        Row { name: "Pod creates", unit: "/s", goal: Goal::Times(2.0) },
        Row { name: "CPU per Pod create", unit: "ms", goal: Goal::Fraction(5.0) },
    ],
    objects: false,
    once: false,
    run: |setting| {
        Box::pin(async move {
            let share = |round| setting.sizes.objects * round / setting.rounds;
            let (first, end) = (share(setting.round), share(setting.round + 1));
            let pid = setting.subject.pid();
            let post = |bodies: Vec<Vec<u8>>, path: &'static str| {
                drive(setting.client, pid, setting.sizes.in_flight, Until::Done(end - first), move |client, number| {
                    let body = bodies.get(number).cloned().unwrap_or_default();
                    Ok(client.request(Method::POST, path).header(CONTENT_TYPE, JSON).body(Full::new(body.into()))?)
                })
            };
            let bodies = (first..end).map(|number| config_map(number).to_string().into_bytes()).collect();
            let config_maps = post(bodies, CONFIG_MAPS).await?;
            let bodies = (first..end).map(|number| pod(number, setting.sizes).to_string().into_bytes()).collect();
            let pods = post(bodies, PODS).await?;
            Ok(vec![
                Some(config_maps.per_second()),
                Some(config_maps.cpu_ms()),
                Some(pods.per_second()),
                Some(pods.cpu_ms()),
            ])
        })
    },
};
