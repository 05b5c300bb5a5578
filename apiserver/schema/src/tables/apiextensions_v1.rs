//! The types of `apiextensions_v1`. Made by `cargo run -p hack-xtask -- codegen`; do not edit.
#![allow(non_upper_case_globals)] // The Go names, so that a type is found by its name.

use super::meta_v1;
use crate::row::*;

pub static ConversionRequest: Type = object("io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.ConversionRequest", &ConversionRequest_F);
static ConversionRequest_F: [Field; 3] = [
    g("uid", Shape::String, 1, R, "types.UID", ""),
    f("desiredAPIVersion", Shape::String, 2, R),
    f("objects", list(&RAW_S), 3, R),
];

pub static ConversionResponse: Type = object("io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.ConversionResponse", &ConversionResponse_F);
static ConversionResponse_F: [Field; 3] = [
    g("uid", Shape::String, 1, R, "types.UID", ""),
    f("convertedObjects", list(&RAW_S), 2, R),
    f("result", o(&meta_v1::Status), 3, R),
];

pub static ConversionReview: Type = object("io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.ConversionReview", &ConversionReview_F);
static ConversionReview_F: [Field; 4] = [
    f("kind", Shape::String, 0, E),
    f("apiVersion", Shape::String, 0, E),
    f("request", o(&ConversionRequest), 1, P | E),
    f("response", o(&ConversionResponse), 2, P | E),
];

pub static CustomResourceColumnDefinition: Type = object("io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.CustomResourceColumnDefinition", &CustomResourceColumnDefinition_F);
static CustomResourceColumnDefinition_F: [Field; 6] = [
    f("name", Shape::String, 1, R),
    f("type", Shape::String, 2, R),
    f("format", Shape::String, 3, E),
    f("description", Shape::String, 4, E),
    f("priority", Shape::Int32, 5, E),
    f("jsonPath", Shape::String, 6, R),
];

pub static CustomResourceConversion: Type = object("io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.CustomResourceConversion", &CustomResourceConversion_F);
static CustomResourceConversion_F: [Field; 2] = [
    g("strategy", Shape::String, 1, R, "v1.ConversionStrategyType", ""),
    f("webhook", o(&WebhookConversion), 2, P | E),
];

pub static CustomResourceDefinition: Type = object("io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.CustomResourceDefinition", &CustomResourceDefinition_F);
static CustomResourceDefinition_F: [Field; 5] = [
    f("kind", Shape::String, 0, E),
    f("apiVersion", Shape::String, 0, E),
    f("metadata", o(&meta_v1::ObjectMeta), 1, 0),
    f("spec", o(&CustomResourceDefinitionSpec), 2, R),
    f("status", o(&CustomResourceDefinitionStatus), 3, 0),
];

pub static CustomResourceDefinitionCondition: Type = object("io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.CustomResourceDefinitionCondition", &CustomResourceDefinitionCondition_F);
static CustomResourceDefinitionCondition_F: [Field; 6] = [
    g("type", Shape::String, 1, R, "v1.CustomResourceDefinitionConditionType", ""),
    g("status", Shape::String, 2, R, "v1.ConditionStatus", ""),
    f("lastTransitionTime", Shape::Time, 3, 0),
    f("reason", Shape::String, 4, E),
    f("message", Shape::String, 5, E),
    f("observedGeneration", Shape::Int64, 6, E),
];

pub static CustomResourceDefinitionList: Type = object("io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.CustomResourceDefinitionList", &CustomResourceDefinitionList_F);
static CustomResourceDefinitionList_F: [Field; 4] = [
    f("kind", Shape::String, 0, E),
    f("apiVersion", Shape::String, 0, E),
    f("metadata", o(&meta_v1::ListMeta), 1, 0),
    f("items", list(&CustomResourceDefinition_S), 2, R),
];

pub static CustomResourceDefinitionNames: Type = object("io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.CustomResourceDefinitionNames", &CustomResourceDefinitionNames_F);
static CustomResourceDefinitionNames_F: [Field; 6] = [
    f("plural", Shape::String, 1, R),
    f("singular", Shape::String, 2, E),
    f("shortNames", list(&STRING_S), 3, E),
    f("kind", Shape::String, 4, R),
    f("listKind", Shape::String, 5, E),
    f("categories", list(&STRING_S), 6, E),
];

pub static CustomResourceDefinitionSpec: Type = object("io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.CustomResourceDefinitionSpec", &CustomResourceDefinitionSpec_F);
static CustomResourceDefinitionSpec_F: [Field; 6] = [
    f("group", Shape::String, 1, R),
    f("names", o(&CustomResourceDefinitionNames), 3, R),
    g("scope", Shape::String, 4, R, "v1.ResourceScope", ""),
    f("versions", list(&CustomResourceDefinitionVersion_S), 7, R),
    f("conversion", o(&CustomResourceConversion), 9, P | E),
    f("preserveUnknownFields", Shape::Bool, 10, E),
];

pub static CustomResourceDefinitionStatus: Type = object("io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.CustomResourceDefinitionStatus", &CustomResourceDefinitionStatus_F);
static CustomResourceDefinitionStatus_F: [Field; 4] = [
    k("conditions", list(&CustomResourceDefinitionCondition_S), 1, 0, &BY_type, ""),
    f("acceptedNames", o(&CustomResourceDefinitionNames), 2, 0),
    f("storedVersions", list(&STRING_S), 3, 0),
    f("observedGeneration", Shape::Int64, 4, E),
];

pub static CustomResourceDefinitionVersion: Type = object("io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.CustomResourceDefinitionVersion", &CustomResourceDefinitionVersion_F);
static CustomResourceDefinitionVersion_F: [Field; 9] = [
    f("name", Shape::String, 1, R),
    f("served", Shape::Bool, 2, R),
    f("storage", Shape::Bool, 3, R),
    f("deprecated", Shape::Bool, 7, E),
    f("deprecationWarning", Shape::String, 8, P | E),
    f("schema", o(&CustomResourceValidation), 4, P | E),
    f("subresources", o(&CustomResourceSubresources), 5, P | E),
    f("additionalPrinterColumns", list(&CustomResourceColumnDefinition_S), 6, E),
    f("selectableFields", list(&SelectableField_S), 9, E),
];

pub static CustomResourceSubresourceScale: Type = object("io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.CustomResourceSubresourceScale", &CustomResourceSubresourceScale_F);
static CustomResourceSubresourceScale_F: [Field; 3] = [
    f("specReplicasPath", Shape::String, 1, R),
    f("statusReplicasPath", Shape::String, 2, R),
    f("labelSelectorPath", Shape::String, 3, P | E),
];

pub static CustomResourceSubresourceStatus: Type = object("io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.CustomResourceSubresourceStatus", &CustomResourceSubresourceStatus_F);
static CustomResourceSubresourceStatus_F: [Field; 0] = [
];

pub static CustomResourceSubresources: Type = object("io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.CustomResourceSubresources", &CustomResourceSubresources_F);
static CustomResourceSubresources_F: [Field; 2] = [
    f("status", o(&CustomResourceSubresourceStatus), 1, P | E),
    f("scale", o(&CustomResourceSubresourceScale), 2, P | E),
];

pub static CustomResourceValidation: Type = object("io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.CustomResourceValidation", &CustomResourceValidation_F);
static CustomResourceValidation_F: [Field; 1] = [
    f("openAPIV3Schema", o(&JSONSchemaProps), 1, P | E),
];

pub static ExternalDocumentation: Type = object("io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.ExternalDocumentation", &ExternalDocumentation_F);
static ExternalDocumentation_F: [Field; 2] = [
    f("description", Shape::String, 1, E),
    f("url", Shape::String, 2, E),
];

pub static JSONSchemaProps: Type = object("io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSONSchemaProps", &JSONSchemaProps_F);
static JSONSchemaProps_F: [Field; 44] = [
    f("id", Shape::String, 1, E),
    g("$schema", Shape::String, 2, E, "v1.JSONSchemaURL", ""),
    f("$ref", Shape::String, 3, P | E),
    f("description", Shape::String, 4, E),
    f("type", Shape::String, 5, E),
    f("format", Shape::String, 6, E),
    f("title", Shape::String, 7, E),
    g("default", Shape::Raw, 8, P | E, "v1.JSON", ""),
    f("maximum", Shape::Float64, 9, P | E),
    f("exclusiveMaximum", Shape::Bool, 10, E),
    f("minimum", Shape::Float64, 11, P | E),
    f("exclusiveMinimum", Shape::Bool, 12, E),
    f("maxLength", Shape::Int64, 13, P | E),
    f("minLength", Shape::Int64, 14, P | E),
    f("pattern", Shape::String, 15, E),
    f("maxItems", Shape::Int64, 16, P | E),
    f("minItems", Shape::Int64, 17, P | E),
    f("uniqueItems", Shape::Bool, 18, E),
    f("multipleOf", Shape::Float64, 19, P | E),
    g("enum", list(&RAW_S), 20, E, "[]v1.JSON", ""),
    f("maxProperties", Shape::Int64, 21, P | E),
    f("minProperties", Shape::Int64, 22, P | E),
    f("required", list(&STRING_S), 23, E),
    f("items", Shape::SchemaOr(SchemaOr::Array), 24, P | E),
    f("allOf", list(&JSONSchemaProps_S), 25, E),
    f("oneOf", list(&JSONSchemaProps_S), 26, E),
    f("anyOf", list(&JSONSchemaProps_S), 27, E),
    f("not", o(&JSONSchemaProps), 28, P | E),
    f("properties", map(&JSONSchemaProps_S), 29, E),
    f("additionalProperties", Shape::SchemaOr(SchemaOr::Bool), 30, P | E),
    f("patternProperties", map(&JSONSchemaProps_S), 31, E),
    g("dependencies", map(&SCHEMAORSTRINGARRAY_S), 32, E, "v1.JSONSchemaDependencies", ""),
    f("additionalItems", Shape::SchemaOr(SchemaOr::Bool), 33, P | E),
    g("definitions", map(&JSONSchemaProps_S), 34, E, "v1.JSONSchemaDefinitions", ""),
    f("externalDocs", o(&ExternalDocumentation), 35, P | E),
    g("example", Shape::Raw, 36, P | E, "v1.JSON", ""),
    f("nullable", Shape::Bool, 37, E),
    f("x-kubernetes-preserve-unknown-fields", Shape::Bool, 38, P | E),
    f("x-kubernetes-embedded-resource", Shape::Bool, 39, E),
    f("x-kubernetes-int-or-string", Shape::Bool, 40, E),
    f("x-kubernetes-list-map-keys", list(&STRING_S), 41, E),
    f("x-kubernetes-list-type", Shape::String, 42, P | E),
    f("x-kubernetes-map-type", Shape::String, 43, P | E),
    l("x-kubernetes-validations", list(&ValidationRule_S), 44, E | MERGE, "v1.ValidationRules", "", &BY_rule, "rule"),
];

pub static SelectableField: Type = object("io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.SelectableField", &SelectableField_F);
static SelectableField_F: [Field; 1] = [
    f("jsonPath", Shape::String, 1, R),
];

pub static ServiceReference: Type = object("io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.ServiceReference", &ServiceReference_F);
static ServiceReference_F: [Field; 4] = [
    f("namespace", Shape::String, 1, R),
    f("name", Shape::String, 2, R),
    f("path", Shape::String, 3, P | E),
    f("port", Shape::Int32, 4, P | E),
];

pub static ValidationRule: Type = object("io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.ValidationRule", &ValidationRule_F);
static ValidationRule_F: [Field; 6] = [
    f("rule", Shape::String, 1, R),
    f("message", Shape::String, 2, E),
    f("messageExpression", Shape::String, 3, E),
    g("reason", Shape::String, 4, P | E, "v1.FieldValueErrorReason", ""),
    f("fieldPath", Shape::String, 5, E),
    f("optionalOldSelf", Shape::Bool, 6, P | E),
];

pub static WebhookClientConfig: Type = object("io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.WebhookClientConfig", &WebhookClientConfig_F);
static WebhookClientConfig_F: [Field; 3] = [
    f("url", Shape::String, 3, P | E),
    f("service", o(&ServiceReference), 1, P | E),
    f("caBundle", Shape::Bytes, 2, E),
];

pub static WebhookConversion: Type = object("io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.WebhookConversion", &WebhookConversion_F);
static WebhookConversion_F: [Field; 2] = [
    f("clientConfig", o(&WebhookClientConfig), 2, P | E),
    f("conversionReviewVersions", list(&STRING_S), 3, R),
];

// Keys of lists.
static BY_rule: [Key; 1] = [key("rule")];
static BY_type: [Key; 1] = [key("type")];

// Elements of lists and maps.
pub static CustomResourceColumnDefinition_S: Shape = o(&CustomResourceColumnDefinition);
pub static CustomResourceDefinitionCondition_S: Shape = o(&CustomResourceDefinitionCondition);
pub static CustomResourceDefinitionVersion_S: Shape = o(&CustomResourceDefinitionVersion);
pub static CustomResourceDefinition_S: Shape = o(&CustomResourceDefinition);
pub static JSONSchemaProps_S: Shape = o(&JSONSchemaProps);
pub static SelectableField_S: Shape = o(&SelectableField);
pub static ValidationRule_S: Shape = o(&ValidationRule);
