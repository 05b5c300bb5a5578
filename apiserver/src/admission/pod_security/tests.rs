//! The standards on pods of our own: what each check lets pass and what it says when it does not.

use serde_json::{Value, json};

use super::*;

fn evaluate(level: Level, minor: Option<u32>, pod: &Value) -> String {
    detail(&LevelVersion { level, version: Version(minor) }.evaluate(&pod["metadata"], &pod["spec"]))
}

/// A pod that passes everything, changed.
fn pod(change: impl FnOnce(&mut Value)) -> Value {
    let mut pod = json!({"metadata": {}, "spec": {
        "securityContext": {"runAsNonRoot": true, "seccompProfile": {"type": "RuntimeDefault"}},
        "containers": [{"name": "a", "image": "i", "securityContext": {
            "allowPrivilegeEscalation": false, "capabilities": {"drop": ["ALL"]},
        }}],
        "volumes": [{"name": "v", "emptyDir": {}}],
    }});
    change(&mut pod);
    pod
}

#[test]
fn a_restricted_pod_passes_every_version_of_every_level() {
    for level in [Level::Privileged, Level::Baseline, Level::Restricted] {
        for minor in (0..=40).map(Some).chain([None]) {
            assert_eq!(evaluate(level, minor, &pod(|_| {})), "", "{level} {minor:?}");
        }
    }
}

#[test]
fn the_baseline_names_what_it_forbids() {
    type Case = (fn(&mut Value), &'static str);
    let cases: [Case; 14] = [
        (
            |p| p["spec"]["containers"][0]["securityContext"]["appArmorProfile"] = json!({"type": "Unconfined"}),
            r#"forbidden AppArmor profile (container "a" must not set AppArmor profile type to "Unconfined")"#,
        ),
        (
            |p| {
                p["metadata"]["annotations"] =
                    json!({"container.apparmor.security.beta.kubernetes.io/a": "unconfined"});
            },
            r#"forbidden AppArmor profile (annotation must not set AppArmor profile type to "container.apparmor.security.beta.kubernetes.io/a="unconfined"")"#,
        ),
        (
            |p| {
                p["spec"]["containers"][0]["securityContext"]["capabilities"]["add"] =
                    json!(["SYS_ADMIN", "NET_RAW", "CHOWN"])
            },
            r#"non-default capabilities (container "a" must not include "NET_RAW", "SYS_ADMIN" in securityContext.capabilities.add)"#,
        ),
        (
            |p| {
                p["spec"]["hostNetwork"] = true.into();
                p["spec"]["hostIPC"] = true.into();
            },
            "host namespaces (hostNetwork=true, hostIPC=true)",
        ),
        (
            |p| p["spec"]["volumes"] = json!([{"name": "v", "hostPath": {}}, {"name": "w", "hostPath": {}}]),
            r#"hostPath volumes (volumes "v", "w")"#,
        ),
        (
            |p| p["spec"]["containers"][0]["ports"] = json!([{"hostPort": 80}, {"hostPort": 443}]),
            r#"hostPort (container "a" uses hostPorts 443, 80)"#,
        ),
        (
            |p| p["spec"]["containers"][0]["livenessProbe"] = json!({"httpGet": {"host": "h"}}),
            r#"probe or lifecycle host (container "a" uses probe or lifecycle host "h")"#,
        ),
        (
            |p| p["spec"]["containers"][0]["securityContext"]["privileged"] = true.into(),
            r#"privileged (container "a" must not set securityContext.privileged=true)"#,
        ),
        (
            |p| p["spec"]["containers"][0]["securityContext"]["procMount"] = "Unmasked".into(),
            r#"procMount (container "a" must not set securityContext.procMount to "Unmasked")"#,
        ),
        (
            |p| p["spec"]["securityContext"]["seLinuxOptions"] = json!({"type": "bad", "user": "u"}),
            r#"seLinuxOptions (pod set forbidden securityContext.seLinuxOptions: type "bad"; user may not be set)"#,
        ),
        (
            |p| p["spec"]["securityContext"]["seccompProfile"]["type"] = "Unconfined".into(),
            r#"seccompProfile (pod must not set securityContext.seccompProfile.type to "Unconfined")"#,
        ),
        (
            |p| {
                p["spec"]["securityContext"]["sysctls"] =
                    json!([{"name": "kernel.msgmax"}, {"name": "net.ipv4.tcp_rmem"}])
            },
            "forbidden sysctls (kernel.msgmax)",
        ),
        (
            |p| p["spec"]["securityContext"]["windowsOptions"] = json!({"hostProcess": true}),
            "hostProcess (pod must not set securityContext.windowsOptions.hostProcess=true)",
        ),
        (|p| p["spec"]["containers"][0]["securityContext"] = json!({}), ""),
    ];
    for (change, expected) in cases {
        let changed = pod(change);
        assert_eq!(evaluate(Level::Baseline, None, &changed), expected);
        assert_eq!(evaluate(Level::Privileged, None, &changed), "");
    }
}

#[test]
fn restricted_asks_for_more() {
    let bare = pod(|p| {
        p["spec"] = json!({"containers": [{"name": "a"}, {"name": "b"}], "volumes": [{"name": "v", "nfs": {}}]});
    });
    assert_eq!(
        evaluate(Level::Restricted, None, &bare),
        r#"allowPrivilegeEscalation != false (containers "a", "b" must set securityContext.allowPrivilegeEscalation=false), unrestricted capabilities (containers "a", "b" must set securityContext.capabilities.drop=["ALL"]), restricted volume types (volume "v" uses restricted volume type "nfs"), runAsNonRoot != true (pod or containers "a", "b" must set securityContext.runAsNonRoot=true), seccompProfile (pod or containers "a", "b" must set securityContext.seccompProfile.type to "RuntimeDefault" or "Localhost")"#
    );
    let root = pod(|p| p["spec"]["containers"][0]["securityContext"]["runAsUser"] = 0.into());
    assert_eq!(evaluate(Level::Restricted, None, &root), r#"runAsUser=0 (container "a" must not set runAsUser=0)"#);
    assert_eq!(evaluate(Level::Restricted, Some(22), &root), "");
    let inside = pod(|p| {
        p["spec"]["hostUsers"] = false.into();
        p["spec"]["containers"][0]["securityContext"]["runAsUser"] = 0.into();
    });
    assert_eq!(evaluate(Level::Restricted, None, &inside), "");
    assert_ne!(evaluate(Level::Restricted, Some(34), &inside), "");
    let windows = pod(|p| {
        p["spec"] = json!({
            "os": {"name": "windows"}, "securityContext": {"runAsNonRoot": true}, "containers": [{"name": "a"}],
        })
    });
    assert_eq!(evaluate(Level::Restricted, None, &windows), "");
    assert_ne!(evaluate(Level::Restricted, Some(24), &windows), "");
}

#[test]
fn labels_over_defaults() {
    let defaults = PodSecurity::new(&Value::Null).unwrap().defaults;
    let of = |labels: Value| Policy::of_labels(&labels, defaults);
    let (policy, errors) = of(
        json!({"pod-security.kubernetes.io/enforce": "baseline", "pod-security.kubernetes.io/enforce-version": "v1.20"}),
    );
    assert!(errors.is_empty());
    assert_eq!(
        (policy.enforce.to_string(), policy.warn.to_string()),
        ("baseline:v1.20".into(), "baseline:v1.20".into())
    );
    assert_eq!(policy.audit.to_string(), "privileged:latest");
    let (policy, errors) =
        of(json!({"pod-security.kubernetes.io/enforce": "bad", "pod-security.kubernetes.io/warn-version": "v1.01"}));
    assert_eq!(policy.enforce.level, Level::Restricted);
    assert_eq!(
        errors.aggregate(),
        "[metadata.labels[pod-security.kubernetes.io/enforce]: Invalid value: \"bad\": must be one of privileged, baseline, restricted, metadata.labels[pod-security.kubernetes.io/warn-version]: Invalid value: \"v1.01\": must be \"latest\" or \"v1.x\"]"
    );
    let configured = PodSecurity::new(&json!({
        "apiVersion": "pod-security.admission.config.k8s.io/v1", "kind": "PodSecurityConfiguration",
        "defaults": {"enforce": "baseline"}, "exemptions": {"namespaces": ["a", "a"]},
    }));
    assert_eq!(
        configured.err().map(|error| error.to_string()),
        Some("PodSecurity invalid: exemptions.namespaces[1]: Duplicate value: \"a\"".to_owned())
    );
}
