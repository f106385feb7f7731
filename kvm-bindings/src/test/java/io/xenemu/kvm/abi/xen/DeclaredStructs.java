package io.xenemu.kvm.abi.xen;

import io.xenemu.kvm.memory.GuestStruct;
import java.util.List;
import java.util.stream.Stream;

/// Every structure that the package declares.
public final class DeclaredStructs {
    private DeclaredStructs() {}

    public static List<GuestStruct> all() {
        return Stream.of(
                        EvtchnStructs.all(),
                        VcpuStructs.all(),
                        SchedStructs.all(),
                        HvmStructs.all(),
                        MemoryStructs.all(),
                        GnttabStructs.all(),
                        VersionStructs.all(),
                        SharedInfoStructs.all(),
                        RingStructs.all(),
                        NetifStructs.all(),
                        StartInfoStructs.all(),
                        MulticallStructs.all(),
                        PhysdevStructs.all(),
                        ToolStructs.all())
                .flatMap(List::stream)
                .toList();
    }
}
