//! What decoding reports: kube-apiserver's wording.
#![allow(clippy::unwrap_used)] // A test.

use apiserver_schema::builtin;
use apiserver_schema::json::{DecodeOptions, decode, to_vec, type_meta};
use serde_json::json;

fn problems(kind: &str, text: &str) -> Vec<String> {
    let ty = builtin("", "v1", kind).unwrap();
    let decoded = decode(ty, text.as_bytes(), DecodeOptions::default()).unwrap();
    decoded.problems.iter().map(ToString::to_string).collect()
}

fn error(group: &str, kind: &str, text: &str) -> String {
    let ty = builtin(group, "v1", kind).unwrap();
    decode(ty, text.as_bytes(), DecodeOptions::default()).unwrap_err().to_string()
}

#[test]
fn unknown_and_duplicate_fields() {
    assert_eq!(
        problems(
            "Pod",
            r#"{"kind":"Pod","Kind":"x","spec":{"containers":[{"name":"a"},{"name":"b","foo":1,"name":"c"}],"x.y":{}},
                "metadata":{"labels":{"a":"1","a":"2"}},"spec":{}}"#
        ),
        [
            r#"unknown field "Kind""#,
            r#"unknown field "spec.containers[1].foo""#,
            r#"duplicate field "spec.containers[1].name""#,
            r#"unknown field "spec.x.y""#,
            r#"duplicate field "metadata.labels.a""#,
            r#"duplicate field "spec""#,
        ]
    );
    assert_eq!(problems("Event", r#"{"reason":"","reason":""}"#), [r#"duplicate field "reason""#]);
}

#[test]
fn mismatches() {
    for (text, expected) in [
        (r#"{"spec":{"replicas":"1"}}"#, "string into Go struct field DeploymentSpec.spec.replicas of type int32"),
        (r#"{"spec":{"replicas":1.5}}"#, "number 1.5 into Go struct field DeploymentSpec.spec.replicas of type int32"),
        (
            r#"{"spec":{"replicas":3000000000}}"#,
            "number 3000000000 into Go struct field DeploymentSpec.spec.replicas of type int32",
        ),
        (
            r#"{"spec":{"template":{"spec":{"containers":[{"env":[{"name":"a","value":1}]}]}}}}"#,
            "number into Go struct field EnvVar.spec.template.spec.containers.env.value of type string",
        ),
        (
            r#"{"spec":{"template":{"spec":{"containers":{}}}}}"#,
            "object into Go struct field PodSpec.spec.template.spec.containers of type []v1.Container",
        ),
        (
            r#"{"spec":{"template":{"spec":{"restartPolicy":true}}}}"#,
            "bool into Go struct field PodSpec.spec.template.spec.restartPolicy of type v1.RestartPolicy",
        ),
        (r#"{"metadata":{"labels":{"a":1}}}"#, "number into Go struct field ObjectMeta.metadata.labels of type string"),
        (r#"{"spec":[]}"#, "array into Go struct field Deployment.spec of type v1.DeploymentSpec"),
        (
            r#"{"metadata":{"labels":[]}}"#,
            "array into Go struct field ObjectMeta.metadata.labels of type map[string]string",
        ),
        (r#"[]"#, "array into Go value of type v1.Deployment"),
        (
            r#"{"spec":{"template":{"spec":{"volumes":[{"emptyDir":[]}]}}}}"#,
            "array into Go struct field Volume.spec.template.spec.volumes.VolumeSource.emptyDir of type v1.EmptyDirVolumeSource",
        ),
        (
            r#"{"spec":{"strategy":{"rollingUpdate":{"maxSurge":1.5}}}}"#,
            "number 1.5 into Go struct field RollingUpdateDeployment.spec.strategy.rollingUpdate.maxSurge of type int32",
        ),
        (
            r#"{"spec":{"replicas":"x"},"metadata":{"creationTimestamp":5}}"#,
            "number into Go struct field ObjectMeta.metadata.creationTimestamp of type string",
        ),
        (
            r#"{"spec":{"template":{"spec":{"containers":[{"resources":{"limits":[]}}]}}}}"#,
            "array into Go struct field ResourceRequirements.spec.template.spec.containers.resources.limits of type v1.ResourceList",
        ),
    ] {
        assert_eq!(error("apps", "Deployment", text), format!("json: cannot unmarshal {expected}"));
    }
    for (text, expected) in [
        (r#"{"data":{"a":"*"}}"#, "illegal base64 data at input byte 0"),
        (r#"{"data":{"a":"b"}}"#, "illegal base64 data at input byte 0"),
        (r#"{"data":{"a":"YWJjYQ"}}"#, "illegal base64 data at input byte 4"),
        (r#"{"data":{"a":"YWJjYQ="}}"#, "illegal base64 data at input byte 7"),
        (
            r#"{"metadata":{"creationTimestamp":"x"}}"#,
            r#"parsing time "x" as "2006-01-02T15:04:05Z07:00": cannot parse "x" as "2006""#,
        ),
    ] {
        assert_eq!(error("", "Secret", text), expected);
    }
}

#[test]
fn syntax() {
    for (text, expected) in [
        ("", "unexpected end of JSON input"),
        ("{", "unexpected end of JSON input"),
        (r#"{"a" 1}"#, "invalid character '1' after object key"),
        (r#"{"a":1,}"#, "invalid character '}' looking for beginning of object key string"),
        (r#"{"a":[1 2]}"#, "invalid character '2' after array element"),
        (r#"{"a":tru}"#, "invalid character '}' in literal true (expecting 'e')"),
        (r#"{"a":01}"#, "invalid character '1' after object key:value pair"),
        (r#"{} x"#, "invalid character 'x' after top-level value"),
        ("{\"a\":\"\n\"}", "invalid character '\\n' in string literal"),
        (r#"{"a":"\q"}"#, "invalid character 'q' in string escape code"),
    ] {
        assert_eq!(error("", "Pod", text), expected, "{text}");
    }
    assert_eq!(
        type_meta(b"{,").unwrap_err().to_string(),
        "couldn't get version/kind; json parse error: invalid character ',' looking for beginning of object key string"
    );
    assert_eq!(type_meta(br#"{"spec":[{}],"kind":"A","apiVersion":"b/c"}"#).unwrap().api_version, "b/c");
}

/// The value is what the Go struct would print.
#[test]
fn normal_form() {
    let ty = builtin("", "v1", "Pod").unwrap();
    let text = r#"{"spec":{"hostNetwork":false,"nodeName":"","volumes":[],"terminationGracePeriodSeconds":0,
        "containers":[{"image":null,"resources":{"limits":{"cpu":0.5,"memory":"1024Mi"}},"ports":null}, null]},
        "metadata":{"creationTimestamp":"2024-01-01T02:00:00.5+02:00","labels":{}}}"#;
    let decoded = decode(ty, text.as_bytes(), DecodeOptions::default()).unwrap();
    assert_eq!(
        decoded.value,
        json!({
            "metadata": {"creationTimestamp": "2024-01-01T00:00:00Z"},
            "spec": {
                "terminationGracePeriodSeconds": 0,
                "containers": [
                    {"name": "", "resources": {"limits": {"cpu": "500m", "memory": "1Gi"}}},
                    {"name": "", "resources": {}},
                ],
            },
            "status": {},
        })
    );
    assert_eq!(
        String::from_utf8(to_vec(ty, &json!({}))).unwrap(),
        r#"{"metadata":{},"spec":{"containers":null},"status":{}}"#
    );
}

/// Custom resources: nothing is changed but unknown fields dropped.
#[test]
fn untyped() {
    let ty = builtin("", "v1", "Pod").unwrap();
    let options = DecodeOptions { untyped: true, ..DecodeOptions::default() };
    let text = r#"{"spec":{"hostNetwork":"yes","nodeName":"","containers":null,"foo":1}}"#;
    let decoded = decode(ty, text.as_bytes(), options).unwrap();
    assert_eq!(decoded.value, json!({"spec": {"hostNetwork": "yes", "nodeName": "", "containers": null}}));
    assert_eq!(decoded.problems[0].to_string(), r#"unknown field "spec.foo""#);
}
