/**
 * Which test shows the effect, or the refusal, of each field of the CRI: file below test/ by message and field. The test
 * of this table (unit/proto/fields.test.ts) fails when a field of api.proto is missing here, and when a file does not
 * name the field that it is said to test.
 */
export const FIELD_TESTS: readonly (readonly [file: string, fields: Readonly<Record<string, string>>])[] = [
  [
    'integration/cri/fields/statuses.test.ts',
    {
      VersionRequest: 'version',
      VersionResponse: 'version runtime_name runtime_version runtime_api_version',
      StatusRequest: 'verbose',
      StatusResponse: 'status info runtime_handlers',
      RuntimeStatus: 'conditions',
      RuntimeCondition: 'type status reason message',
      RuntimeHandler: 'name',
      RuntimeConfigResponse: 'linux',
      LinuxRuntimeConfiguration: 'cgroup_driver',
      UpdateRuntimeConfigRequest: 'runtime_config',
      RuntimeConfig: 'network_config',
      NetworkConfig: 'pod_cidr',
      PodSandboxStatusRequest: 'pod_sandbox_id verbose',
      PodSandboxStatusResponse: 'status info containers_statuses timestamp',
      PodSandboxStatus: 'id metadata state created_at network labels annotations runtime_handler',
      PodSandboxNetworkStatus: 'ip additional_ips',
      PodIP: 'ip',
      PodSandboxFilter: 'id state label_selector',
      PodSandboxStateValue: 'state',
      ListPodSandboxRequest: 'filter',
      ListPodSandboxResponse: 'items',
      PodSandbox: 'id metadata state created_at labels annotations runtime_handler',
      StopPodSandboxRequest: 'pod_sandbox_id',
      ContainerFilter: 'id state pod_sandbox_id label_selector',
      ContainerStateValue: 'state',
      ListContainersRequest: 'filter',
      ListContainersResponse: 'containers',
      Container: 'id pod_sandbox_id metadata image image_ref state created_at labels image_id',
      ContainerStatusRequest: 'container_id verbose',
      ContainerStatusResponse: 'status info',
      ContainerStatus:
        'id state created_at started_at finished_at exit_code image image_ref reason message image_id',
      StartContainerRequest: 'container_id',
      StopContainerRequest: 'container_id timeout',
    },
  ],
  [
    'integration/cri/fields/process.test.ts',
    {
      PodSandboxConfig: 'hostname labels annotations windows',
      ContainerMetadata: 'name attempt',
      ContainerConfig:
        'metadata image command args working_dir envs labels annotations log_path stdin stdin_once tty windows stop_signal',
      KeyValue: 'key value',
      Container: 'annotations',
      ContainerStatus: 'metadata labels annotations log_path stop_signal',
      ImageSpec: 'image runtime_handler',
      UpdateContainerResourcesRequest: 'windows',
    },
  ],
  [
    'integration/cri/fields/namespaces.test.ts',
    {
      PodSandboxConfig: 'dns_config linux',
      RunPodSandboxRequest: 'runtime_handler',
      DNSConfig: 'servers searches options',
      LinuxPodSandboxConfig: 'cgroup_parent security_context sysctls',
      LinuxSandboxSecurityContext: 'namespace_options',
      NamespaceOption: 'network pid ipc target_id userns_options',
      UserNamespace: 'mode',
      PodSandboxStatus: 'linux',
      LinuxPodSandboxStatus: 'namespaces',
      Namespace: 'options',
    },
  ],
  [
    'integration/cri/fields/security.test.ts',
    {
      LinuxSandboxSecurityContext:
        'run_as_user run_as_group readonly_rootfs supplemental_groups privileged seccomp apparmor seccomp_profile_path',
      UserNamespace: 'uids gids',
      IDMapping: 'host_id container_id length',
      SELinuxOption: 'user role type level',
      SecurityProfile: 'profile_type localhost_ref',
      LinuxContainerSecurityContext:
        'capabilities privileged namespace_options selinux_options readonly_rootfs no_new_privs masked_paths readonly_paths seccomp apparmor apparmor_profile seccomp_profile_path',
      Capability: 'add_capabilities drop_capabilities add_ambient_capabilities',
      StatusResponse: 'features',
      RuntimeHandler: 'features',
      RuntimeHandlerFeatures: 'user_namespaces',
      RuntimeFeatures: 'supplemental_groups_policy user_namespaces_host_network',
    },
  ],
  [
    'integration/cri/fields/users.test.ts',
    {
      LinuxContainerSecurityContext:
        'run_as_user run_as_group run_as_username supplemental_groups supplemental_groups_policy',
      ContainerStatus: 'user',
      ContainerUser: 'linux',
      LinuxContainerUser: 'uid gid supplemental_groups',
    },
  ],
  [
    'integration/cri/fields/resources.test.ts',
    {
      LinuxPodSandboxConfig: 'overhead resources',
      UpdatePodSandboxResourcesRequest: 'pod_sandbox_id overhead resources',
      LinuxContainerResources:
        'cpu_period cpu_quota cpu_shares memory_limit_in_bytes oom_score_adj cpuset_cpus cpuset_mems hugepage_limits unified memory_swap_limit_in_bytes',
      HugepageLimit: 'page_size limit',
      ContainerStatus: 'resources',
      ContainerResources: 'linux windows',
      UpdateContainerResourcesRequest: 'container_id linux annotations',
      RemoveContainerRequest: 'container_id',
    },
  ],
  [
    'integration/cri/fields/mounts.test.ts',
    {
      ContainerConfig: 'mounts devices CDI_devices',
      Mount:
        'container_path host_path readonly propagation uidMappings gidMappings recursive_read_only image image_sub_path mount_options',
      Device: 'container_path host_path permissions',
      CDIDevice: 'name',
      ContainerStatus: 'mounts',
      ImageSpec: 'image_ref',
      RuntimeHandlerFeatures: 'recursive_read_only_mounts',
      RuntimeFeatures: 'mount_options',
    },
  ],
  [
    'integration/cri/fields/images.test.ts',
    {
      ImageFilter: 'image',
      ListImagesRequest: 'filter',
      ListImagesResponse: 'images',
      Image: 'id repo_tags size uid username spec pinned',
      ImageSpec: 'annotations',
      ImageStatusRequest: 'image verbose',
      ImageStatusResponse: 'image info',
      RemoveImageRequest: 'image',
      PullImageRequest: 'image sandbox_config',
      PullImageResponse: 'image_ref',
      ImageFsInfoResponse: 'image_filesystems container_filesystems',
      FilesystemUsage: 'timestamp fs_id used_bytes inodes_used',
      FilesystemIdentifier: 'mountpoint',
      Int64Value: 'value',
      UInt64Value: 'value',
    },
  ],
  [
    'support/test-node.ts',
    {
      RunPodSandboxRequest: 'config',
      RunPodSandboxResponse: 'pod_sandbox_id',
      RemovePodSandboxRequest: 'pod_sandbox_id',
      CreateContainerRequest: 'pod_sandbox_id config sandbox_config',
      CreateContainerResponse: 'container_id',
      ContainerConfig: 'linux',
      LinuxContainerConfig: 'resources security_context',
    },
  ],
  [
    'support/pods.ts',
    {
      PodSandboxMetadata: 'name uid namespace attempt',
      PodSandboxConfig: 'metadata log_directory',
      ImageSpec: 'user_specified_image',
    },
  ],
  [
    'unit/convert/sandbox-body.test.ts',
    { LinuxSandboxSecurityContext: 'selinux_options supplemental_groups_policy' },
  ],
  [
    'unit/convert/port-mappings.test.ts',
    { PodSandboxConfig: 'port_mappings', PortMapping: 'protocol container_port host_port host_ip' },
  ],
  ['unit/convert/mounts.test.ts', { Mount: 'selinux_relabel' }],
  [
    'unit/convert/auth.test.ts',
    { AuthConfig: 'username password auth server_address identity_token registry_token' },
  ],
  ['unit/convert/image.test.ts', { Image: 'repo_digests' }],
  ['integration/cri/bad-requests/image-rows.ts', { PullImageRequest: 'auth' }],
];

/** Whole messages that the suites of their own RPCs test, or that nothing here takes or gives, by the reason. */
export const OTHER_MESSAGES: Readonly<Record<string, string>> = {
  'exec, attach and port-forward have suites of their own':
    'ExecSyncRequest ExecSyncResponse ExecRequest ExecResponse AttachRequest AttachResponse PortForwardRequest PortForwardResponse',
  'logs have a suite of their own': 'ReopenContainerLogRequest',
  'figures have suites of their own':
    'ContainerStatsRequest ContainerStatsResponse ContainerStatsFilter ListContainerStatsRequest ListContainerStatsResponse ContainerAttributes ContainerStats PodSandboxStatsRequest PodSandboxStatsResponse PodSandboxStatsFilter ListPodSandboxStatsRequest ListPodSandboxStatsResponse PodSandboxAttributes PodSandboxStats LinuxPodSandboxStats CpuUsage MemoryUsage SwapUsage IoUsage PsiStats PsiData NetworkUsage NetworkInterfaceUsage ProcessUsage ListMetricDescriptorsResponse MetricDescriptor ListPodSandboxMetricsResponse PodSandboxMetrics ContainerMetrics Metric',
  'streamed lists and events have suites of their own':
    'StreamPodSandboxesRequest StreamPodSandboxesResponse StreamContainersRequest StreamContainersResponse StreamContainerStatsRequest StreamContainerStatsResponse StreamPodSandboxStatsRequest StreamPodSandboxStatsResponse StreamPodSandboxMetricsResponse StreamImagesRequest StreamImagesResponse ContainerEventResponse',
  'checkpoints are not implemented':
    'CheckpointContainerRequest CheckpointPodRequest RestorePodRequest RestorePodResponse RestoredContainer',
  'only Windows nodes have these: their config is refused as a whole, and figures are never filled':
    'WindowsPodSandboxConfig WindowsSandboxSecurityContext WindowsNamespaceOption WindowsContainerConfig WindowsContainerSecurityContext WindowsContainerResources WindowsCpuGroupAffinity WindowsPodSandboxStats WindowsContainerStats WindowsCpuUsage WindowsMemoryUsage WindowsNetworkUsage WindowsNetworkInterfaceUsage WindowsProcessUsage WindowsFilesystemUsage',
};
