//! The one list of all built-in resources, by group in the order in which discovery shows them.
//!
//! To add one: a row here, its hooks in a file of [`crate::resources::hooks`], its table in `printers/`.

use apiserver_schema::Ref;

use super::hooks::{self, custom_resource_definition_v1beta1 as definition_v1beta1};
use super::{Resource, Storage, Subresource, Verbs, Version, Written, api_version};

/// Every built-in resource.
pub fn resources() -> Vec<Resource> {
    vec![
        namespaced("", &["v1"], "Binding", "bindings").verbs(Verbs::CREATE),
        cluster("", &["v1"], "ComponentStatus", "componentstatuses").short(&["cs"]).verbs(Verbs::READ),
        namespaced("", &["v1"], "ConfigMap", "configmaps").short(&["cm"]).stored("configmaps"),
        namespaced("", &["v1"], "Endpoints", "endpoints")
            .short(&["ep"])
            .stored("services/endpoints")
            .create_on_update(),
        namespaced("", &["v1"], "Event", "events").short(&["ev"]).stored("events").create_on_update(),
        namespaced("", &["v1"], "LimitRange", "limitranges")
            .short(&["limits"])
            .stored("limitranges")
            .create_on_update(),
        cluster("", &["v1"], "Namespace", "namespaces")
            .short(&["ns"])
            .verbs(Verbs::NO_DELETE_COLLECTION)
            .stored("namespaces")
            .with("finalize", ("", "", "Namespace"), &["update"])
            .status(),
        cluster("", &["v1"], "Node", "nodes")
            .short(&["no"])
            .stored("minions")
            .with("proxy", ("", "", "NodeProxyOptions"), &["create", "delete", "get", "patch", "update"])
            .status(),
        namespaced("", &["v1"], "PersistentVolumeClaim", "persistentvolumeclaims")
            .short(&["pvc"])
            .stored("persistentvolumeclaims")
            .status(),
        cluster("", &["v1"], "PersistentVolume", "persistentvolumes")
            .short(&["pv"])
            .stored("persistentvolumes")
            .status(),
        namespaced("", &["v1"], "Pod", "pods")
            .short(&["po"])
            .categories(&["all"])
            .stored("pods")
            .with("attach", ("", "", "PodAttachOptions"), &["create", "get"])
            .with("binding", ("", "", "Binding"), &["create"])
            .with("ephemeralcontainers", ("", "", "Pod"), &["get", "patch", "update"])
            .with("eviction", ("policy", "v1", "Eviction"), &["create"])
            .with("exec", ("", "", "PodExecOptions"), &["create", "get"])
            .with("log", ("", "", "Pod"), &["get"])
            .with("portforward", ("", "", "PodPortForwardOptions"), &["create", "get"])
            .with("proxy", ("", "", "PodProxyOptions"), &["create", "delete", "get", "patch", "update"])
            .with("resize", ("", "", "Pod"), &["get", "patch", "update"])
            .status()
            .generation(),
        namespaced("", &["v1"], "PodTemplate", "podtemplates").stored("podtemplates").generation(),
        namespaced("", &["v1"], "ReplicationController", "replicationcontrollers")
            .short(&["rc"])
            .categories(&["all"])
            .stored("controllers")
            .scale()
            .status()
            .generation(),
        namespaced("", &["v1"], "ResourceQuota", "resourcequotas").short(&["quota"]).stored("resourcequotas").status(),
        namespaced("", &["v1"], "Secret", "secrets").stored("secrets"),
        namespaced("", &["v1"], "ServiceAccount", "serviceaccounts").short(&["sa"]).stored("serviceaccounts").with(
            "token",
            ("authentication.k8s.io", "v1", "TokenRequest"),
            &["create"],
        ),
        namespaced("", &["v1"], "Service", "services")
            .short(&["svc"])
            .categories(&["all"])
            .stored("services/specs")
            .with("proxy", ("", "", "ServiceProxyOptions"), &["create", "delete", "get", "patch", "update"])
            .status()
            .create_on_update(),
        cluster("apiregistration.k8s.io", &["v1"], "APIService", "apiservices")
            .categories(&["api-extensions"])
            .stored("apiregistration.k8s.io/apiservices")
            .written(Written::Json)
            .status()
            .conditional_update(),
        namespaced("apps", &["v1"], "ControllerRevision", "controllerrevisions").stored("controllerrevisions"),
        namespaced("apps", &["v1"], "DaemonSet", "daemonsets")
            .short(&["ds"])
            .categories(&["all"])
            .stored("daemonsets")
            .status()
            .generation(),
        namespaced("apps", &["v1"], "Deployment", "deployments")
            .short(&["deploy"])
            .categories(&["all"])
            .stored("deployments")
            .scale()
            .status()
            .generation(),
        namespaced("apps", &["v1"], "ReplicaSet", "replicasets")
            .short(&["rs"])
            .categories(&["all"])
            .stored("replicasets")
            .scale()
            .status()
            .generation(),
        namespaced("apps", &["v1"], "StatefulSet", "statefulsets")
            .short(&["sts"])
            .categories(&["all"])
            .stored("statefulsets")
            .scale()
            .status()
            .generation(),
        namespaced("events.k8s.io", &["v1"], "Event", "events")
            .short(&["ev"])
            .stored_as("events", "", "v1")
            .create_on_update(),
        cluster("authentication.k8s.io", &["v1"], "SelfSubjectReview", "selfsubjectreviews").verbs(Verbs::CREATE),
        cluster("authentication.k8s.io", &["v1"], "TokenReview", "tokenreviews").verbs(Verbs::CREATE),
        namespaced("authorization.k8s.io", &["v1"], "LocalSubjectAccessReview", "localsubjectaccessreviews")
            .verbs(Verbs::CREATE),
        cluster("authorization.k8s.io", &["v1"], "SelfSubjectAccessReview", "selfsubjectaccessreviews")
            .verbs(Verbs::CREATE),
        cluster("authorization.k8s.io", &["v1"], "SelfSubjectRulesReview", "selfsubjectrulesreviews")
            .verbs(Verbs::CREATE),
        cluster("authorization.k8s.io", &["v1"], "SubjectAccessReview", "subjectaccessreviews").verbs(Verbs::CREATE),
        namespaced("autoscaling", &["v2", "v1"], "HorizontalPodAutoscaler", "horizontalpodautoscalers")
            .short(&["hpa"])
            .categories(&["all"])
            .stored("horizontalpodautoscalers")
            .status(),
        namespaced("batch", &["v1"], "CronJob", "cronjobs")
            .short(&["cj"])
            .categories(&["all"])
            .stored("cronjobs")
            .status()
            .generation(),
        namespaced("batch", &["v1"], "Job", "jobs").categories(&["all"]).stored("jobs").status().generation(),
        cluster("certificates.k8s.io", &["v1"], "CertificateSigningRequest", "certificatesigningrequests")
            .short(&["csr"])
            .stored("certificatesigningrequests")
            .with("approval", ("", "", "CertificateSigningRequest"), &["get", "patch", "update"])
            .status(),
        cluster("networking.k8s.io", &["v1"], "IngressClass", "ingressclasses").stored("ingressclasses").generation(),
        namespaced("networking.k8s.io", &["v1"], "Ingress", "ingresses")
            .short(&["ing"])
            .stored("ingress")
            .status()
            .generation(),
        cluster("networking.k8s.io", &["v1"], "IPAddress", "ipaddresses").short(&["ip"]).stored("ipaddresses"),
        namespaced("networking.k8s.io", &["v1"], "NetworkPolicy", "networkpolicies")
            .short(&["netpol"])
            .stored("networkpolicies")
            .generation(),
        cluster("networking.k8s.io", &["v1"], "ServiceCIDR", "servicecidrs").stored("servicecidrs").status(),
        namespaced("policy", &["v1"], "PodDisruptionBudget", "poddisruptionbudgets")
            .short(&["pdb"])
            .stored("poddisruptionbudgets")
            .status()
            .generation()
            .conditional_update(),
        cluster("rbac.authorization.k8s.io", &["v1"], "ClusterRoleBinding", "clusterrolebindings")
            .stored("clusterrolebindings")
            .create_on_update(),
        cluster("rbac.authorization.k8s.io", &["v1"], "ClusterRole", "clusterroles")
            .stored("clusterroles")
            .create_on_update(),
        namespaced("rbac.authorization.k8s.io", &["v1"], "RoleBinding", "rolebindings")
            .stored("rolebindings")
            .create_on_update(),
        namespaced("rbac.authorization.k8s.io", &["v1"], "Role", "roles").stored("roles").create_on_update(),
        cluster("storage.k8s.io", &["v1"], "CSIDriver", "csidrivers").stored("csidrivers").conditional_update(),
        cluster("storage.k8s.io", &["v1"], "CSINode", "csinodes").stored("csinodes").conditional_update(),
        namespaced("storage.k8s.io", &["v1"], "CSIStorageCapacity", "csistoragecapacities")
            .stored("csistoragecapacities")
            .conditional_update(),
        cluster("storage.k8s.io", &["v1"], "StorageClass", "storageclasses").short(&["sc"]).stored("storageclasses"),
        cluster("storage.k8s.io", &["v1"], "VolumeAttachment", "volumeattachments")
            .stored("volumeattachments")
            .status()
            .conditional_update(),
        cluster("storage.k8s.io", &["v1"], "VolumeAttributesClass", "volumeattributesclasses")
            .short(&["vac"])
            .stored("volumeattributesclasses"),
        cluster("admissionregistration.k8s.io", &["v1"], "MutatingAdmissionPolicy", "mutatingadmissionpolicies")
            .categories(&["api-extensions"])
            .stored("mutatingadmissionpolicies")
            .written(Written::ProtobufOf("admissionregistration.k8s.io/v1beta1"))
            .generation()
            .conditional_update(),
        cluster(
            "admissionregistration.k8s.io",
            &["v1"],
            "MutatingAdmissionPolicyBinding",
            "mutatingadmissionpolicybindings",
        )
        .categories(&["api-extensions"])
        .stored("mutatingadmissionpolicybindings")
        .written(Written::ProtobufOf("admissionregistration.k8s.io/v1beta1"))
        .generation()
        .conditional_update(),
        cluster(
            "admissionregistration.k8s.io",
            &["v1"],
            "MutatingWebhookConfiguration",
            "mutatingwebhookconfigurations",
        )
        .categories(&["api-extensions"])
        .stored("mutatingwebhookconfigurations")
        .generation()
        .conditional_update(),
        cluster("admissionregistration.k8s.io", &["v1"], "ValidatingAdmissionPolicy", "validatingadmissionpolicies")
            .categories(&["api-extensions"])
            .stored("validatingadmissionpolicies")
            .status()
            .generation()
            .conditional_update(),
        cluster(
            "admissionregistration.k8s.io",
            &["v1"],
            "ValidatingAdmissionPolicyBinding",
            "validatingadmissionpolicybindings",
        )
        .categories(&["api-extensions"])
        .stored("validatingadmissionpolicybindings")
        .generation()
        .conditional_update(),
        cluster(
            "admissionregistration.k8s.io",
            &["v1"],
            "ValidatingWebhookConfiguration",
            "validatingwebhookconfigurations",
        )
        .categories(&["api-extensions"])
        .stored("validatingwebhookconfigurations")
        .generation()
        .conditional_update(),
        cluster("apiextensions.k8s.io", &["v1"], "CustomResourceDefinition", "customresourcedefinitions")
            .short(&["crd", "crds"])
            .categories(&["api-extensions"])
            .stored("apiextensions.k8s.io/customresourcedefinitions")
            .written(Written::JsonOf(definition_v1beta1::VERSION, &definition_v1beta1::TYPE))
            .status()
            .generation()
            .conditional_update(),
        cluster("scheduling.k8s.io", &["v1"], "PriorityClass", "priorityclasses")
            .short(&["pc"])
            .stored("priorityclasses")
            .generation(),
        namespaced("coordination.k8s.io", &["v1"], "Lease", "leases")
            .stored("leases")
            .create_on_update()
            .conditional_update(),
        cluster("node.k8s.io", &["v1"], "RuntimeClass", "runtimeclasses")
            .stored("runtimeclasses")
            .create_on_update()
            .conditional_update(),
        namespaced("discovery.k8s.io", &["v1"], "EndpointSlice", "endpointslices")
            .stored("endpointslices")
            .generation(),
        cluster("resource.k8s.io", &["v1"], "DeviceClass", "deviceclasses").stored("deviceclasses").generation(),
        namespaced("resource.k8s.io", &["v1"], "ResourceClaim", "resourceclaims").stored("resourceclaims").status(),
        namespaced("resource.k8s.io", &["v1"], "ResourceClaimTemplate", "resourceclaimtemplates")
            .stored("resourceclaimtemplates"),
        cluster("resource.k8s.io", &["v1"], "ResourceSlice", "resourceslices").stored("resourceslices").generation(),
        cluster("flowcontrol.apiserver.k8s.io", &["v1"], "FlowSchema", "flowschemas")
            .stored("flowschemas")
            .status()
            .generation(),
        cluster("flowcontrol.apiserver.k8s.io", &["v1"], "PriorityLevelConfiguration", "prioritylevelconfigurations")
            .stored("prioritylevelconfigurations")
            .status()
            .generation(),
    ]
}

fn namespaced(group: &'static str, versions: &[&'static str], kind: &'static str, plural: &'static str) -> Resource {
    let mut resource = cluster(group, versions, kind, plural);
    resource.namespaced = true;
    resource
}

fn cluster(group: &'static str, versions: &[&'static str], kind: &'static str, plural: &'static str) -> Resource {
    Resource {
        group: group.into(),
        versions: versions
            .iter()
            .map(|version| Version { name: (*version).into(), ty: builtin_type(group, version, kind) })
            .collect(),
        kind: kind.into(),
        plural: plural.into(),
        singular: kind.to_lowercase().into(),
        short_names: Vec::new(),
        categories: Vec::new(),
        namespaced: false,
        verbs: Verbs::ALL,
        subresources: Vec::new(),
        storage: None,
        generation: false,
        create_on_update: false,
        unconditional_update: true,
        hooks: hooks::of(group, kind),
    }
}

fn builtin_type(group: &str, version: &str, kind: &str) -> Ref<apiserver_schema::Type> {
    Ref::Static(apiserver_schema::builtin(group, version, kind).expect("a test looks up the type of every row"))
}

impl Resource {
    fn short(mut self, names: &[&'static str]) -> Self {
        self.short_names = names.iter().map(|name| (*name).into()).collect();
        self
    }

    fn categories(mut self, names: &[&'static str]) -> Self {
        self.categories = names.iter().map(|name| (*name).into()).collect();
        self
    }

    fn verbs(mut self, verbs: Verbs) -> Self {
        self.verbs = verbs;
        self
    }

    /// Stored below `/registry/{prefix}/` in the preferred version.
    fn stored(mut self, prefix: &'static str) -> Self {
        let version = &self.versions[0];
        self.storage = Some(Storage {
            prefix: prefix.into(),
            api_version: api_version(&self.group, &version.name).into(),
            ty: version.ty.clone(),
            written: Written::default(),
        });
        self
    }

    /// Written into the store in this form.
    fn written(mut self, form: Written) -> Self {
        if let Some(storage) = &mut self.storage {
            storage.written = form;
        }
        self
    }

    /// Stored as a kind of the same name of another group.
    fn stored_as(mut self, prefix: &'static str, group: &'static str, version: &'static str) -> Self {
        self.storage = Some(Storage {
            prefix: prefix.into(),
            api_version: api_version(group, version).into(),
            ty: builtin_type(group, version, &self.kind),
            written: Written::default(),
        });
        self
    }

    fn status(mut self) -> Self {
        self.subresources.push(Subresource {
            name: "status",
            group: "",
            version: "",
            kind: "",
            verbs: &["get", "patch", "update"],
        });
        self
    }

    fn scale(self) -> Self {
        self.with("scale", ("autoscaling", "v1", "Scale"), &["get", "patch", "update"])
    }

    fn with(
        mut self,
        name: &'static str,
        (group, version, kind): (&'static str, &'static str, &'static str),
        verbs: &'static [&'static str],
    ) -> Self {
        self.subresources.push(Subresource { name, group, version, kind, verbs });
        self
    }

    fn generation(mut self) -> Self {
        self.generation = true;
        self
    }

    fn create_on_update(mut self) -> Self {
        self.create_on_update = true;
        self
    }

    fn conditional_update(mut self) -> Self {
        self.unconditional_update = false;
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_has_its_types_and_one_place() {
        let rows = resources();
        let mut names: Vec<_> = rows.iter().map(|row| (row.group.clone(), row.plural.clone())).collect();
        names.sort();
        names.dedup();
        assert_eq!(names.len(), rows.len());
        assert_eq!(rows.len(), 67);
    }
}
