//! The types of `flowcontrol_v1beta3`. Made by `cargo run -p hack-xtask -- codegen`; do not edit.
#![allow(non_upper_case_globals)] // The Go names, so that a type is found by its name.

use super::meta_v1;
use crate::row::*;

pub static ExemptPriorityLevelConfiguration: Type = object("io.k8s.api.flowcontrol.v1beta3.ExemptPriorityLevelConfiguration", &ExemptPriorityLevelConfiguration_F);
static ExemptPriorityLevelConfiguration_F: [Field; 2] = [
    f("nominalConcurrencyShares", Shape::Int32, 1, P | E),
    f("lendablePercent", Shape::Int32, 2, P | E),
];

pub static FlowDistinguisherMethod: Type = object("io.k8s.api.flowcontrol.v1beta3.FlowDistinguisherMethod", &FlowDistinguisherMethod_F);
static FlowDistinguisherMethod_F: [Field; 1] = [
    g("type", Shape::String, 1, R, "v1beta3.FlowDistinguisherMethodType", ""),
];

pub static FlowSchema: Type = object("io.k8s.api.flowcontrol.v1beta3.FlowSchema", &FlowSchema_F);
static FlowSchema_F: [Field; 5] = [
    f("kind", Shape::String, 0, E),
    f("apiVersion", Shape::String, 0, E),
    f("metadata", o(&meta_v1::ObjectMeta), 1, 0),
    f("spec", o(&FlowSchemaSpec), 2, 0),
    f("status", o(&FlowSchemaStatus), 3, 0),
];

pub static FlowSchemaCondition: Type = object("io.k8s.api.flowcontrol.v1beta3.FlowSchemaCondition", &FlowSchemaCondition_F);
static FlowSchemaCondition_F: [Field; 5] = [
    g("type", Shape::String, 1, E, "v1beta3.FlowSchemaConditionType", ""),
    g("status", Shape::String, 2, E, "v1beta3.ConditionStatus", ""),
    f("lastTransitionTime", Shape::Time, 3, 0),
    f("reason", Shape::String, 4, E),
    f("message", Shape::String, 5, E),
];

pub static FlowSchemaList: Type = object("io.k8s.api.flowcontrol.v1beta3.FlowSchemaList", &FlowSchemaList_F);
static FlowSchemaList_F: [Field; 4] = [
    f("kind", Shape::String, 0, E),
    f("apiVersion", Shape::String, 0, E),
    f("metadata", o(&meta_v1::ListMeta), 1, 0),
    f("items", list(&FlowSchema_S), 2, R),
];

pub static FlowSchemaSpec: Type = object("io.k8s.api.flowcontrol.v1beta3.FlowSchemaSpec", &FlowSchemaSpec_F);
static FlowSchemaSpec_F: [Field; 4] = [
    f("priorityLevelConfiguration", o(&PriorityLevelConfigurationReference), 1, R),
    f("matchingPrecedence", Shape::Int32, 2, 0),
    f("distinguisherMethod", o(&FlowDistinguisherMethod), 3, P | E),
    f("rules", list(&PolicyRulesWithSubjects_S), 4, E),
];

pub static FlowSchemaStatus: Type = object("io.k8s.api.flowcontrol.v1beta3.FlowSchemaStatus", &FlowSchemaStatus_F);
static FlowSchemaStatus_F: [Field; 1] = [
    k("conditions", list(&FlowSchemaCondition_S), 1, E | MERGE, &BY_type, "type"),
];

pub static GroupSubject: Type = object("io.k8s.api.flowcontrol.v1beta3.GroupSubject", &GroupSubject_F);
static GroupSubject_F: [Field; 1] = [
    f("name", Shape::String, 1, R),
];

pub static LimitResponse: Type = object("io.k8s.api.flowcontrol.v1beta3.LimitResponse", &LimitResponse_F);
static LimitResponse_F: [Field; 2] = [
    g("type", Shape::String, 1, R, "v1beta3.LimitResponseType", ""),
    f("queuing", o(&QueuingConfiguration), 2, P | E),
];

pub static LimitedPriorityLevelConfiguration: Type = object("io.k8s.api.flowcontrol.v1beta3.LimitedPriorityLevelConfiguration", &LimitedPriorityLevelConfiguration_F);
static LimitedPriorityLevelConfiguration_F: [Field; 4] = [
    f("nominalConcurrencyShares", Shape::Int32, 1, 0),
    f("limitResponse", o(&LimitResponse), 2, 0),
    f("lendablePercent", Shape::Int32, 3, P | E),
    f("borrowingLimitPercent", Shape::Int32, 4, P | E),
];

pub static NonResourcePolicyRule: Type = object("io.k8s.api.flowcontrol.v1beta3.NonResourcePolicyRule", &NonResourcePolicyRule_F);
static NonResourcePolicyRule_F: [Field; 2] = [
    f("verbs", list(&STRING_S), 1, R | SET),
    f("nonResourceURLs", list(&STRING_S), 6, R | SET),
];

pub static PolicyRulesWithSubjects: Type = object("io.k8s.api.flowcontrol.v1beta3.PolicyRulesWithSubjects", &PolicyRulesWithSubjects_F);
static PolicyRulesWithSubjects_F: [Field; 3] = [
    f("subjects", list(&Subject_S), 1, R),
    f("resourceRules", list(&ResourcePolicyRule_S), 2, E),
    f("nonResourceRules", list(&NonResourcePolicyRule_S), 3, E),
];

pub static PriorityLevelConfiguration: Type = object("io.k8s.api.flowcontrol.v1beta3.PriorityLevelConfiguration", &PriorityLevelConfiguration_F);
static PriorityLevelConfiguration_F: [Field; 5] = [
    f("kind", Shape::String, 0, E),
    f("apiVersion", Shape::String, 0, E),
    f("metadata", o(&meta_v1::ObjectMeta), 1, 0),
    f("spec", o(&PriorityLevelConfigurationSpec), 2, 0),
    f("status", o(&PriorityLevelConfigurationStatus), 3, 0),
];

pub static PriorityLevelConfigurationCondition: Type = object("io.k8s.api.flowcontrol.v1beta3.PriorityLevelConfigurationCondition", &PriorityLevelConfigurationCondition_F);
static PriorityLevelConfigurationCondition_F: [Field; 5] = [
    g("type", Shape::String, 1, E, "v1beta3.PriorityLevelConfigurationConditionType", ""),
    g("status", Shape::String, 2, E, "v1beta3.ConditionStatus", ""),
    f("lastTransitionTime", Shape::Time, 3, 0),
    f("reason", Shape::String, 4, E),
    f("message", Shape::String, 5, E),
];

pub static PriorityLevelConfigurationList: Type = object("io.k8s.api.flowcontrol.v1beta3.PriorityLevelConfigurationList", &PriorityLevelConfigurationList_F);
static PriorityLevelConfigurationList_F: [Field; 4] = [
    f("kind", Shape::String, 0, E),
    f("apiVersion", Shape::String, 0, E),
    f("metadata", o(&meta_v1::ListMeta), 1, 0),
    f("items", list(&PriorityLevelConfiguration_S), 2, R),
];

pub static PriorityLevelConfigurationReference: Type = object("io.k8s.api.flowcontrol.v1beta3.PriorityLevelConfigurationReference", &PriorityLevelConfigurationReference_F);
static PriorityLevelConfigurationReference_F: [Field; 1] = [
    f("name", Shape::String, 1, R),
];

pub static PriorityLevelConfigurationSpec: Type = object("io.k8s.api.flowcontrol.v1beta3.PriorityLevelConfigurationSpec", &PriorityLevelConfigurationSpec_F);
static PriorityLevelConfigurationSpec_F: [Field; 3] = [
    g("type", Shape::String, 1, R, "v1beta3.PriorityLevelEnablement", ""),
    f("limited", o(&LimitedPriorityLevelConfiguration), 2, P | E),
    f("exempt", o(&ExemptPriorityLevelConfiguration), 3, P | E),
];

pub static PriorityLevelConfigurationStatus: Type = object("io.k8s.api.flowcontrol.v1beta3.PriorityLevelConfigurationStatus", &PriorityLevelConfigurationStatus_F);
static PriorityLevelConfigurationStatus_F: [Field; 1] = [
    k("conditions", list(&PriorityLevelConfigurationCondition_S), 1, E | MERGE, &BY_type, "type"),
];

pub static QueuingConfiguration: Type = object("io.k8s.api.flowcontrol.v1beta3.QueuingConfiguration", &QueuingConfiguration_F);
static QueuingConfiguration_F: [Field; 3] = [
    f("queues", Shape::Int32, 1, 0),
    f("handSize", Shape::Int32, 2, 0),
    f("queueLengthLimit", Shape::Int32, 3, 0),
];

pub static ResourcePolicyRule: Type = object("io.k8s.api.flowcontrol.v1beta3.ResourcePolicyRule", &ResourcePolicyRule_F);
static ResourcePolicyRule_F: [Field; 5] = [
    f("verbs", list(&STRING_S), 1, R | SET),
    f("apiGroups", list(&STRING_S), 2, R | SET),
    f("resources", list(&STRING_S), 3, R | SET),
    f("clusterScope", Shape::Bool, 4, E),
    f("namespaces", list(&STRING_S), 5, SET),
];

pub static ServiceAccountSubject: Type = object("io.k8s.api.flowcontrol.v1beta3.ServiceAccountSubject", &ServiceAccountSubject_F);
static ServiceAccountSubject_F: [Field; 2] = [
    f("namespace", Shape::String, 1, R),
    f("name", Shape::String, 2, R),
];

pub static Subject: Type = object("io.k8s.api.flowcontrol.v1beta3.Subject", &Subject_F);
static Subject_F: [Field; 4] = [
    g("kind", Shape::String, 1, R, "v1beta3.SubjectKind", ""),
    f("user", o(&UserSubject), 2, P | E),
    f("group", o(&GroupSubject), 3, P | E),
    f("serviceAccount", o(&ServiceAccountSubject), 4, P | E),
];

pub static UserSubject: Type = object("io.k8s.api.flowcontrol.v1beta3.UserSubject", &UserSubject_F);
static UserSubject_F: [Field; 1] = [
    f("name", Shape::String, 1, R),
];

// Keys of lists.
static BY_type: [Key; 1] = [key("type")];

// Elements of lists and maps.
pub static FlowSchemaCondition_S: Shape = o(&FlowSchemaCondition);
pub static FlowSchema_S: Shape = o(&FlowSchema);
pub static NonResourcePolicyRule_S: Shape = o(&NonResourcePolicyRule);
pub static PolicyRulesWithSubjects_S: Shape = o(&PolicyRulesWithSubjects);
pub static PriorityLevelConfigurationCondition_S: Shape = o(&PriorityLevelConfigurationCondition);
pub static PriorityLevelConfiguration_S: Shape = o(&PriorityLevelConfiguration);
pub static ResourcePolicyRule_S: Shape = o(&ResourcePolicyRule);
pub static Subject_S: Shape = o(&Subject);
