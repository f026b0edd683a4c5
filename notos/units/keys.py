"""Every key of systemd 257 that a service, socket or timer can have, and its treatment here.

    translated    it is in the plan, the schedule or the seccomp program
    no effect     nothing in a machine of Notos depends on it, or it describes what the machine does anyway
    not enforced  a limit or protection that the machine does not apply; one note for each unit lists these
    unsupported   the service would do something else without it: a build error

The judge is the list of keys in systemd's library (load-fragment-gperf.gperf).
"""

from collections.abc import Mapping
from typing import Literal

Treatment = Literal["translated", "no effect", "not enforced", "unsupported"]


def _table(**rows: str) -> dict[str, Treatment]:
    titles: dict[str, Treatment] = {
        "translated": "translated",
        "no_effect": "no effect",
        "not_enforced": "not enforced",
        "unsupported": "unsupported",
    }
    return {key: titles[row] for row, keys in rows.items() for key in keys.split()}


_CONDITIONS = (
    "PathExists PathExistsGlob PathIsDirectory PathIsSymbolicLink PathIsMountPoint PathIsReadWrite "
    "PathIsEncrypted DirectoryNotEmpty FileNotEmpty FileIsExecutable NeedsUpdate FirstBoot Architecture "
    "Virtualization Host KernelCommandLine KernelVersion Credential Security Capability ACPower Memory "
    "CPUFeature CPUs Environment User Group ControlGroupController OSRelease MemoryPressure CPUPressure "
    "IOPressure"
)

UNIT: dict[str, Treatment] = {
    **_table(
        translated=(
            "Requires Requisite Wants BindsTo Upholds Conflicts Before After PartOf JoinsNamespaceOf "
            "ReloadPropagatedFrom StartLimitIntervalSec StartLimitBurst ConditionFirmware "
        ),
        # Mounts are made before services start. Jobs, isolation and garbage collection are the manager's.
        no_effect=(
            "Description Documentation SourcePath RequiresMountsFor WantsMountsFor StopWhenUnneeded "
            "RefuseManualStart RefuseManualStop AllowIsolate DefaultDependencies OnSuccessJobMode "
            "OnFailureJobMode OnFailureIsolate IgnoreOnIsolate IgnoreOnSnapshot CollectMode "
            "RequiresOverridable RequisiteOverridable JobTimeoutSec JobRunningTimeoutSec"
        ),
        not_enforced=(
            "OnSuccess OnFailure PropagatesReloadTo PropagatesStopTo StopPropagatedFrom "
            "SurviveFinalKillSignal JobTimeoutAction JobTimeoutRebootArgument StartLimitAction FailureAction "
            "SuccessAction FailureActionExitStatus SuccessActionExitStatus RebootArgument"
        ),
    ),
    **{f"{kind}{name}": "translated" for kind in ("Condition", "Assert") for name in _CONDITIONS.split()},
}

_EXECUTION = {
    **_table(
        translated=(
            "WorkingDirectory RootDirectory User Group SupplementaryGroups SetLoginEnvironment Nice "
            "OOMScoreAdjust CoredumpFilter IOSchedulingClass IOSchedulingPriority CPUSchedulingPolicy "
            "CPUSchedulingPriority CPUSchedulingResetOnFork CPUAffinity UMask Environment EnvironmentFile "
            "PassEnvironment UnsetEnvironment DynamicUser RemoveIPC StandardInput StandardOutput "
            "StandardError StandardInputText StandardInputData TTYPath TTYReset TTYVHangup "
            "SyslogIdentifier SecureBits CapabilityBoundingSet "
            "AmbientCapabilities TimerSlackNSec NoNewPrivileges KeyringMode ProtectProc ProcSubset "
            "SystemCallFilter SystemCallArchitectures SystemCallErrorNumber SystemCallLog "
            "MemoryDenyWriteExecute RestrictNamespaces RestrictRealtime RestrictSUIDSGID "
            "RestrictAddressFamilies LockPersonality Personality LimitCPU LimitFSIZE LimitDATA LimitSTACK "
            "LimitCORE LimitRSS LimitNOFILE LimitAS LimitNPROC LimitMEMLOCK LimitLOCKS LimitSIGPENDING "
            "LimitMSGQUEUE LimitNICE LimitRTPRIO LimitRTTIME ReadWritePaths ReadOnlyPaths InaccessiblePaths "
            "ExecPaths NoExecPaths BindPaths BindReadOnlyPaths TemporaryFileSystem PrivateTmp PrivateDevices "
            "ProtectKernelTunables ProtectKernelModules ProtectKernelLogs ProtectClock ProtectControlGroups "
            "ProtectHostname ProtectSystem ProtectHome PrivateNetwork PrivateUsers PrivateMounts PrivateIPC "
            "MountFlags MountAPIVFS RuntimeDirectoryPreserve RuntimeDirectoryMode "
            "RuntimeDirectory StateDirectoryMode StateDirectory CacheDirectoryMode CacheDirectory "
            "LogsDirectoryMode LogsDirectory ConfigurationDirectoryMode ConfigurationDirectory IgnoreSIGPIPE "
            "ExecSearchPath"
        ),
        # svlogd keeps the logs; the machine has no journal, no utmp and no system credentials.
        no_effect=(
            "SyslogFacility SyslogLevel SyslogLevelPrefix LogLevelMax LogRateLimitIntervalSec "
            "LogRateLimitBurst LogExtraFields LogFilterPatterns LogNamespace UtmpIdentifier UtmpMode "
            "Capabilities TimeoutCleanSec ImportCredential TTYVTDisallocate TTYRows TTYColumns "
            "RootImagePolicy MountImagePolicy ExtensionImagePolicy BindLogSockets"
        ),
        not_enforced=(
            "NUMAPolicy NUMAMask PAMName SELinuxContext AppArmorProfile SmackProcessLabel MemoryKSM "
            "RestrictFileSystems PrivatePIDs"
        ),
        unsupported=(
            "RootImage RootImageOptions RootHash RootHashSignature RootVerity RootEphemeral "
            "ExtensionDirectories ExtensionImages MountImages "
            "NetworkNamespacePath IPCNamespacePath SetCredential SetCredentialEncrypted LoadCredential "
            "LoadCredentialEncrypted"
        ),
    ),
}

_RESOURCES = _table(
    translated=(
        "AllowedCPUs AllowedMemoryNodes CPUWeight CPUQuota CPUQuotaPeriodSec MemoryMin MemoryLow MemoryHigh "
        "MemoryMax MemorySwapMax MemoryZSwapMax MemoryZSwapWriteback MemoryLimit IOWeight TasksMax "
        "DeviceAllow DevicePolicy"
    ),
    # Each service has a control group, and root may change it.
    no_effect=(
        "Slice CPUAccounting MemoryAccounting IOAccounting BlockIOAccounting TasksAccounting IPAccounting "
        "Delegate DelegateSubgroup DisableControllers ManagedOOMSwap ManagedOOMMemoryPressure "
        "ManagedOOMMemoryPressureLimit ManagedOOMMemoryPressureDurationSec ManagedOOMPreference NetClass "
        "MemoryPressureThresholdSec MemoryPressureWatch CoredumpReceive DefaultMemoryMin DefaultMemoryLow "
        "DefaultStartupMemoryLow"
    ),
    not_enforced=(
        "StartupAllowedCPUs StartupAllowedMemoryNodes StartupCPUWeight CPUShares StartupCPUShares "
        "StartupMemoryLow StartupMemoryHigh StartupMemoryMax StartupMemorySwapMax StartupMemoryZSwapMax "
        "StartupIOWeight IODeviceWeight IOReadBandwidthMax IOWriteBandwidthMax IOReadIOPSMax IOWriteIOPSMax "
        "IODeviceLatencyTargetSec BlockIOWeight StartupBlockIOWeight BlockIODeviceWeight "
        "BlockIOReadBandwidth BlockIOWriteBandwidth IPAddressAllow IPAddressDeny IPIngressFilterPath "
        "IPEgressFilterPath BPFProgram SocketBindAllow SocketBindDeny RestrictNetworkInterfaces NFTSet"
    ),
)

_KILLING = _table(
    translated="SendSIGKILL SendSIGHUP KillMode KillSignal RestartKillSignal FinalKillSignal WatchdogSignal"
)

SERVICE = {
    **_EXECUTION,
    **_RESOURCES,
    **_KILLING,
    **_table(
        translated=(
            "PIDFile ExecCondition ExecStartPre ExecStart ExecReload ExecStartPost ExecStop ExecStopPost "
            "RestartSec RestartSteps RestartMaxDelaySec TimeoutSec TimeoutStartSec TimeoutStopSec "
            "TimeoutAbortSec TimeoutStartFailureMode TimeoutStopFailureMode RuntimeMaxSec WatchdogSec "
            "StartLimitInterval StartLimitBurst Type ExitType Restart PermissionsStartOnly "
            "RemainAfterExit GuessMainPID RestartPreventExitStatus RestartForceExitStatus "
            "SuccessExitStatus NonBlocking BusName NotifyAccess Sockets OpenFile ReloadSignal OOMPolicy"
        ),
        no_effect="RestartMode SysVStartPriority BusPolicy RuntimeRandomizedExtraSec",
        not_enforced=(
            "StartLimitAction FailureAction RebootArgument FileDescriptorStoreMax FileDescriptorStorePreserve"
        ),
        unsupported="RootDirectoryStartOnly USBFunctionDescriptors USBFunctionStrings",
    ),
}

SOCKET: dict[str, Treatment] = {
    # These apply to the commands of the socket itself.
    **dict.fromkeys((*_EXECUTION, *_RESOURCES, *_KILLING), "no effect"),
    **_table(
        translated=(
            "ListenStream ListenDatagram ListenSequentialPacket ListenFIFO ListenNetlink ListenSpecial "
            "SocketProtocol BindIPv6Only Backlog BindToDevice SocketUser SocketGroup SocketMode "
            "DirectoryMode Accept Writable MaxConnections KeepAlive KeepAliveTimeSec KeepAliveIntervalSec "
            "KeepAliveProbes DeferAcceptSec NoDelay Priority ReceiveBuffer SendBuffer IPTOS IPTTL Mark "
            "PipeSize FreeBind Transparent Broadcast PassCredentials PassSecurity PassPacketInfo "
            "Timestamping TCPCongestion ReusePort RemoveOnStop Symlinks FileDescriptorName Service "
            "ExecStartPre ExecStartPost ExecStopPre ExecStopPost"
        ),
        no_effect=(
            "TimeoutSec TriggerLimitIntervalSec TriggerLimitBurst PollLimitIntervalSec PollLimitBurst "
            "PassFileDescriptorsToExec FlushPending"
        ),
        not_enforced=(
            "MaxConnectionsPerSource SmackLabel SmackLabelIPIn SmackLabelIPOut SELinuxContextFromNet"
        ),
        unsupported=("ListenMessageQueue ListenUSBFunction MessageQueueMaxMessages MessageQueueMessageSize"),
    ),
}

TIMER = _table(
    translated=(
        "OnCalendar OnActiveSec OnBootSec OnStartupSec OnUnitActiveSec OnUnitInactiveSec Persistent "
        "FixedRandomDelay AccuracySec RandomizedDelaySec Unit"
    ),
    no_effect="RemainAfterElapse DeferReactivation",
    not_enforced="WakeSystem OnClockChange OnTimezoneChange",
)

# Names of units for enabling them; the config enables a unit by naming it.
INSTALL = _table(translated="Alias Also DefaultInstance", no_effect="WantedBy RequiredBy UpheldBy")

TABLE: Mapping[str, Mapping[str, Treatment]] = {
    "Unit": UNIT,
    "Service": SERVICE,
    "Socket": SOCKET,
    "Timer": TIMER,
    "Install": INSTALL,
}

# Older names of keys, by section.
ALIASES: Mapping[str, Mapping[str, str]] = {
    "Unit": {
        "BindTo": "BindsTo",
        "PropagateReloadTo": "PropagatesReloadTo",
        "PropagateReloadFrom": "ReloadPropagatedFrom",
        "StartLimitInterval": "StartLimitIntervalSec",
    },
    "Service": {
        "ReadWriteDirectories": "ReadWritePaths",
        "ReadOnlyDirectories": "ReadOnlyPaths",
        "InaccessibleDirectories": "InaccessiblePaths",
    },
    "Socket": {
        "ReadWriteDirectories": "ReadWritePaths",
        "ReadOnlyDirectories": "ReadOnlyPaths",
        "InaccessibleDirectories": "InaccessiblePaths",
    },
    "Timer": {},
    "Install": {},
}

# Values with which a key of the last two treatments changes nothing, besides an empty one and "no".
HARMLESS: Mapping[str, tuple[str, ...]] = {
    "FileDescriptorStorePreserve": ("restart",),
    "NUMAPolicy": ("default",),
    **dict.fromkeys(("StartLimitAction", "FailureAction", "SuccessAction", "JobTimeoutAction"), ("none",)),
}


def section_of(key: str, sections: tuple[str, ...]) -> str:
    """Return the first of `sections` that has `key`, an older name too; the first one if none has it."""
    for section in sections:
        if key in TABLE[section] or key in ALIASES[section]:
            return section
    return sections[0]
