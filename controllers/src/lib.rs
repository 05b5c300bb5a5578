//! The controllers of kube-controller-manager.
//!
//! [`run`] is the component. `CONTROLLERS` is the list of all controllers; each is one module that looks at objects
//! through the shared [`informers`], plans what to do in a pure function, and does it with its own identity.

use std::{ffi::OsString, process::ExitCode};

use controllers_component_base::{flags, run as component};

mod bootstrap_token;
mod certificate_request;
mod controller;
mod discovery;
mod expectations;
mod identity;
mod informer;
mod informers;
mod key;
mod manager;
mod options;
mod owner;
mod pod;
mod pod_control;
mod queue;
mod revisions;
mod service_pods;
mod template_hash;

mod bootstrapsigner;
mod clusterroleaggregation;
mod cronjob;
mod csrapproving;
mod csrcleaner;
mod csrsigning;
mod daemonset;
mod deployment;
mod disruption;
mod endpoints;
mod endpointslice;
mod garbagecollector;
mod job;
mod namespace;
mod nodeipam;
mod nodelifecycle;
mod podgc;
mod replicaset;
mod replication;
mod resourcequota;
mod root_ca_certificate_publisher;
mod serviceaccount;
mod servicecidrs;
mod statefulset;
mod storageprotection;
mod tainteviction;
mod tokencleaner;
mod ttlafterfinished;
mod validatingadmissionpolicystatus;

use controller::Controller;

/// Every controller, by name. Leaving one out of this list makes its module dead code, which does not compile.
const CONTROLLERS: &[Controller] = &[
    bootstrapsigner::CONTROLLER,
    csrapproving::CONTROLLER,
    csrcleaner::CONTROLLER,
    csrsigning::CONTROLLER,
    clusterroleaggregation::CONTROLLER,
    cronjob::CONTROLLER,
    daemonset::CONTROLLER,
    deployment::CONTROLLER,
    disruption::CONTROLLER,
    endpoints::CONTROLLER,
    endpointslice::CONTROLLER,
    garbagecollector::CONTROLLER,
    job::CONTROLLER,
    namespace::CONTROLLER,
    nodeipam::CONTROLLER,
    nodelifecycle::CONTROLLER,
    storageprotection::VOLUMES,
    storageprotection::CLAIMS,
    podgc::CONTROLLER,
    replicaset::CONTROLLER,
    replication::CONTROLLER,
    resourcequota::CONTROLLER,
    root_ca_certificate_publisher::CONTROLLER,
    servicecidrs::CONTROLLER,
    serviceaccount::CONTROLLER,
    statefulset::CONTROLLER,
    tainteviction::CONTROLLER,
    tokencleaner::CONTROLLER,
    ttlafterfinished::CONTROLLER,
    validatingadmissionpolicystatus::CONTROLLER,
    storageprotection::ATTRIBUTES_CLASSES,
];

/// Those of them that `*` does not start.
const OFF_BY_DEFAULT: &[&str] = &[bootstrapsigner::CONTROLLER.name, tokencleaner::CONTROLLER.name];

/// kube-controller-manager: `args` is the program's name and its flags. Runs until SIGTERM or SIGINT.
pub fn run(args: Vec<OsString>) -> ExitCode {
    let options: options::Options = match flags::parse(args) {
        Ok(options) => options,
        Err(code) => return code,
    };
    component::run(options.logging.v, |shutdown| manager::run(options, shutdown))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn controllers_are_listed_once_and_in_order() {
        let names: Vec<&str> = CONTROLLERS.iter().map(|controller| controller.name).collect();
        assert!(names.is_sorted_by(|a, b| a < b), "{names:?}");
    }
}
