//! GET of one object, consistent as clients ask for it by default.

use std::time::Duration;

use http::Method;
use http_body_util::Full;

use super::super::client::{Until, drive};
use super::super::objects::{PODS, pod_name};
use super::super::{Goal, Load, Row};

pub const LOAD: Load = Load {
    name: "gets",
    rows: &[
        Row { name: "Pod GETs", unit: "/s", goal: Goal::Times(5.0) },
        Row { name: "CPU per GET", unit: "ms", goal: Goal::None },
        Row { name: "Pod GETs at resourceVersion=0", unit: "/s", goal: Goal::Times(5.0) },
    ],
    objects: true,
    once: false,
    run: |setting| {
        Box::pin(async move {
            let objects = setting.sizes.objects;
            let until = Until::Elapsed(Duration::from_secs_f64(setting.sizes.seconds));
            let read = |suffix: &'static str| {
                drive(setting.client, setting.subject.pid(), setting.sizes.in_flight, until, move |client, number| {
                    // A step that shares no divisor with the count visits all objects in no order.
                    let path = format!("{PODS}/{}{suffix}", pod_name(number.wrapping_mul(7919) % objects));
                    Ok(client.request(Method::GET, &path).body(Full::default())?)
                })
            };
            let consistent = read("").await?;
            let cached = read("?resourceVersion=0").await?;
            Ok(vec![Some(consistent.per_second()), Some(consistent.cpu_ms()), Some(cached.per_second())])
        })
    },
};
