//! Patches: of ConfigMaps, and of the status of Pods as kubelets write it.

use std::time::Duration;

use http::Method;
use http::header::CONTENT_TYPE;
use http_body_util::Full;

use super::super::client::{MERGE_PATCH, STRATEGIC_MERGE_PATCH, Until, drive};
use super::super::objects::{CONFIG_MAPS, PODS, config_map_name, pod_name};
use super::super::{Goal, Load, Row};

pub const LOAD: Load = Load {
    name: "patches",
    rows: &[
        Row { name: "ConfigMap merge patches", unit: "/s", goal: Goal::Times(2.0) },
        Row { name: "CPU per ConfigMap patch", unit: "ms", goal: Goal::Fraction(5.0) },
        Row { name: "Pod status patches", unit: "/s", goal: Goal::Times(2.0) },
        Row { name: "CPU per Pod status patch", unit: "ms", goal: Goal::Fraction(5.0) },
    ],
    objects: true,
    once: false,
    run: |setting| {
        Box::pin(async move {
            let objects = setting.sizes.objects;
            let round = setting.round;
            let until = Until::Elapsed(Duration::from_secs_f64(setting.sizes.seconds));
            let (pid, in_flight) = (setting.subject.pid(), setting.sizes.in_flight);
            let config_maps = drive(setting.client, pid, in_flight, until, move |client, number| {
                let path = format!("{CONFIG_MAPS}/{}", config_map_name(number.wrapping_mul(7919) % objects));
                let body = format!(r#"{{"data":{{"number":"{round}-{number}"}}}}"#);
                let request = client.request(Method::PATCH, &path).header(CONTENT_TYPE, MERGE_PATCH);
                Ok(request.body(Full::new(body.into()))?)
            })
            .await?;
            let pods = drive(setting.client, pid, in_flight, until, move |client, number| {
                let path = format!("{PODS}/{}/status", pod_name(number.wrapping_mul(7919) % objects));
                let body = format!(
                    r#"{{"status":{{"phase":"Running","conditions":[{{"type":"Ready","status":"True","message":"{round}-{number}"}}]}}}}"#
                );
                let request = client.request(Method::PATCH, &path).header(CONTENT_TYPE, STRATEGIC_MERGE_PATCH);
                Ok(request.body(Full::new(body.into()))?)
            })
            .await?;
            Ok(vec![
                Some(config_maps.per_second()),
                Some(config_maps.cpu_ms()),
                Some(pods.per_second()),
                Some(pods.cpu_ms()),
            ])
        })
    },
};
