package io.xenemu.kvm.attach;

import io.xenemu.kvm.abi.Errno;
import io.xenemu.kvm.abi.KvmException;
import io.xenemu.kvm.abi.VcpuId;
import io.xenemu.kvm.ioctl.KvmCapability;
import io.xenemu.kvm.ioctl.KvmDescriptor;
import io.xenemu.kvm.ioctl.KvmRun;
import io.xenemu.kvm.ioctl.KvmVcpu;
import io.xenemu.kvm.ioctl.KvmVm;
import io.xenemu.kvm.ioctl.XenCapability;
import io.xenemu.kvm.ioctl.XenHvmAttributes;
import io.xenemu.kvm.ioctl.XenTimer;
import io.xenemu.kvm.ioctl.XenVcpuAttributes;
import io.xenemu.kvm.libc.Libc;
import io.xenemu.kvm.libc.Mapping;
import io.xenemu.kvm.libc.OwnedFd;
import io.xenemu.kvm.memory.MemFd;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.function.BooleanSupplier;
import org.jspecify.annotations.Nullable;

/// The VM of an attached VMM, over its connection: descriptors that give each ioctl to the VMM, and mappings in the
/// VMM.
public final class AttachedVm implements AutoCloseable {
    /// The most memories that a VMM keeps for the service; `xen_attach.c` has a few more.
    private static final int MAX_MEMORIES = 60;

    private static final int F_DUPFD_CLOEXEC = 1030;

    /// How a vCPU's descriptor looks among those of a process.
    private static final String VCPU_FILE = "anon_inode:kvm-vcpu";

    /// What is mapped of a `kvm_run`: it, and its page of I/O data. A VMM could tell of more than there is.
    private static final int RUN_BYTES = AttachMessage.RUN_BYTES_MIN;

    private final AttachConnection connection;
    private final int spinMicros;
    private final Descriptor descriptor;
    private final List<AttachedVcpu> descriptors = new ArrayList<>();
    private final List<KvmVcpu> vcpus = new ArrayList<>();
    private final Map<MemFd, Integer> memories = new LinkedHashMap<>();

    /// The length of each mapping in the VMM, by its address.
    private final Map<Long, Long> mappings = new HashMap<>();

    /// The service's memory slots.
    private final Set<Integer> slots = new HashSet<>();

    private int lastMemory;
    private AttachMessage.@Nullable Ram ranges;
    private @Nullable OwnedFd ram;
    private volatile boolean isStarted;

    /// @param spinMicros how long the service and the VMM poll for a vCPU before they sleep
    public AttachedVm(AttachConnection connection, int spinMicros) {
        this.connection = connection;
        this.spinMicros = spinMicros;
        descriptor = new Descriptor(connection);
    }

    /// The VM's descriptor.
    ///
    /// Threads of other domains signal interrupts and connect eventfds. KVM refuses them nothing, so a VMM that does
    /// has lied and is given up: these threads do not suffer from that.
    private record Descriptor(AttachConnection connection) implements KvmDescriptor {
        private static final Link[] NONE = {};

        @Override
        public int ioctl(long request, long argument) {
            return connection.ioctl(AttachLayouts.VM, request, argument);
        }

        @Override
        public int ioctl(long request, MemorySegment argument) {
            return ioctl(request, argument, NONE);
        }

        @Override
        public int ioctl(long request, MemorySegment argument, Link... links) {
            int result = connection.ioctl(AttachLayouts.VM, request, argument, links);
            if (result < 0 && KvmVm.neverRefuses(request, -result)) {
                connection.giveUp("it refuses interrupts: " + Errno.name(-result));
                return 0;
            }
            return result;
        }

        /// The connection outlives the domain: the machine may be reset.
        @Override
        public void close() {}
    }

    /// The VM.
    public KvmVm kvm() {
        return KvmVm.attached(descriptor);
    }

    /// Its vCPUs, in Xen's order.
    public List<KvmVcpu> vcpus() {
        return List.copyOf(vcpus);
    }

    /// Closes a descriptor of a message that is refused.
    ///
    /// @param fd -1 if there is none
    public static void refuse(int fd) {
        if (fd >= 0) {
            int _ = Libc.close(fd);
        }
    }

    /// Takes the guest's memory over.
    ///
    /// @param fd of it, closed with the VM
    /// @throws KvmException EINVAL if it is no sealed memory of the right size; EEXIST if there is one
    public void memory(AttachMessage.Ram memory, int fd) {
        OwnedFd own = OwnedFd.of("recvmsg", fd, "");
        boolean taken = false;
        try {
            if (ram != null) {
                throw new KvmException("xa_ram", Errno.EEXIST, "");
            }
            copy(own, memory).close();
            taken = true;
            ram = own;
            ranges = memory;
        } finally {
            if (!taken) {
                own.close();
            }
        }
    }

    /// Where the guest's memory is; null if that is not known.
    public AttachMessage.@Nullable Ram ranges() {
        return ranges;
    }

    /// The guest's memory, for one domain.
    public MemFd ram() {
        return copy(Objects.requireNonNull(ram), Objects.requireNonNull(ranges));
    }

    private static MemFd copy(OwnedFd of, AttachMessage.Ram memory) {
        int copy = Libc.fcntl(of.number(), F_DUPFD_CLOEXEC, 0);
        if (copy < 0) {
            throw new KvmException("fcntl", -copy, "F_DUPFD_CLOEXEC");
        }
        return MemFd.received(copy, memory.bytes() + AttachLayouts.SPARE_BYTES);
    }

    /// Adds a vCPU.
    ///
    /// @param fd of the vCPU, closed here
    /// @return the memory of its exchange, for the VMM
    /// @throws KvmException EINVAL if that is no vCPU, or not the next one
    public MemFd add(AttachMessage.Vcpu vcpu, int fd) {
        try (OwnedFd own = OwnedFd.of("recvmsg", fd, "")) {
            if (vcpu.number() != vcpus.size() || !isVcpu(own)) {
                throw new KvmException("xa_vcpu", Errno.EINVAL, "vCPU " + vcpu.number());
            }
            Arena mapping = Arena.ofShared();
            KvmRun run =
                    new KvmRun(
                            Mapping.map(
                                    mapping,
                                    own.number(),
                                    0,
                                    RUN_BYTES,
                                    false,
                                    "kvm_run of vCPU " + vcpu.number()));
            VcpuExchange exchange = new VcpuExchange(spinMicros);
            AttachedVcpu attached =
                    new AttachedVcpu(
                            connection,
                            vcpu.number(),
                            exchange,
                            run::isImmediateExitRequested,
                            () -> isStarted);
            descriptors.add(attached);
            vcpus.add(KvmVcpu.attached(new VcpuId(vcpu.apicId()), attached, mapping, run));
            return exchange.memory();
        }
    }

    /// Whether this is a vCPU of KVM. The mapping of another file could go away under the service.
    private static boolean isVcpu(OwnedFd fd) {
        try {
            return Files.readSymbolicLink(Path.of("/proc/self/fd/" + fd.number()))
                    .toString()
                    .startsWith(VCPU_FILE);
        } catch (IOException e) {
            return false;
        }
    }

    /// Tells when a vCPU's thread is to go on without the VMM.
    public void stopsWhen(int vcpu, BooleanSupplier stopping) {
        descriptors.get(vcpu).stopsWhen(stopping);
    }

    /// Whether the VMM may run the vCPUs, which then are only here when they are handed over.
    public void started(boolean on) {
        isStarted = on;
    }

    /// Lets the VMM have all vCPUs: its machine is reset, and none of them runs.
    public void reset() {
        isStarted = false;
        descriptors.forEach(AttachedVcpu::reset);
    }

    /// Maps a part of a memory into the VMM.
    ///
    /// @return the address there
    public synchronized long map(MemFd memory, long offset, long bytes, boolean readOnly) {
        long address = connection.map(number(memory), flags(readOnly), 0, offset, bytes);
        mappings.put(address, bytes);
        return address;
    }

    /// Makes a memory slot.
    ///
    /// @param host of [#map]
    /// @throws KvmException as KVM_SET_USER_MEMORY_REGION
    public synchronized void addSlot(int slot, long guestAddress, long bytes, long host) {
        kvm().setMemoryRegionAt(slot, guestAddress, bytes, host);
        slots.add(slot);
    }

    /// Deletes a memory slot of [#addSlot].
    ///
    /// @throws KvmException as KVM_SET_USER_MEMORY_REGION
    public synchronized void deleteSlot(int slot) {
        kvm().deleteMemoryRegion(slot);
        slots.remove(slot);
    }

    /// Takes away what an ended domain has left in the VM: the memory is as the VMM has made it, and Xen is told
    /// nothing of the vCPUs' areas. No vCPU runs.
    public synchronized void clean() {
        XenHvmAttributes xen = kvm().xen();
        if (slots.isEmpty()) {
            return;
        }
        boolean hasRunstate =
                XenCapability.decode(kvm().checkExtension(KvmCapability.XEN_HVM))
                        .contains(XenCapability.RUNSTATE);
        xen.resetEvtchns();
        xen.sharedInfoGfn(XenHvmAttributes.INVALID_GFN);
        xen.upcallVector(0);
        for (KvmVcpu vcpu : vcpus) {
            XenVcpuAttributes own = vcpu.xen();
            own.vcpuInfo(XenVcpuAttributes.INVALID_GPA);
            own.vcpuTimeInfo(XenVcpuAttributes.INVALID_GPA);
            if (hasRunstate) {
                own.runstateAddr(XenVcpuAttributes.INVALID_GPA);
            }
            own.timer(XenTimer.NONE);
            own.upcallVector(0);
        }
        for (int slot : slots) {
            kvm().deleteMemoryRegion(slot);
        }
        slots.clear();
        mappings.forEach(connection::unmap);
        mappings.clear();
        memories.values().forEach(connection::forget);
        memories.clear();
    }

    /// Maps a part of a memory over another mapping in the VMM.
    public synchronized void mapOver(
            long address, MemFd memory, long offset, long bytes, boolean readOnly) {
        long _ = connection.map(number(memory), flags(readOnly), address, offset, bytes);
    }

    /// Maps a part of the guest's own memory over another mapping in the VMM.
    public void mapRam(long address, long offset, long bytes, boolean readOnly) {
        int flags = AttachLayouts.MAP_RAM | flags(readOnly);
        long _ = connection.map(0, flags, address, offset, bytes);
    }

    private static int flags(boolean readOnly) {
        return readOnly ? AttachLayouts.MAP_READ_ONLY : 0;
    }

    private int number(MemFd memory) {
        Integer known = memories.get(memory);
        if (known != null) {
            return known;
        }
        if (memories.size() == MAX_MEMORIES) {
            Iterator<Integer> oldest = memories.values().iterator();
            connection.forget(oldest.next());
            oldest.remove();
        }
        int number = ++lastMemory;
        connection.memory(number, memory);
        memories.put(memory, number);
        return number;
    }

    /// Unmaps what the vCPUs share. Their threads have ended.
    @Override
    public void close() {
        vcpus.forEach(KvmVcpu::close);
        if (ram != null) {
            ram.close();
        }
    }
}
