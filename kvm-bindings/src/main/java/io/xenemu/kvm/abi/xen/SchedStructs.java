package io.xenemu.kvm.abi.xen;

import io.xenemu.kvm.memory.GuestField.Handle;
import io.xenemu.kvm.memory.GuestField.S32;
import io.xenemu.kvm.memory.GuestField.U16;
import io.xenemu.kvm.memory.GuestField.U32;
import io.xenemu.kvm.memory.GuestField.U64;
import io.xenemu.kvm.memory.GuestStruct;
import io.xenemu.kvm.memory.StructBuilder;
import java.util.List;

/// Arguments of `HYPERVISOR_sched_op`.
///
/// Source: xen/include/public/sched.h.
public final class SchedStructs {
    private SchedStructs() {}

    /// `struct sched_shutdown`: SCHEDOP_shutdown.
    public static final class Shutdown {
        private static final StructBuilder S = GuestStruct.declare("struct sched_shutdown");

        /// SHUTDOWN_*.
        public static final U32 REASON = S.u32("reason");

        public static final GuestStruct STRUCT = S.build();

        private Shutdown() {}
    }

    /// `struct sched_poll`: SCHEDOP_poll.
    public static final class Poll {
        private static final StructBuilder S = GuestStruct.declare("struct sched_poll");

        /// Array of `evtchn_port_t`.
        public static final Handle PORTS = S.handle("ports");

        public static final U32 NR_PORTS = S.u32("nr_ports");

        /// Absolute system time in ns; 0 is none.
        public static final U64 TIMEOUT = S.u64("timeout");

        public static final GuestStruct STRUCT = S.build();

        private Poll() {}
    }

    /// `struct sched_remote_shutdown`: SCHEDOP_remote_shutdown.
    public static final class RemoteShutdown {
        private static final StructBuilder S = GuestStruct.declare("struct sched_remote_shutdown");

        public static final U16 DOMAIN_ID = S.u16("domain_id");
        public static final U32 REASON = S.u32("reason");

        public static final GuestStruct STRUCT = S.build();

        private RemoteShutdown() {}
    }

    /// `struct sched_watchdog`: SCHEDOP_watchdog.
    public static final class Watchdog {
        private static final StructBuilder S = GuestStruct.declare("struct sched_watchdog");

        public static final U32 ID = S.u32("id");

        /// Seconds.
        public static final U32 TIMEOUT = S.u32("timeout");

        public static final GuestStruct STRUCT = S.build();

        private Watchdog() {}
    }

    /// `struct sched_pin_override`: SCHEDOP_pin_override.
    public static final class PinOverride {
        private static final StructBuilder S = GuestStruct.declare("struct sched_pin_override");

        public static final S32 PCPU = S.s32("pcpu");

        public static final GuestStruct STRUCT = S.build();

        private PinOverride() {}
    }

    /// Every structure of this file.
    public static List<GuestStruct> all() {
        return List.of(
                Shutdown.STRUCT,
                Poll.STRUCT,
                RemoteShutdown.STRUCT,
                Watchdog.STRUCT,
                PinOverride.STRUCT);
    }
}
