package io.xenemu.core.trace;

import com.google.common.collect.ImmutableMap;
import io.xenemu.kvm.abi.xen.EvtchnStructs;
import io.xenemu.kvm.abi.xen.GnttabStructs;
import io.xenemu.kvm.abi.xen.HvmStructs;
import io.xenemu.kvm.abi.xen.MemoryStructs;
import io.xenemu.kvm.abi.xen.MulticallStructs;
import io.xenemu.kvm.abi.xen.PhysdevStructs;
import io.xenemu.kvm.abi.xen.SchedStructs;
import io.xenemu.kvm.abi.xen.SharedInfoStructs;
import io.xenemu.kvm.abi.xen.VcpuStructs;
import io.xenemu.kvm.abi.xen.VersionStructs;
import io.xenemu.kvm.memory.GuestStruct;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// The arguments of hypercalls after their command, by the names in Xen's table of hypercalls. The arguments of all
/// other operations are shown as registers. Sources: the headers below `xen/include/public`.
final class Prototypes {
    private static final ImmutableMap<String, List<Argument>> ALL =
            ImmutableMap.<String, List<Argument>>builder()
                    .putAll(eventChannels())
                    .putAll(grants())
                    .putAll(memory())
                    .putAll(vcpus())
                    .putAll(scheduling())
                    .putAll(others())
                    .build();

    private Prototypes() {}

    /// The arguments of an operation; null if they are not known.
    ///
    /// @param op empty for a hypercall without operations
    static @Nullable List<Argument> of(String hypercall, String op) {
        return ALL.get(name(hypercall, op));
    }

    /// Every operation that is known, as `hypercall/op`.
    static Iterable<String> names() {
        return ALL.keySet();
    }

    private static String name(String hypercall, String op) {
        return hypercall + '/' + op;
    }

    private static List<Argument> struct(GuestStruct type) {
        return List.of(new Argument.Struct(type, 1));
    }

    private static List<Argument> structs(GuestStruct type) {
        return List.of(new Argument.Structs(type, 1, 2), new Argument.Value("count", 2));
    }

    private static List<Argument> data(String name) {
        return List.of(new Argument.Data(name, 1));
    }

    private static List<Argument> onVcpu(Argument... rest) {
        List<Argument> vcpu = List.of(new Argument.Value("vcpu", 1));
        return rest.length == 0 ? vcpu : List.of(vcpu.getFirst(), rest[0]);
    }

    private static List<Argument> onVcpu(GuestStruct type) {
        return onVcpu(new Argument.Struct(type, 2));
    }

    private static ImmutableMap<String, List<Argument>> eventChannels() {
        return ImmutableMap.<String, List<Argument>>builder()
                .put(
                        "event_channel_op/bind_interdomain",
                        struct(EvtchnStructs.BindInterdomain.STRUCT))
                .put("event_channel_op/bind_virq", struct(EvtchnStructs.BindVirq.STRUCT))
                .put("event_channel_op/bind_pirq", struct(EvtchnStructs.BindPirq.STRUCT))
                .put("event_channel_op/close", struct(EvtchnStructs.Close.STRUCT))
                .put("event_channel_op/send", struct(EvtchnStructs.Send.STRUCT))
                .put("event_channel_op/status", struct(EvtchnStructs.Status.STRUCT))
                .put("event_channel_op/alloc_unbound", struct(EvtchnStructs.AllocUnbound.STRUCT))
                .put("event_channel_op/bind_ipi", struct(EvtchnStructs.BindIpi.STRUCT))
                .put("event_channel_op/bind_vcpu", struct(EvtchnStructs.BindVcpu.STRUCT))
                .put("event_channel_op/unmask", struct(EvtchnStructs.Unmask.STRUCT))
                .put("event_channel_op/reset", struct(EvtchnStructs.Reset.STRUCT))
                .put("event_channel_op/init_control", struct(EvtchnStructs.InitControl.STRUCT))
                .put("event_channel_op/expand_array", struct(EvtchnStructs.ExpandArray.STRUCT))
                .put("event_channel_op/set_priority", struct(EvtchnStructs.SetPriority.STRUCT))
                .build();
    }

    private static ImmutableMap<String, List<Argument>> grants() {
        return ImmutableMap.<String, List<Argument>>builder()
                .put("grant_table_op/map_grant_ref", structs(GnttabStructs.MapGrantRef.STRUCT))
                .put("grant_table_op/unmap_grant_ref", structs(GnttabStructs.UnmapGrantRef.STRUCT))
                .put("grant_table_op/setup_table", structs(GnttabStructs.SetupTable.STRUCT))
                .put("grant_table_op/copy", structs(GnttabStructs.Copy.STRUCT))
                .put("grant_table_op/query_size", structs(GnttabStructs.QuerySize.STRUCT))
                .put("grant_table_op/set_version", structs(GnttabStructs.SetVersion.STRUCT))
                .put("grant_table_op/get_version", structs(GnttabStructs.GetVersion.STRUCT))
                .put("grant_table_op/swap_grant_ref", structs(GnttabStructs.SwapGrantRef.STRUCT))
                .build();
    }

    private static ImmutableMap<String, List<Argument>> memory() {
        return ImmutableMap.<String, List<Argument>>builder()
                .put("memory_op/increase_reservation", struct(MemoryStructs.Reservation.STRUCT))
                .put("memory_op/decrease_reservation", struct(MemoryStructs.Reservation.STRUCT))
                .put("memory_op/populate_physmap", struct(MemoryStructs.Reservation.STRUCT))
                .put("memory_op/current_reservation", data("domid"))
                .put("memory_op/maximum_reservation", data("domid"))
                .put("memory_op/add_to_physmap", struct(MemoryStructs.AddToPhysmap.STRUCT))
                .put("memory_op/memory_map", struct(MemoryStructs.MemoryMap.STRUCT))
                .put(
                        "memory_op/add_to_physmap_batch",
                        struct(MemoryStructs.AddToPhysmapBatch.STRUCT))
                .put("memory_op/exchange", struct(MemoryStructs.Exchange.STRUCT))
                .put("memory_op/machphys_mfn_list", struct(MemoryStructs.MachphysMfnList.STRUCT))
                .put("memory_op/maximum_gpfn", data("domid"))
                .put("memory_op/maximum_ram_page", List.of())
                .put("memory_op/set_memory_map", struct(MemoryStructs.ForeignMemoryMap.STRUCT))
                .put(
                        "memory_op/reserved_device_memory_map",
                        struct(MemoryStructs.ReservedDeviceMemoryMap.STRUCT))
                .put(
                        "memory_op/remove_from_physmap",
                        struct(MemoryStructs.RemoveFromPhysmap.STRUCT))
                .build();
    }

    private static ImmutableMap<String, List<Argument>> vcpus() {
        return ImmutableMap.<String, List<Argument>>builder()
                .put("vcpu_op/initialise", onVcpu(VcpuStructs.HvmContext.STRUCT))
                .put("vcpu_op/up", onVcpu())
                .put("vcpu_op/down", onVcpu())
                .put("vcpu_op/is_up", onVcpu())
                .put("vcpu_op/get_runstate_info", onVcpu(SharedInfoStructs.RunstateInfo.STRUCT))
                .put("vcpu_op/register_runstate_memory_area", onVcpu(new Argument.Data("area", 2)))
                .put("vcpu_op/send_nmi", onVcpu())
                .put("vcpu_op/set_periodic_timer", onVcpu(VcpuStructs.SetPeriodicTimer.STRUCT))
                .put("vcpu_op/stop_periodic_timer", onVcpu())
                .put("vcpu_op/set_singleshot_timer", onVcpu(VcpuStructs.SetSingleshotTimer.STRUCT))
                .put("vcpu_op/stop_singleshot_timer", onVcpu())
                .put("vcpu_op/register_vcpu_info", onVcpu(VcpuStructs.RegisterVcpuInfo.STRUCT))
                .put("vcpu_op/register_vcpu_time_memory_area", onVcpu(new Argument.Data("area", 2)))
                .put("vcpu_op/register_runstate_phys_area", onVcpu(new Argument.Data("area", 2)))
                .put("vcpu_op/register_vcpu_time_phys_area", onVcpu(new Argument.Data("area", 2)))
                .build();
    }

    private static ImmutableMap<String, List<Argument>> scheduling() {
        return ImmutableMap.<String, List<Argument>>builder()
                .put("sched_op/yield", List.of())
                .put("sched_op/block", List.of())
                .put("sched_op/shutdown", struct(SchedStructs.Shutdown.STRUCT))
                .put("sched_op/shutdown_code", struct(SchedStructs.Shutdown.STRUCT))
                .put("sched_op/poll", struct(SchedStructs.Poll.STRUCT))
                .put("sched_op/watchdog", struct(SchedStructs.Watchdog.STRUCT))
                .put("set_timer_op/", List.of(new Argument.Value("timeout", 0)))
                .put("vm_assist/enable", List.of(new Argument.Value("type", 1)))
                .put("vm_assist/disable", List.of(new Argument.Value("type", 1)))
                .build();
    }

    private static ImmutableMap<String, List<Argument>> others() {
        return ImmutableMap.<String, List<Argument>>builder()
                .put(
                        "multicall/",
                        List.of(
                                new Argument.Structs(MulticallStructs.Entry.STRUCT, 0, 1),
                                new Argument.Value("count", 1)))
                .put("hvm_op/flush_tlbs", List.of(new Argument.Value("arg", 1)))
                .put("hvm_op/get_time", struct(HvmStructs.GetTime.STRUCT))
                .put("hvm_op/get_mem_type", struct(HvmStructs.GetMemType.STRUCT))
                .put("hvm_op/set_param", struct(HvmStructs.Param.STRUCT))
                .put("hvm_op/get_param", struct(HvmStructs.Param.STRUCT))
                .put(
                        "hvm_op/set_evtchn_upcall_vector",
                        struct(HvmStructs.EvtchnUpcallVector.STRUCT))
                .put("physdev_op/irq_status_query", struct(PhysdevStructs.IrqStatusQuery.STRUCT))
                .put("physdev_op/eoi", struct(PhysdevStructs.Eoi.STRUCT))
                .put("physdev_op/map_pirq", struct(PhysdevStructs.MapPirq.STRUCT))
                .put("physdev_op/unmap_pirq", struct(PhysdevStructs.UnmapPirq.STRUCT))
                .put("physdev_op/get_free_pirq", struct(PhysdevStructs.GetFreePirq.STRUCT))
                .put("xen_version/version", List.of())
                .put("xen_version/extraversion", data("text"))
                .put("xen_version/compile_info", struct(VersionStructs.CompileInfo.STRUCT))
                .put("xen_version/capabilities", data("text"))
                .put("xen_version/changeset", data("text"))
                .put("xen_version/platform_parameters", data("virt_start"))
                .put("xen_version/get_features", struct(VersionStructs.FeatureInfo.STRUCT))
                .put("xen_version/pagesize", List.of())
                .put("xen_version/guest_handle", data("handle"))
                .put("xen_version/commandline", data("text"))
                .put("xen_version/extraversion2", data("buf"))
                .put("xen_version/capabilities2", data("buf"))
                .put("xen_version/changeset2", data("buf"))
                .build();
    }
}
