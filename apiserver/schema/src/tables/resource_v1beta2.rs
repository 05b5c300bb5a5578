//! The types of `resource_v1beta2`. Made by `cargo run -p hack-xtask -- codegen`; do not edit.
#![allow(non_upper_case_globals)] // The Go names, so that a type is found by its name.

use super::{core_v1, meta_v1};
use crate::row::*;

pub static AllocatedDeviceStatus: Type = object("io.k8s.api.resource.v1beta2.AllocatedDeviceStatus", &AllocatedDeviceStatus_F);
static AllocatedDeviceStatus_F: [Field; 7] = [
    f("driver", Shape::String, 1, R),
    f("pool", Shape::String, 2, R),
    f("device", Shape::String, 3, R),
    f("shareID", Shape::String, 7, P | E),
    k("conditions", list(&meta_v1::Condition_S), 4, 0, &BY_type, ""),
    f("data", Shape::Raw, 5, P | E),
    f("networkData", o(&NetworkDeviceData), 6, P | E),
];

pub static AllocationResult: Type = object("io.k8s.api.resource.v1beta2.AllocationResult", &AllocationResult_F);
static AllocationResult_F: [Field; 3] = [
    f("devices", o(&DeviceAllocationResult), 1, 0),
    f("nodeSelector", o(&core_v1::NodeSelector), 3, P | E),
    f("allocationTimestamp", Shape::Time, 5, P | E),
];

pub static CELDeviceSelector: Type = object("io.k8s.api.resource.v1beta2.CELDeviceSelector", &CELDeviceSelector_F);
static CELDeviceSelector_F: [Field; 1] = [
    f("expression", Shape::String, 1, R),
];

pub static CapacityRequestPolicy: Type = object("io.k8s.api.resource.v1beta2.CapacityRequestPolicy", &CapacityRequestPolicy_F);
static CapacityRequestPolicy_F: [Field; 3] = [
    f("default", Shape::Quantity, 1, P),
    f("validValues", list(&QUANTITY_S), 3, E),
    f("validRange", o(&CapacityRequestPolicyRange), 4, P | E),
];

pub static CapacityRequestPolicyRange: Type = object("io.k8s.api.resource.v1beta2.CapacityRequestPolicyRange", &CapacityRequestPolicyRange_F);
static CapacityRequestPolicyRange_F: [Field; 3] = [
    f("min", Shape::Quantity, 1, P | E | R),
    f("max", Shape::Quantity, 2, P | E),
    f("step", Shape::Quantity, 3, P | E),
];

pub static CapacityRequirements: Type = object("io.k8s.api.resource.v1beta2.CapacityRequirements", &CapacityRequirements_F);
static CapacityRequirements_F: [Field; 1] = [
    g("requests", map(&QUANTITY_S), 1, E, "map[v1beta2.QualifiedName]resource.Quantity", ""),
];

pub static Counter: Type = object("io.k8s.api.resource.v1beta2.Counter", &Counter_F);
static Counter_F: [Field; 1] = [
    f("value", Shape::Quantity, 1, R),
];

pub static CounterSet: Type = object("io.k8s.api.resource.v1beta2.CounterSet", &CounterSet_F);
static CounterSet_F: [Field; 2] = [
    f("name", Shape::String, 1, R),
    f("counters", map(&Counter_S), 2, E | R),
];

pub static Device: Type = object("io.k8s.api.resource.v1beta2.Device", &Device_F);
static Device_F: [Field; 13] = [
    f("name", Shape::String, 1, R),
    g("attributes", map(&DeviceAttribute_S), 2, E, "map[v1beta2.QualifiedName]v1beta2.DeviceAttribute", ""),
    g("capacity", map(&DeviceCapacity_S), 3, E, "map[v1beta2.QualifiedName]v1beta2.DeviceCapacity", ""),
    f("consumesCounters", list(&DeviceCounterConsumption_S), 4, E),
    f("nodeName", Shape::String, 5, P | E),
    f("nodeSelector", o(&core_v1::NodeSelector), 6, P | E),
    f("allNodes", Shape::Bool, 7, P | E),
    f("taints", list(&DeviceTaint_S), 8, E),
    f("bindsToNode", Shape::Bool, 9, P | E),
    f("bindingConditions", list(&STRING_S), 10, E),
    f("bindingFailureConditions", list(&STRING_S), 11, E),
    f("allowMultipleAllocations", Shape::Bool, 12, P | E),
    g("nodeAllocatableResourceMappings", map(&NodeAllocatableResourceMapping_S), 13, E, "map[v1.ResourceName]v1beta2.NodeAllocatableResourceMapping", ""),
];

pub static DeviceAllocationConfiguration: Type = object("io.k8s.api.resource.v1beta2.DeviceAllocationConfiguration", &DeviceAllocationConfiguration_F);
static DeviceAllocationConfiguration_F: [Field; 3] = [
    g("source", Shape::String, 1, R, "v1beta2.AllocationConfigSource", ""),
    f("requests", list(&STRING_S), 2, E),
    f("", o(&DeviceConfiguration), 3, 0),
];

pub static DeviceAllocationResult: Type = object("io.k8s.api.resource.v1beta2.DeviceAllocationResult", &DeviceAllocationResult_F);
static DeviceAllocationResult_F: [Field; 2] = [
    f("results", list(&DeviceRequestAllocationResult_S), 1, E),
    f("config", list(&DeviceAllocationConfiguration_S), 2, E),
];

pub static DeviceAttribute: Type = object("io.k8s.api.resource.v1beta2.DeviceAttribute", &DeviceAttribute_F);
static DeviceAttribute_F: [Field; 8] = [
    f("int", Shape::Int64, 2, P | E),
    f("bool", Shape::Bool, 3, P | E),
    f("string", Shape::String, 4, P | E),
    f("version", Shape::String, 5, P | E),
    f("ints", list(&INT64_S), 6, E),
    f("bools", list(&BOOL_S), 7, E),
    f("strings", list(&STRING_S), 8, E),
    f("versions", list(&STRING_S), 9, E),
];

pub static DeviceCapacity: Type = object("io.k8s.api.resource.v1beta2.DeviceCapacity", &DeviceCapacity_F);
static DeviceCapacity_F: [Field; 2] = [
    f("value", Shape::Quantity, 1, R),
    f("requestPolicy", o(&CapacityRequestPolicy), 2, P | E),
];

pub static DeviceClaim: Type = object("io.k8s.api.resource.v1beta2.DeviceClaim", &DeviceClaim_F);
static DeviceClaim_F: [Field; 3] = [
    f("requests", list(&DeviceRequest_S), 1, 0),
    f("constraints", list(&DeviceConstraint_S), 2, E),
    f("config", list(&DeviceClaimConfiguration_S), 3, E),
];

pub static DeviceClaimConfiguration: Type = object("io.k8s.api.resource.v1beta2.DeviceClaimConfiguration", &DeviceClaimConfiguration_F);
static DeviceClaimConfiguration_F: [Field; 2] = [
    f("requests", list(&STRING_S), 1, E),
    f("", o(&DeviceConfiguration), 2, 0),
];

pub static DeviceClass: Type = object("io.k8s.api.resource.v1beta2.DeviceClass", &DeviceClass_F);
static DeviceClass_F: [Field; 4] = [
    f("kind", Shape::String, 0, E),
    f("apiVersion", Shape::String, 0, E),
    f("metadata", o(&meta_v1::ObjectMeta), 1, 0),
    f("spec", o(&DeviceClassSpec), 2, R),
];

pub static DeviceClassConfiguration: Type = object("io.k8s.api.resource.v1beta2.DeviceClassConfiguration", &DeviceClassConfiguration_F);
static DeviceClassConfiguration_F: [Field; 1] = [
    f("", o(&DeviceConfiguration), 1, 0),
];

pub static DeviceClassList: Type = object("io.k8s.api.resource.v1beta2.DeviceClassList", &DeviceClassList_F);
static DeviceClassList_F: [Field; 4] = [
    f("kind", Shape::String, 0, E),
    f("apiVersion", Shape::String, 0, E),
    f("metadata", o(&meta_v1::ListMeta), 1, 0),
    f("items", list(&DeviceClass_S), 2, R),
];

pub static DeviceClassSpec: Type = object("io.k8s.api.resource.v1beta2.DeviceClassSpec", &DeviceClassSpec_F);
static DeviceClassSpec_F: [Field; 3] = [
    f("selectors", list(&DeviceSelector_S), 1, E),
    f("config", list(&DeviceClassConfiguration_S), 2, E),
    f("extendedResourceName", Shape::String, 4, P | E),
];

pub static DeviceConfiguration: Type = object("io.k8s.api.resource.v1beta2.DeviceConfiguration", &DeviceConfiguration_F);
static DeviceConfiguration_F: [Field; 1] = [
    f("opaque", o(&OpaqueDeviceConfiguration), 1, P | E),
];

pub static DeviceConstraint: Type = object("io.k8s.api.resource.v1beta2.DeviceConstraint", &DeviceConstraint_F);
static DeviceConstraint_F: [Field; 3] = [
    f("requests", list(&STRING_S), 1, E),
    g("matchAttribute", Shape::String, 2, P | E, "v1beta2.FullyQualifiedName", ""),
    g("distinctAttribute", Shape::String, 3, P | E, "v1beta2.FullyQualifiedName", ""),
];

pub static DeviceCounterConsumption: Type = object("io.k8s.api.resource.v1beta2.DeviceCounterConsumption", &DeviceCounterConsumption_F);
static DeviceCounterConsumption_F: [Field; 2] = [
    f("counterSet", Shape::String, 1, R),
    f("counters", map(&Counter_S), 2, E | R),
];

pub static DeviceRequest: Type = object("io.k8s.api.resource.v1beta2.DeviceRequest", &DeviceRequest_F);
static DeviceRequest_F: [Field; 3] = [
    f("name", Shape::String, 1, R),
    f("exactly", o(&ExactDeviceRequest), 2, P | E),
    f("firstAvailable", list(&DeviceSubRequest_S), 3, E),
];

pub static DeviceRequestAllocationResult: Type = object("io.k8s.api.resource.v1beta2.DeviceRequestAllocationResult", &DeviceRequestAllocationResult_F);
static DeviceRequestAllocationResult_F: [Field; 10] = [
    f("request", Shape::String, 1, R),
    f("driver", Shape::String, 2, R),
    f("pool", Shape::String, 3, R),
    f("device", Shape::String, 4, R),
    f("adminAccess", Shape::Bool, 5, P | E),
    f("tolerations", list(&DeviceToleration_S), 6, E),
    f("bindingConditions", list(&STRING_S), 7, E),
    f("bindingFailureConditions", list(&STRING_S), 8, E),
    g("shareID", Shape::String, 9, P | E, "types.UID", ""),
    g("consumedCapacity", map(&QUANTITY_S), 10, E, "map[v1beta2.QualifiedName]resource.Quantity", ""),
];

pub static DeviceSelector: Type = object("io.k8s.api.resource.v1beta2.DeviceSelector", &DeviceSelector_F);
static DeviceSelector_F: [Field; 1] = [
    f("cel", o(&CELDeviceSelector), 1, P | E),
];

pub static DeviceSubRequest: Type = object("io.k8s.api.resource.v1beta2.DeviceSubRequest", &DeviceSubRequest_F);
static DeviceSubRequest_F: [Field; 7] = [
    f("name", Shape::String, 1, R),
    f("deviceClassName", Shape::String, 2, R),
    f("selectors", list(&DeviceSelector_S), 3, E),
    g("allocationMode", Shape::String, 4, E, "v1beta2.DeviceAllocationMode", ""),
    f("count", Shape::Int64, 5, E),
    f("tolerations", list(&DeviceToleration_S), 6, E),
    f("capacity", o(&CapacityRequirements), 7, P | E),
];

pub static DeviceTaint: Type = object("io.k8s.api.resource.v1beta2.DeviceTaint", &DeviceTaint_F);
static DeviceTaint_F: [Field; 4] = [
    f("key", Shape::String, 1, R),
    f("value", Shape::String, 2, E),
    g("effect", Shape::String, 3, R, "v1beta2.DeviceTaintEffect", ""),
    f("timeAdded", Shape::Time, 4, P | E),
];

pub static DeviceTaintRule: Type = object("io.k8s.api.resource.v1beta2.DeviceTaintRule", &DeviceTaintRule_F);
static DeviceTaintRule_F: [Field; 5] = [
    f("kind", Shape::String, 0, E),
    f("apiVersion", Shape::String, 0, E),
    f("metadata", o(&meta_v1::ObjectMeta), 1, 0),
    f("spec", o(&DeviceTaintRuleSpec), 2, R),
    f("status", o(&DeviceTaintRuleStatus), 3, 0),
];

pub static DeviceTaintRuleList: Type = object("io.k8s.api.resource.v1beta2.DeviceTaintRuleList", &DeviceTaintRuleList_F);
static DeviceTaintRuleList_F: [Field; 4] = [
    f("kind", Shape::String, 0, E),
    f("apiVersion", Shape::String, 0, E),
    f("metadata", o(&meta_v1::ListMeta), 1, 0),
    f("items", list(&DeviceTaintRule_S), 2, R),
];

pub static DeviceTaintRuleSpec: Type = object("io.k8s.api.resource.v1beta2.DeviceTaintRuleSpec", &DeviceTaintRuleSpec_F);
static DeviceTaintRuleSpec_F: [Field; 2] = [
    f("deviceSelector", o(&DeviceTaintSelector), 1, P | E),
    f("taint", o(&DeviceTaint), 2, R),
];

pub static DeviceTaintRuleStatus: Type = object("io.k8s.api.resource.v1beta2.DeviceTaintRuleStatus", &DeviceTaintRuleStatus_F);
static DeviceTaintRuleStatus_F: [Field; 1] = [
    k("conditions", list(&meta_v1::Condition_S), 1, E | MERGE, &BY_type, "type"),
];

pub static DeviceTaintSelector: Type = object("io.k8s.api.resource.v1beta2.DeviceTaintSelector", &DeviceTaintSelector_F);
static DeviceTaintSelector_F: [Field; 3] = [
    f("driver", Shape::String, 2, P | E),
    f("pool", Shape::String, 3, P | E),
    f("device", Shape::String, 4, P | E),
];

pub static DeviceToleration: Type = object("io.k8s.api.resource.v1beta2.DeviceToleration", &DeviceToleration_F);
static DeviceToleration_F: [Field; 5] = [
    f("key", Shape::String, 1, E),
    g("operator", Shape::String, 2, E, "v1beta2.DeviceTolerationOperator", "\"Equal\""),
    f("value", Shape::String, 3, E),
    g("effect", Shape::String, 4, E, "v1beta2.DeviceTaintEffect", ""),
    f("tolerationSeconds", Shape::Int64, 5, P | E),
];

pub static ExactDeviceRequest: Type = object("io.k8s.api.resource.v1beta2.ExactDeviceRequest", &ExactDeviceRequest_F);
static ExactDeviceRequest_F: [Field; 7] = [
    f("deviceClassName", Shape::String, 1, R),
    f("selectors", list(&DeviceSelector_S), 2, E),
    g("allocationMode", Shape::String, 3, E, "v1beta2.DeviceAllocationMode", ""),
    f("count", Shape::Int64, 4, E),
    f("adminAccess", Shape::Bool, 5, P | E),
    f("tolerations", list(&DeviceToleration_S), 6, E),
    f("capacity", o(&CapacityRequirements), 7, P | E),
];

pub static NetworkDeviceData: Type = object("io.k8s.api.resource.v1beta2.NetworkDeviceData", &NetworkDeviceData_F);
static NetworkDeviceData_F: [Field; 3] = [
    f("interfaceName", Shape::String, 1, E),
    f("ips", list(&STRING_S), 2, E),
    f("hardwareAddress", Shape::String, 3, E),
];

pub static NodeAllocatableResourceMapping: Type = object("io.k8s.api.resource.v1beta2.NodeAllocatableResourceMapping", &NodeAllocatableResourceMapping_F);
static NodeAllocatableResourceMapping_F: [Field; 2] = [
    g("capacityKey", Shape::String, 1, P | E, "v1beta2.QualifiedName", ""),
    f("allocationMultiplier", Shape::Quantity, 2, P | E),
];

pub static OpaqueDeviceConfiguration: Type = object("io.k8s.api.resource.v1beta2.OpaqueDeviceConfiguration", &OpaqueDeviceConfiguration_F);
static OpaqueDeviceConfiguration_F: [Field; 2] = [
    f("driver", Shape::String, 1, R),
    f("parameters", Shape::Raw, 2, R),
];

pub static ResourceClaim: Type = object("io.k8s.api.resource.v1beta2.ResourceClaim", &ResourceClaim_F);
static ResourceClaim_F: [Field; 5] = [
    f("kind", Shape::String, 0, E),
    f("apiVersion", Shape::String, 0, E),
    f("metadata", o(&meta_v1::ObjectMeta), 1, 0),
    f("spec", o(&ResourceClaimSpec), 2, R),
    f("status", o(&ResourceClaimStatus), 3, 0),
];

pub static ResourceClaimConsumerReference: Type = object("io.k8s.api.resource.v1beta2.ResourceClaimConsumerReference", &ResourceClaimConsumerReference_F);
static ResourceClaimConsumerReference_F: [Field; 4] = [
    f("apiGroup", Shape::String, 1, E),
    f("resource", Shape::String, 3, R),
    f("name", Shape::String, 4, R),
    g("uid", Shape::String, 5, R, "types.UID", ""),
];

pub static ResourceClaimList: Type = object("io.k8s.api.resource.v1beta2.ResourceClaimList", &ResourceClaimList_F);
static ResourceClaimList_F: [Field; 4] = [
    f("kind", Shape::String, 0, E),
    f("apiVersion", Shape::String, 0, E),
    f("metadata", o(&meta_v1::ListMeta), 1, 0),
    f("items", list(&ResourceClaim_S), 2, R),
];

pub static ResourceClaimSpec: Type = object("io.k8s.api.resource.v1beta2.ResourceClaimSpec", &ResourceClaimSpec_F);
static ResourceClaimSpec_F: [Field; 1] = [
    f("devices", o(&DeviceClaim), 1, 0),
];

pub static ResourceClaimStatus: Type = object("io.k8s.api.resource.v1beta2.ResourceClaimStatus", &ResourceClaimStatus_F);
static ResourceClaimStatus_F: [Field; 3] = [
    f("allocation", o(&AllocationResult), 1, P | E),
    k("reservedFor", list(&ResourceClaimConsumerReference_S), 2, E | MERGE, &BY_uid, "uid"),
    k("devices", list(&AllocatedDeviceStatus_S), 4, E, &BY_driver_device_pool_shareID, ""),
];

pub static ResourceClaimTemplate: Type = object("io.k8s.api.resource.v1beta2.ResourceClaimTemplate", &ResourceClaimTemplate_F);
static ResourceClaimTemplate_F: [Field; 4] = [
    f("kind", Shape::String, 0, E),
    f("apiVersion", Shape::String, 0, E),
    f("metadata", o(&meta_v1::ObjectMeta), 1, 0),
    f("spec", o(&ResourceClaimTemplateSpec), 2, R),
];

pub static ResourceClaimTemplateList: Type = object("io.k8s.api.resource.v1beta2.ResourceClaimTemplateList", &ResourceClaimTemplateList_F);
static ResourceClaimTemplateList_F: [Field; 4] = [
    f("kind", Shape::String, 0, E),
    f("apiVersion", Shape::String, 0, E),
    f("metadata", o(&meta_v1::ListMeta), 1, 0),
    f("items", list(&ResourceClaimTemplate_S), 2, R),
];

pub static ResourceClaimTemplateSpec: Type = object("io.k8s.api.resource.v1beta2.ResourceClaimTemplateSpec", &ResourceClaimTemplateSpec_F);
static ResourceClaimTemplateSpec_F: [Field; 2] = [
    f("metadata", o(&meta_v1::ObjectMeta), 1, 0),
    f("spec", o(&ResourceClaimSpec), 2, R),
];

pub static ResourcePool: Type = object("io.k8s.api.resource.v1beta2.ResourcePool", &ResourcePool_F);
static ResourcePool_F: [Field; 3] = [
    f("name", Shape::String, 1, R),
    f("generation", Shape::Int64, 2, R),
    f("resourceSliceCount", Shape::Int64, 3, R),
];

pub static ResourceSlice: Type = object("io.k8s.api.resource.v1beta2.ResourceSlice", &ResourceSlice_F);
static ResourceSlice_F: [Field; 4] = [
    f("kind", Shape::String, 0, E),
    f("apiVersion", Shape::String, 0, E),
    f("metadata", o(&meta_v1::ObjectMeta), 1, 0),
    f("spec", o(&ResourceSliceSpec), 2, R),
];

pub static ResourceSliceList: Type = object("io.k8s.api.resource.v1beta2.ResourceSliceList", &ResourceSliceList_F);
static ResourceSliceList_F: [Field; 4] = [
    f("kind", Shape::String, 0, E),
    f("apiVersion", Shape::String, 0, E),
    f("metadata", o(&meta_v1::ListMeta), 1, 0),
    f("items", list(&ResourceSlice_S), 2, R),
];

pub static ResourceSliceSpec: Type = object("io.k8s.api.resource.v1beta2.ResourceSliceSpec", &ResourceSliceSpec_F);
static ResourceSliceSpec_F: [Field; 8] = [
    f("driver", Shape::String, 1, R),
    f("pool", o(&ResourcePool), 2, R),
    f("nodeName", Shape::String, 3, P | E),
    f("nodeSelector", o(&core_v1::NodeSelector), 4, P | E),
    f("allNodes", Shape::Bool, 5, P | E),
    f("devices", list(&Device_S), 6, E),
    f("perDeviceNodeSelection", Shape::Bool, 7, P | E),
    f("sharedCounters", list(&CounterSet_S), 8, E),
];

// Keys of lists.
static BY_driver_device_pool_shareID: [Key; 4] = [key("driver"), key("device"), key("pool"), key("shareID")];
static BY_type: [Key; 1] = [key("type")];
static BY_uid: [Key; 1] = [key("uid")];

// Elements of lists and maps.
pub static AllocatedDeviceStatus_S: Shape = o(&AllocatedDeviceStatus);
pub static CounterSet_S: Shape = o(&CounterSet);
pub static Counter_S: Shape = o(&Counter);
pub static DeviceAllocationConfiguration_S: Shape = o(&DeviceAllocationConfiguration);
pub static DeviceAttribute_S: Shape = o(&DeviceAttribute);
pub static DeviceCapacity_S: Shape = o(&DeviceCapacity);
pub static DeviceClaimConfiguration_S: Shape = o(&DeviceClaimConfiguration);
pub static DeviceClassConfiguration_S: Shape = o(&DeviceClassConfiguration);
pub static DeviceClass_S: Shape = o(&DeviceClass);
pub static DeviceConstraint_S: Shape = o(&DeviceConstraint);
pub static DeviceCounterConsumption_S: Shape = o(&DeviceCounterConsumption);
pub static DeviceRequestAllocationResult_S: Shape = o(&DeviceRequestAllocationResult);
pub static DeviceRequest_S: Shape = o(&DeviceRequest);
pub static DeviceSelector_S: Shape = o(&DeviceSelector);
pub static DeviceSubRequest_S: Shape = o(&DeviceSubRequest);
pub static DeviceTaintRule_S: Shape = o(&DeviceTaintRule);
pub static DeviceTaint_S: Shape = o(&DeviceTaint);
pub static DeviceToleration_S: Shape = o(&DeviceToleration);
pub static Device_S: Shape = o(&Device);
pub static NodeAllocatableResourceMapping_S: Shape = o(&NodeAllocatableResourceMapping);
pub static ResourceClaimConsumerReference_S: Shape = o(&ResourceClaimConsumerReference);
pub static ResourceClaimTemplate_S: Shape = o(&ResourceClaimTemplate);
pub static ResourceClaim_S: Shape = o(&ResourceClaim);
pub static ResourceSlice_S: Shape = o(&ResourceSlice);
