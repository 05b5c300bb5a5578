//! `--feature-gates`: upstream's gates of 1.36 with their stages and defaults.
//!
//! A gate may be named with the value that it has. To change one is refused: what a gate would switch is either always
//! there or not there yet.

/// A feature that may be switched upstream.
pub struct Gate {
    pub name: &'static str,
    /// `ALPHA`, `BETA`, `DEPRECATED`, or nothing for what is generally available.
    pub stage: &'static str,
    pub enabled: bool,
}

/// Reads one value of the flag: `[component:]name=true|false`, separated by commas.
///
/// # Errors
/// A gate is unknown, its value is none, or it would be changed.
pub fn check(text: &str) -> Result<(), String> {
    for pair in text.split(',').map(str::trim).filter(|pair| !pair.is_empty()) {
        let (key, value) = pair.split_once('=').ok_or_else(|| format!("missing bool value for {pair}"))?;
        let name = match key.split_once(':') {
            Some(("kube", name)) => name,
            Some((component, _)) => return Err(format!("component not registered: {component}")),
            None => key,
        };
        let asked = match value.trim() {
            "1" | "t" | "T" | "true" | "TRUE" | "True" => true,
            "0" | "f" | "F" | "false" | "FALSE" | "False" => false,
            _ => {
                return Err(format!(
                    "invalid value of {name}={value}, err: strconv.ParseBool: parsing {value:?}: invalid syntax"
                ));
            }
        };
        let gate = GATES.iter().find(|gate| gate.name == name);
        let gate = gate.ok_or_else(|| format!("unrecognized feature gate: {name}"))?;
        if gate.enabled == asked {
            continue;
        }
        if gate.stage.is_empty() {
            return Err(format!("cannot set feature gate {name} to {asked}, feature is locked to {}", gate.enabled));
        }
        return Err(format!("feature gate {name} cannot be set to {asked} yet: this server has it {}", gate.enabled));
    }
    Ok(())
}

/// All gates, by name.
#[rustfmt::skip]
pub const GATES: &[Gate] = &[
    gate("APIResponseCompression", "BETA", true),
    gate("APIServerIdentity", "BETA", true),
    gate("APIServerTracing", "", true),
    gate("APIServingWithRoutine", "ALPHA", false),
    gate("AggregatedDiscoveryRemoveBetaType", "DEPRECATED", true),
    gate("AllAlpha", "ALPHA", false),
    gate("AllBeta", "BETA", false),
    gate("AllowDNSOnlyNodeCSR", "DEPRECATED", false),
    gate("AllowInsecureKubeletCertificateSigningRequests", "DEPRECATED", false),
    gate("AllowOverwriteTerminationGracePeriodSeconds", "DEPRECATED", false),
    gate("AllowParsingUserUIDFromCertAuth", "BETA", true),
    gate("AllowServiceExternalIPs", "", true),
    gate("AllowUnsafeMalformedObjectDeletion", "ALPHA", false),
    gate("AnonymousAuthConfigurableEndpoints", "", true),
    gate("AnyVolumeDataSource", "", true),
    gate("AtomicFIFO", "BETA", true),
    gate("AuthorizeNodeWithSelectors", "", true),
    gate("AuthorizePodWebsocketUpgradeCreatePermission", "BETA", true),
    gate("AuthorizeWithSelectors", "", true),
    gate("BtreeWatchCache", "", true),
    gate("CBORServingAndStorage", "ALPHA", false),
    gate("CPUManagerPolicyAlphaOptions", "ALPHA", false),
    gate("CPUManagerPolicyBetaOptions", "BETA", true),
    gate("CPUManagerPolicyOptions", "", true),
    gate("CRDObservedGenerationTracking", "BETA", true),
    gate("CRDValidationRatcheting", "", true),
    gate("CRIListStreaming", "ALPHA", false),
    gate("CSIServiceAccountTokenSecrets", "", true),
    gate("CSIVolumeHealth", "ALPHA", false),
    gate("ChangeContainerStatusOnKubeletRestart", "DEPRECATED", false),
    gate("ClearingNominatedNodeNameAfterBinding", "BETA", true),
    gate("ClientsAllowCARotation", "BETA", true),
    gate("ClientsAllowCBOR", "ALPHA", false),
    gate("ClientsAllowTLSCacheGC", "BETA", true),
    gate("ClientsPreferCBOR", "ALPHA", false),
    gate("CloudControllerManagerWatchBasedRoutesReconciliation", "ALPHA", false),
    gate("CloudControllerManagerWebhook", "ALPHA", false),
    gate("ClusterTrustBundle", "BETA", false),
    gate("ClusterTrustBundleProjection", "BETA", false),
    gate("ComponentFlagz", "BETA", true),
    gate("ComponentStatusz", "BETA", true),
    gate("ConcurrentWatchObjectDecode", "BETA", false),
    gate("ConsistentListFromCache", "", true),
    gate("ConstrainedImpersonation", "BETA", true),
    gate("ContainerCheckpoint", "BETA", true),
    gate("ContainerRestartRules", "BETA", true),
    gate("ContainerStopSignals", "ALPHA", false),
    gate("ContextualLogging", "BETA", true),
    gate("ControllerManagerReleaseLeaderElectionLockOnExit", "ALPHA", false),
    gate("CoordinatedLeaderElection", "BETA", false),
    gate("CrossNamespaceVolumeDataSource", "ALPHA", false),
    gate("CustomCPUCFSQuotaPeriod", "", true),
    gate("CustomResourceFieldSelectors", "", true),
    gate("DRAAdminAccess", "", true),
    gate("DRAConsumableCapacity", "BETA", true),
    gate("DRADeviceBindingConditions", "BETA", true),
    gate("DRADeviceTaintRules", "BETA", false),
    gate("DRADeviceTaints", "BETA", true),
    gate("DRAExtendedResource", "BETA", true),
    gate("DRAListTypeAttributes", "ALPHA", false),
    gate("DRANodeAllocatableResources", "ALPHA", false),
    gate("DRAPartitionableDevices", "BETA", true),
    gate("DRAPrioritizedList", "", true),
    gate("DRAResourceClaimDeviceStatus", "BETA", true),
    gate("DRAResourceClaimGranularStatusAuthorization", "BETA", true),
    gate("DRAResourcePoolStatus", "ALPHA", false),
    gate("DRASchedulerFilterTimeout", "BETA", true),
    gate("DRAWorkloadResourceClaims", "ALPHA", false),
    gate("DeclarativeValidation", "", true),
    gate("DeclarativeValidationBeta", "BETA", true),
    gate("DeclarativeValidationTakeover", "DEPRECATED", false),
    gate("DeploymentReplicaSetTerminatingReplicas", "BETA", true),
    gate("DetectCacheInconsistency", "BETA", true),
    gate("DisableAllocatorDualWrite", "", true),
    gate("DisableCPUQuotaWithExclusiveCPUs", "DEPRECATED", true),
    gate("DisableNodeKubeProxyVersion", "DEPRECATED", true),
    gate("DynamicResourceAllocation", "", true),
    gate("EnvFiles", "BETA", true),
    gate("EventedPLEG", "ALPHA", false),
    gate("ExecProbeTimeout", "", true),
    gate("ExtendWebSocketsToKubelet", "BETA", true),
    gate("ExternalServiceAccountTokenSigner", "", true),
    gate("GangScheduling", "ALPHA", false),
    gate("GenericWorkload", "ALPHA", false),
    gate("GitRepoVolumeDriver", "DEPRECATED", false),
    gate("GracefulNodeShutdown", "BETA", true),
    gate("GracefulNodeShutdownBasedOnPodPriority", "BETA", true),
    gate("HPAConfigurableTolerance", "BETA", true),
    gate("HPAScaleToZero", "ALPHA", false),
    gate("HostnameOverride", "BETA", true),
    gate("ImageMaximumGCAge", "", true),
    gate("ImageVolume", "", true),
    gate("ImageVolumeWithDigest", "ALPHA", false),
    gate("InOrderInformers", "", true),
    gate("InOrderInformersBatchProcess", "BETA", true),
    gate("InPlacePodLevelResourcesVerticalScaling", "BETA", true),
    gate("InPlacePodVerticalScaling", "", true),
    gate("InPlacePodVerticalScalingExclusiveCPUs", "ALPHA", false),
    gate("InPlacePodVerticalScalingExclusiveMemory", "ALPHA", false),
    gate("InPlacePodVerticalScalingInitContainers", "BETA", true),
    gate("InformerResourceVersion", "", true),
    gate("JobBackoffLimitPerIndex", "", true),
    gate("JobManagedBy", "", true),
    gate("JobPodReplacementPolicy", "", true),
    gate("JobSuccessPolicy", "", true),
    gate("KMSv1", "DEPRECATED", false),
    gate("KubeletCgroupDriverFromCRI", "", true),
    gate("KubeletCrashLoopBackOffMax", "BETA", true),
    gate("KubeletEnsureSecretPulledImages", "BETA", true),
    gate("KubeletFineGrainedAuthz", "", true),
    gate("KubeletInUserNamespace", "ALPHA", false),
    gate("KubeletPSI", "", true),
    gate("KubeletPodResourcesDynamicResources", "", true),
    gate("KubeletPodResourcesGet", "", true),
    gate("KubeletPodResourcesListUseActivePods", "DEPRECATED", true),
    gate("KubeletRegistrationGetOnExistsOnly", "DEPRECATED", false),
    gate("KubeletSeparateDiskGC", "BETA", true),
    gate("KubeletServiceAccountTokenForCredentialProviders", "BETA", true),
    gate("KubeletTracing", "", true),
    gate("ListFromCacheSnapshot", "BETA", true),
    gate("LocalStorageCapacityIsolationFSQuotaMonitoring", "BETA", false),
    gate("LogarithmicScaleDown", "", true),
    gate("LoggingAlphaOptions", "ALPHA", false),
    gate("LoggingBetaOptions", "BETA", true),
    gate("ManifestBasedAdmissionControlConfig", "ALPHA", false),
    gate("MatchLabelKeysInPodAffinity", "", true),
    gate("MatchLabelKeysInPodTopologySpread", "BETA", true),
    gate("MatchLabelKeysInPodTopologySpreadSelectorMerge", "BETA", true),
    gate("MaxUnavailableStatefulSet", "BETA", false),
    gate("MemoryQoS", "ALPHA", false),
    gate("MultiCIDRServiceAllocator", "", true),
    gate("MutableCSINodeAllocatableCount", "", true),
    gate("MutablePVNodeAffinity", "ALPHA", false),
    gate("MutablePodResourcesForSuspendedJobs", "BETA", true),
    gate("MutableSchedulingDirectivesForSuspendedJobs", "BETA", true),
    gate("MutatingAdmissionPolicy", "", true),
    gate("NFTablesProxyMode", "", true),
    gate("NativeHistograms", "ALPHA", false),
    gate("NodeDeclaredFeatures", "BETA", true),
    gate("NodeInclusionPolicyInPodTopologySpread", "", true),
    gate("NodeLogQuery", "", true),
    gate("NodeSwap", "", true),
    gate("NominatedNodeNameForExpectation", "BETA", true),
    gate("OpenAPIEnums", "BETA", true),
    gate("OpportunisticBatching", "BETA", true),
    gate("OrderedNamespaceDeletion", "", true),
    gate("PLEGOnDemandRelist", "BETA", true),
    gate("PersistentVolumeClaimUnusedSinceTime", "ALPHA", false),
    gate("PodAndContainerStatsFromCRI", "ALPHA", false),
    gate("PodCertificateRequest", "BETA", false),
    gate("PodDeletionCost", "BETA", true),
    gate("PodLevelResourceManagers", "ALPHA", false),
    gate("PodLevelResources", "BETA", true),
    gate("PodLifecycleSleepAction", "", true),
    gate("PodLifecycleSleepActionAllowZero", "", true),
    gate("PodLogsQuerySplitStreams", "ALPHA", false),
    gate("PodObservedGenerationTracking", "", true),
    gate("PodReadyToStartContainersCondition", "BETA", true),
    gate("PodSchedulingReadiness", "", true),
    gate("PodTopologyLabelsAdmission", "BETA", true),
    gate("PodsAPI", "ALPHA", false),
    gate("PortForwardWebsockets", "BETA", true),
    gate("PreferSameTrafficDistribution", "", true),
    gate("PreventStaticPodAPIReferences", "BETA", true),
    gate("ProcMountType", "", true),
    gate("QOSReserved", "ALPHA", false),
    gate("RecoverVolumeExpansionFailure", "", true),
    gate("RecursiveReadOnlyMounts", "", true),
    gate("ReduceDefaultCrashLoopBackOffDecay", "ALPHA", false),
    gate("RelaxedDNSSearchValidation", "", true),
    gate("RelaxedEnvironmentVariableValidation", "", true),
    gate("RelaxedServiceNameValidation", "BETA", true),
    gate("ReloadKubeletClientCAFile", "BETA", true),
    gate("ReloadKubeletServerCertificateFile", "BETA", true),
    gate("RemoteRequestHeaderUID", "BETA", true),
    gate("ResilientWatchCacheInitialization", "", true),
    gate("ResourceHealthStatus", "BETA", true),
    gate("ResourceHealthStatusMessage", "BETA", true),
    gate("RestartAllContainersOnContainerExits", "BETA", true),
    gate("RetryGenerateName", "", true),
    gate("RotateKubeletServerCertificate", "BETA", true),
    gate("RuntimeClassInImageCriApi", "ALPHA", false),
    gate("SELinuxChangePolicy", "", true),
    gate("SELinuxMount", "BETA", false),
    gate("SELinuxMountReadWriteOncePod", "", true),
    gate("SchedulerAsyncAPICalls", "BETA", false),
    gate("SchedulerAsyncPreemption", "BETA", true),
    gate("SchedulerPopFromBackoffQ", "BETA", true),
    gate("SchedulerQueueingHints", "", true),
    gate("SeparateCacheWatchRPC", "DEPRECATED", false),
    gate("SeparateTaintEvictionController", "", true),
    gate("ServiceAccountNodeAudienceRestriction", "BETA", true),
    gate("ServiceAccountTokenJTI", "", true),
    gate("ServiceAccountTokenNodeBinding", "", true),
    gate("ServiceAccountTokenNodeBindingValidation", "", true),
    gate("ServiceAccountTokenPodNodeInfo", "", true),
    gate("ServiceCIDRStatusFieldWiping", "DEPRECATED", true),
    gate("ShardedListAndWatch", "ALPHA", false),
    gate("SidecarContainers", "", true),
    gate("SizeBasedListCostEstimate", "BETA", true),
    gate("StaleControllerConsistencyDaemonSet", "BETA", true),
    gate("StaleControllerConsistencyJob", "BETA", true),
    gate("StaleControllerConsistencyReplicaSet", "BETA", true),
    gate("StaleControllerConsistencyStatefulSet", "BETA", true),
    gate("StatefulSetSemanticRevisionComparison", "BETA", true),
    gate("StorageCapacityScoring", "ALPHA", false),
    gate("StorageNamespaceIndex", "DEPRECATED", true),
    gate("StorageVersionAPI", "ALPHA", false),
    gate("StorageVersionHash", "BETA", true),
    gate("StorageVersionMigrator", "BETA", false),
    gate("StreamingCollectionEncodingToJSON", "", true),
    gate("StreamingCollectionEncodingToProtobuf", "", true),
    gate("StrictIPCIDRValidation", "BETA", true),
    gate("StructuredAuthenticationConfiguration", "", true),
    gate("StructuredAuthenticationConfigurationEgressSelector", "BETA", true),
    gate("StructuredAuthenticationConfigurationJWKSMetrics", "BETA", true),
    gate("SupplementalGroupsPolicy", "", true),
    gate("SystemdWatchdog", "", true),
    gate("TaintTolerationComparisonOperators", "ALPHA", false),
    gate("TokenRequestServiceAccountUIDValidation", "BETA", true),
    gate("TopologyAwareWorkloadScheduling", "ALPHA", false),
    gate("TopologyManagerPolicyAlphaOptions", "ALPHA", false),
    gate("TopologyManagerPolicyBetaOptions", "BETA", true),
    gate("TopologyManagerPolicyOptions", "", true),
    gate("TranslateStreamCloseWebsocketRequests", "BETA", true),
    gate("UnauthenticatedHTTP2DOSMitigation", "BETA", true),
    gate("UnknownVersionInteroperabilityProxy", "BETA", true),
    gate("UnlockWhileProcessingFIFO", "BETA", true),
    gate("UserNamespacesHostNetworkSupport", "ALPHA", false),
    gate("UserNamespacesSupport", "", true),
    gate("VolumeAttributesClass", "", true),
    gate("VolumeLimitScaling", "ALPHA", false),
    gate("WatchCacheInitializationPostStartHook", "BETA", true),
    gate("WatchList", "BETA", true),
    gate("WatchListClient", "BETA", true),
    gate("WinDSR", "", true),
    gate("WinOverlay", "", true),
    gate("WindowsCPUAndMemoryAffinity", "ALPHA", false),
    gate("WindowsGracefulNodeShutdown", "BETA", true),
    gate("WindowsHostNetwork", "DEPRECATED", false),
    gate("WorkloadAwarePreemption", "ALPHA", false),
    gate("WorkloadWithJob", "ALPHA", false),
];

const fn gate(name: &'static str, stage: &'static str, enabled: bool) -> Gate {
    Gate { name, stage, enabled }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gates_are_known_and_keep_their_values() {
        assert_eq!(check("APIServerIdentity=true,kube:AllAlpha=false"), Ok(()));
        assert_eq!(check(""), Ok(()));
        assert_eq!(check("Nonsense=true").unwrap_err(), "unrecognized feature gate: Nonsense");
        assert_eq!(check("WatchList").unwrap_err(), "missing bool value for WatchList");
        assert!(check("WatchList=maybe").unwrap_err().starts_with("invalid value of WatchList=maybe"));
        assert!(check("AllAlpha=true").is_err());
        assert!(GATES.is_sorted_by_key(|gate| gate.name));
    }
}
