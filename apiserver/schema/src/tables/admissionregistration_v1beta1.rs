//! The types of `admissionregistration_v1beta1`. Made by `cargo run -p hack-xtask -- codegen`; do not edit.
#![allow(non_upper_case_globals)] // The Go names, so that a type is found by its name.

use super::{admissionregistration_v1, meta_v1};
use crate::row::*;

pub static ApplyConfiguration: Type = object("io.k8s.api.admissionregistration.v1beta1.ApplyConfiguration", &ApplyConfiguration_F);
static ApplyConfiguration_F: [Field; 1] = [
    f("expression", Shape::String, 1, E),
];

pub static AuditAnnotation: Type = object("io.k8s.api.admissionregistration.v1beta1.AuditAnnotation", &AuditAnnotation_F);
static AuditAnnotation_F: [Field; 2] = [
    f("key", Shape::String, 1, R),
    f("valueExpression", Shape::String, 2, R),
];

pub static ExpressionWarning: Type = object("io.k8s.api.admissionregistration.v1beta1.ExpressionWarning", &ExpressionWarning_F);
static ExpressionWarning_F: [Field; 2] = [
    f("fieldRef", Shape::String, 2, R),
    f("warning", Shape::String, 3, R),
];

pub static JSONPatch: Type = object("io.k8s.api.admissionregistration.v1beta1.JSONPatch", &JSONPatch_F);
static JSONPatch_F: [Field; 1] = [
    f("expression", Shape::String, 1, E),
];

pub static MatchCondition: Type = object("io.k8s.api.admissionregistration.v1beta1.MatchCondition", &MatchCondition_F);
static MatchCondition_F: [Field; 2] = [
    f("name", Shape::String, 1, R),
    f("expression", Shape::String, 2, R),
];

pub static MatchResources: Type = atomic_object("io.k8s.api.admissionregistration.v1beta1.MatchResources", &MatchResources_F);
static MatchResources_F: [Field; 5] = [
    f("namespaceSelector", o(&meta_v1::LabelSelector), 1, P | E),
    f("objectSelector", o(&meta_v1::LabelSelector), 2, P | E),
    f("resourceRules", list(&NamedRuleWithOperations_S), 3, E),
    f("excludeResourceRules", list(&NamedRuleWithOperations_S), 4, E),
    g("matchPolicy", Shape::String, 7, P | E, "v1beta1.MatchPolicyType", ""),
];

pub static MutatingAdmissionPolicy: Type = object("io.k8s.api.admissionregistration.v1beta1.MutatingAdmissionPolicy", &MutatingAdmissionPolicy_F);
static MutatingAdmissionPolicy_F: [Field; 4] = [
    f("kind", Shape::String, 0, E),
    f("apiVersion", Shape::String, 0, E),
    f("metadata", o(&meta_v1::ObjectMeta), 1, 0),
    f("spec", o(&MutatingAdmissionPolicySpec), 2, 0),
];

pub static MutatingAdmissionPolicyBinding: Type = object("io.k8s.api.admissionregistration.v1beta1.MutatingAdmissionPolicyBinding", &MutatingAdmissionPolicyBinding_F);
static MutatingAdmissionPolicyBinding_F: [Field; 4] = [
    f("kind", Shape::String, 0, E),
    f("apiVersion", Shape::String, 0, E),
    f("metadata", o(&meta_v1::ObjectMeta), 1, 0),
    f("spec", o(&MutatingAdmissionPolicyBindingSpec), 2, 0),
];

pub static MutatingAdmissionPolicyBindingList: Type = object("io.k8s.api.admissionregistration.v1beta1.MutatingAdmissionPolicyBindingList", &MutatingAdmissionPolicyBindingList_F);
static MutatingAdmissionPolicyBindingList_F: [Field; 4] = [
    f("kind", Shape::String, 0, E),
    f("apiVersion", Shape::String, 0, E),
    f("metadata", o(&meta_v1::ListMeta), 1, 0),
    f("items", list(&MutatingAdmissionPolicyBinding_S), 2, R),
];

pub static MutatingAdmissionPolicyBindingSpec: Type = object("io.k8s.api.admissionregistration.v1beta1.MutatingAdmissionPolicyBindingSpec", &MutatingAdmissionPolicyBindingSpec_F);
static MutatingAdmissionPolicyBindingSpec_F: [Field; 3] = [
    f("policyName", Shape::String, 1, E),
    f("paramRef", o(&ParamRef), 2, P | E),
    f("matchResources", o(&MatchResources), 3, P | E),
];

pub static MutatingAdmissionPolicyList: Type = object("io.k8s.api.admissionregistration.v1beta1.MutatingAdmissionPolicyList", &MutatingAdmissionPolicyList_F);
static MutatingAdmissionPolicyList_F: [Field; 4] = [
    f("kind", Shape::String, 0, E),
    f("apiVersion", Shape::String, 0, E),
    f("metadata", o(&meta_v1::ListMeta), 1, 0),
    f("items", list(&MutatingAdmissionPolicy_S), 2, R),
];

pub static MutatingAdmissionPolicySpec: Type = object("io.k8s.api.admissionregistration.v1beta1.MutatingAdmissionPolicySpec", &MutatingAdmissionPolicySpec_F);
static MutatingAdmissionPolicySpec_F: [Field; 7] = [
    f("paramKind", o(&ParamKind), 1, P | E),
    f("matchConstraints", o(&MatchResources), 2, P | E),
    f("variables", list(&Variable_S), 3, E),
    f("mutations", list(&Mutation_S), 4, E),
    g("failurePolicy", Shape::String, 5, P | E, "v1beta1.FailurePolicyType", ""),
    k("matchConditions", list(&MatchCondition_S), 6, E | MERGE, &BY_name, "name"),
    g("reinvocationPolicy", Shape::String, 7, E, "v1.ReinvocationPolicyType", ""),
];

pub static MutatingWebhook: Type = object("io.k8s.api.admissionregistration.v1beta1.MutatingWebhook", &MutatingWebhook_F);
static MutatingWebhook_F: [Field; 12] = [
    f("name", Shape::String, 1, R),
    f("clientConfig", o(&WebhookClientConfig), 2, R),
    f("rules", list(&admissionregistration_v1::RuleWithOperations_S), 3, E),
    g("failurePolicy", Shape::String, 4, P | E, "v1beta1.FailurePolicyType", ""),
    g("matchPolicy", Shape::String, 9, P | E, "v1beta1.MatchPolicyType", ""),
    f("namespaceSelector", o(&meta_v1::LabelSelector), 5, P | E),
    f("objectSelector", o(&meta_v1::LabelSelector), 11, P | E),
    g("sideEffects", Shape::String, 6, P | E, "v1beta1.SideEffectClass", ""),
    f("timeoutSeconds", Shape::Int32, 7, P | E),
    f("admissionReviewVersions", list(&STRING_S), 8, E),
    g("reinvocationPolicy", Shape::String, 10, P | E, "v1.ReinvocationPolicyType", ""),
    k("matchConditions", list(&MatchCondition_S), 12, E | MERGE, &BY_name, "name"),
];

pub static MutatingWebhookConfiguration: Type = object("io.k8s.api.admissionregistration.v1beta1.MutatingWebhookConfiguration", &MutatingWebhookConfiguration_F);
static MutatingWebhookConfiguration_F: [Field; 4] = [
    f("kind", Shape::String, 0, E),
    f("apiVersion", Shape::String, 0, E),
    f("metadata", o(&meta_v1::ObjectMeta), 1, 0),
    k("webhooks", list(&MutatingWebhook_S), 2, E | MERGE, &BY_name, "name"),
];

pub static MutatingWebhookConfigurationList: Type = object("io.k8s.api.admissionregistration.v1beta1.MutatingWebhookConfigurationList", &MutatingWebhookConfigurationList_F);
static MutatingWebhookConfigurationList_F: [Field; 4] = [
    f("kind", Shape::String, 0, E),
    f("apiVersion", Shape::String, 0, E),
    f("metadata", o(&meta_v1::ListMeta), 1, 0),
    f("items", list(&MutatingWebhookConfiguration_S), 2, R),
];

pub static Mutation: Type = object("io.k8s.api.admissionregistration.v1beta1.Mutation", &Mutation_F);
static Mutation_F: [Field; 3] = [
    g("patchType", Shape::String, 2, R, "v1beta1.PatchType", ""),
    f("applyConfiguration", o(&ApplyConfiguration), 3, P | E),
    f("jsonPatch", o(&JSONPatch), 4, P | E),
];

pub static NamedRuleWithOperations: Type = atomic_object("io.k8s.api.admissionregistration.v1beta1.NamedRuleWithOperations", &NamedRuleWithOperations_F);
static NamedRuleWithOperations_F: [Field; 2] = [
    f("resourceNames", list(&STRING_S), 1, E),
    f("", o(&admissionregistration_v1::RuleWithOperations), 2, 0),
];

pub static ParamKind: Type = atomic_object("io.k8s.api.admissionregistration.v1beta1.ParamKind", &ParamKind_F);
static ParamKind_F: [Field; 2] = [
    f("apiVersion", Shape::String, 1, E),
    f("kind", Shape::String, 2, E),
];

pub static ParamRef: Type = atomic_object("io.k8s.api.admissionregistration.v1beta1.ParamRef", &ParamRef_F);
static ParamRef_F: [Field; 4] = [
    f("name", Shape::String, 1, E),
    f("namespace", Shape::String, 2, E),
    f("selector", o(&meta_v1::LabelSelector), 3, P | E),
    g("parameterNotFoundAction", Shape::String, 4, P | E, "v1beta1.ParameterNotFoundActionType", ""),
];

pub static ServiceReference: Type = object("io.k8s.api.admissionregistration.v1beta1.ServiceReference", &ServiceReference_F);
static ServiceReference_F: [Field; 4] = [
    f("namespace", Shape::String, 1, R),
    f("name", Shape::String, 2, R),
    f("path", Shape::String, 3, P | E),
    f("port", Shape::Int32, 4, P | E),
];

pub static TypeChecking: Type = object("io.k8s.api.admissionregistration.v1beta1.TypeChecking", &TypeChecking_F);
static TypeChecking_F: [Field; 1] = [
    f("expressionWarnings", list(&ExpressionWarning_S), 1, E),
];

pub static ValidatingAdmissionPolicy: Type = object("io.k8s.api.admissionregistration.v1beta1.ValidatingAdmissionPolicy", &ValidatingAdmissionPolicy_F);
static ValidatingAdmissionPolicy_F: [Field; 5] = [
    f("kind", Shape::String, 0, E),
    f("apiVersion", Shape::String, 0, E),
    f("metadata", o(&meta_v1::ObjectMeta), 1, 0),
    f("spec", o(&ValidatingAdmissionPolicySpec), 2, 0),
    f("status", o(&ValidatingAdmissionPolicyStatus), 3, 0),
];

pub static ValidatingAdmissionPolicyBinding: Type = object("io.k8s.api.admissionregistration.v1beta1.ValidatingAdmissionPolicyBinding", &ValidatingAdmissionPolicyBinding_F);
static ValidatingAdmissionPolicyBinding_F: [Field; 4] = [
    f("kind", Shape::String, 0, E),
    f("apiVersion", Shape::String, 0, E),
    f("metadata", o(&meta_v1::ObjectMeta), 1, 0),
    f("spec", o(&ValidatingAdmissionPolicyBindingSpec), 2, R),
];

pub static ValidatingAdmissionPolicyBindingList: Type = object("io.k8s.api.admissionregistration.v1beta1.ValidatingAdmissionPolicyBindingList", &ValidatingAdmissionPolicyBindingList_F);
static ValidatingAdmissionPolicyBindingList_F: [Field; 4] = [
    f("kind", Shape::String, 0, E),
    f("apiVersion", Shape::String, 0, E),
    f("metadata", o(&meta_v1::ListMeta), 1, 0),
    f("items", list(&ValidatingAdmissionPolicyBinding_S), 2, R),
];

pub static ValidatingAdmissionPolicyBindingSpec: Type = object("io.k8s.api.admissionregistration.v1beta1.ValidatingAdmissionPolicyBindingSpec", &ValidatingAdmissionPolicyBindingSpec_F);
static ValidatingAdmissionPolicyBindingSpec_F: [Field; 4] = [
    f("policyName", Shape::String, 1, E | R),
    f("paramRef", o(&ParamRef), 2, P | E),
    f("matchResources", o(&MatchResources), 3, P | E),
    g("validationActions", list(&STRING_S), 4, E | R | SET, "[]v1beta1.ValidationAction", ""),
];

pub static ValidatingAdmissionPolicyList: Type = object("io.k8s.api.admissionregistration.v1beta1.ValidatingAdmissionPolicyList", &ValidatingAdmissionPolicyList_F);
static ValidatingAdmissionPolicyList_F: [Field; 4] = [
    f("kind", Shape::String, 0, E),
    f("apiVersion", Shape::String, 0, E),
    f("metadata", o(&meta_v1::ListMeta), 1, 0),
    f("items", list(&ValidatingAdmissionPolicy_S), 2, R),
];

pub static ValidatingAdmissionPolicySpec: Type = object("io.k8s.api.admissionregistration.v1beta1.ValidatingAdmissionPolicySpec", &ValidatingAdmissionPolicySpec_F);
static ValidatingAdmissionPolicySpec_F: [Field; 7] = [
    f("paramKind", o(&ParamKind), 1, P | E),
    f("matchConstraints", o(&MatchResources), 2, P | E),
    f("validations", list(&Validation_S), 3, E),
    g("failurePolicy", Shape::String, 4, P | E, "v1beta1.FailurePolicyType", ""),
    f("auditAnnotations", list(&AuditAnnotation_S), 5, E),
    k("matchConditions", list(&MatchCondition_S), 6, E | MERGE, &BY_name, "name"),
    k("variables", list(&Variable_S), 7, E | MERGE, &BY_name, "name"),
];

pub static ValidatingAdmissionPolicyStatus: Type = object("io.k8s.api.admissionregistration.v1beta1.ValidatingAdmissionPolicyStatus", &ValidatingAdmissionPolicyStatus_F);
static ValidatingAdmissionPolicyStatus_F: [Field; 3] = [
    f("observedGeneration", Shape::Int64, 1, E),
    f("typeChecking", o(&TypeChecking), 2, P | E),
    k("conditions", list(&meta_v1::Condition_S), 3, E, &BY_type, ""),
];

pub static ValidatingWebhook: Type = object("io.k8s.api.admissionregistration.v1beta1.ValidatingWebhook", &ValidatingWebhook_F);
static ValidatingWebhook_F: [Field; 11] = [
    f("name", Shape::String, 1, R),
    f("clientConfig", o(&WebhookClientConfig), 2, R),
    f("rules", list(&admissionregistration_v1::RuleWithOperations_S), 3, E),
    g("failurePolicy", Shape::String, 4, P | E, "v1beta1.FailurePolicyType", ""),
    g("matchPolicy", Shape::String, 9, P | E, "v1beta1.MatchPolicyType", ""),
    f("namespaceSelector", o(&meta_v1::LabelSelector), 5, P | E),
    f("objectSelector", o(&meta_v1::LabelSelector), 10, P | E),
    g("sideEffects", Shape::String, 6, P | E, "v1beta1.SideEffectClass", ""),
    f("timeoutSeconds", Shape::Int32, 7, P | E),
    f("admissionReviewVersions", list(&STRING_S), 8, E),
    k("matchConditions", list(&MatchCondition_S), 11, E | MERGE, &BY_name, "name"),
];

pub static ValidatingWebhookConfiguration: Type = object("io.k8s.api.admissionregistration.v1beta1.ValidatingWebhookConfiguration", &ValidatingWebhookConfiguration_F);
static ValidatingWebhookConfiguration_F: [Field; 4] = [
    f("kind", Shape::String, 0, E),
    f("apiVersion", Shape::String, 0, E),
    f("metadata", o(&meta_v1::ObjectMeta), 1, 0),
    k("webhooks", list(&ValidatingWebhook_S), 2, E | MERGE, &BY_name, "name"),
];

pub static ValidatingWebhookConfigurationList: Type = object("io.k8s.api.admissionregistration.v1beta1.ValidatingWebhookConfigurationList", &ValidatingWebhookConfigurationList_F);
static ValidatingWebhookConfigurationList_F: [Field; 4] = [
    f("kind", Shape::String, 0, E),
    f("apiVersion", Shape::String, 0, E),
    f("metadata", o(&meta_v1::ListMeta), 1, 0),
    f("items", list(&ValidatingWebhookConfiguration_S), 2, R),
];

pub static Validation: Type = object("io.k8s.api.admissionregistration.v1beta1.Validation", &Validation_F);
static Validation_F: [Field; 4] = [
    f("expression", Shape::String, 1, R),
    f("message", Shape::String, 2, E),
    g("reason", Shape::String, 3, P | E, "v1.StatusReason", ""),
    f("messageExpression", Shape::String, 4, E),
];

pub static Variable: Type = atomic_object("io.k8s.api.admissionregistration.v1beta1.Variable", &Variable_F);
static Variable_F: [Field; 2] = [
    f("name", Shape::String, 1, R),
    f("expression", Shape::String, 2, R),
];

pub static WebhookClientConfig: Type = object("io.k8s.api.admissionregistration.v1beta1.WebhookClientConfig", &WebhookClientConfig_F);
static WebhookClientConfig_F: [Field; 3] = [
    f("url", Shape::String, 3, P | E),
    f("service", o(&ServiceReference), 1, P | E),
    f("caBundle", Shape::Bytes, 2, E),
];

// Keys of lists.
static BY_name: [Key; 1] = [key("name")];
static BY_type: [Key; 1] = [key("type")];

// Elements of lists and maps.
pub static AuditAnnotation_S: Shape = o(&AuditAnnotation);
pub static ExpressionWarning_S: Shape = o(&ExpressionWarning);
pub static MatchCondition_S: Shape = o(&MatchCondition);
pub static MutatingAdmissionPolicyBinding_S: Shape = o(&MutatingAdmissionPolicyBinding);
pub static MutatingAdmissionPolicy_S: Shape = o(&MutatingAdmissionPolicy);
pub static MutatingWebhookConfiguration_S: Shape = o(&MutatingWebhookConfiguration);
pub static MutatingWebhook_S: Shape = o(&MutatingWebhook);
pub static Mutation_S: Shape = o(&Mutation);
pub static NamedRuleWithOperations_S: Shape = o(&NamedRuleWithOperations);
pub static ValidatingAdmissionPolicyBinding_S: Shape = o(&ValidatingAdmissionPolicyBinding);
pub static ValidatingAdmissionPolicy_S: Shape = o(&ValidatingAdmissionPolicy);
pub static ValidatingWebhookConfiguration_S: Shape = o(&ValidatingWebhookConfiguration);
pub static ValidatingWebhook_S: Shape = o(&ValidatingWebhook);
pub static Validation_S: Shape = o(&Validation);
pub static Variable_S: Shape = o(&Variable);
