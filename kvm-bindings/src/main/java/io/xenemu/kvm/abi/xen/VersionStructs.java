package io.xenemu.kvm.abi.xen;

import io.xenemu.kvm.memory.GuestField;
import io.xenemu.kvm.memory.GuestField.U32;
import io.xenemu.kvm.memory.GuestField.Ulong;
import io.xenemu.kvm.memory.GuestStruct;
import io.xenemu.kvm.memory.StructBuilder;
import java.util.List;

/// Arguments of `HYPERVISOR_xen_version`.
///
/// Source: xen/include/public/version.h.
public final class VersionStructs {
    private VersionStructs() {}

    /// `xen_extraversion_t`: XENVER_extraversion, OUT, ends with NUL.
    public static final class ExtraVersion {
        private static final StructBuilder S = GuestStruct.declare("xen_extraversion_t");

        public static final GuestField.Bytes TEXT = S.bytes("[0]", 16);

        public static final GuestStruct STRUCT = S.build();

        private ExtraVersion() {}
    }

    /// `struct xen_compile_info`: XENVER_compile_info, OUT, each ends with NUL.
    public static final class CompileInfo {
        private static final StructBuilder S = GuestStruct.declare("struct xen_compile_info");

        public static final GuestField.Bytes COMPILER = S.bytes("compiler", 64);
        public static final GuestField.Bytes COMPILE_BY = S.bytes("compile_by", 16);
        public static final GuestField.Bytes COMPILE_DOMAIN = S.bytes("compile_domain", 32);
        public static final GuestField.Bytes COMPILE_DATE = S.bytes("compile_date", 32);

        public static final GuestStruct STRUCT = S.build();

        private CompileInfo() {}
    }

    /// `xen_capabilities_info_t`: XENVER_capabilities, OUT, ends with NUL.
    public static final class CapabilitiesInfo {
        private static final StructBuilder S = GuestStruct.declare("xen_capabilities_info_t");

        public static final GuestField.Bytes TEXT = S.bytes("[0]", 1024);

        public static final GuestStruct STRUCT = S.build();

        private CapabilitiesInfo() {}
    }

    /// `xen_changeset_info_t`: XENVER_changeset, OUT, ends with NUL.
    public static final class ChangesetInfo {
        private static final StructBuilder S = GuestStruct.declare("xen_changeset_info_t");

        public static final GuestField.Bytes TEXT = S.bytes("[0]", 64);

        public static final GuestStruct STRUCT = S.build();

        private ChangesetInfo() {}
    }

    /// `struct xen_platform_parameters`: XENVER_platform_parameters.
    public static final class PlatformParameters {
        private static final StructBuilder S =
                GuestStruct.declare("struct xen_platform_parameters");

        /// OUT.
        public static final Ulong VIRT_START = S.ulong("virt_start");

        public static final GuestStruct STRUCT = S.build();

        private PlatformParameters() {}
    }

    /// `struct xen_feature_info`: XENVER_get_features.
    public static final class FeatureInfo {
        private static final StructBuilder S = GuestStruct.declare("struct xen_feature_info");

        public static final U32 SUBMAP_IDX = S.u32("submap_idx");

        /// OUT: one bit per XENFEAT_*.
        public static final U32 SUBMAP = S.u32("submap");

        public static final GuestStruct STRUCT = S.build();

        private FeatureInfo() {}
    }

    /// `xen_commandline_t`: XENVER_commandline, OUT, ends with NUL.
    public static final class Commandline {
        private static final StructBuilder S = GuestStruct.declare("xen_commandline_t");

        public static final GuestField.Bytes TEXT = S.bytes("[0]", 1024);

        public static final GuestStruct STRUCT = S.build();

        private Commandline() {}
    }

    /// `struct xen_build_id`: XENVER_build_id; the id follows the structure.
    public static final class BuildId {
        private static final StructBuilder S = GuestStruct.declare("struct xen_build_id");

        /// IN: bytes of room after it.
        public static final U32 LEN = S.u32("len");

        public static final GuestStruct STRUCT = S.build();

        private BuildId() {}
    }

    /// Every structure of this file.
    public static List<GuestStruct> all() {
        return List.of(
                ExtraVersion.STRUCT,
                CompileInfo.STRUCT,
                CapabilitiesInfo.STRUCT,
                ChangesetInfo.STRUCT,
                PlatformParameters.STRUCT,
                FeatureInfo.STRUCT,
                Commandline.STRUCT,
                BuildId.STRUCT);
    }
}
