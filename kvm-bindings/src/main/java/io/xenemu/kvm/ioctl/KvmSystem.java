package io.xenemu.kvm.ioctl;

import io.xenemu.kvm.abi.Errno;
import io.xenemu.kvm.abi.KvmException;
import io.xenemu.kvm.libc.KickSignal;
import io.xenemu.kvm.libc.Libc;
import io.xenemu.kvm.libc.OwnedFd;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Path;
import java.util.EnumSet;
import java.util.List;

/// `/dev/kvm`: checks what this host's KVM supports, and creates VMs. Source: Linux, Documentation/virt/kvm/api.rst.
public final class KvmSystem implements AutoCloseable {
    /// The path of the device.
    public static final Path DEVICE = Path.of("/dev/kvm");

    private static final int API_VERSION = 12;
    private static final int O_RDWR_CLOEXEC = 2 | 0x80000;

    /// A signal to this thread interrupts KVM_CREATE_VM. The attempts are limited in case signals never stop.
    private static final int CREATE_VM_ATTEMPTS = 10;

    private final KvmDescriptor fd;

    private KvmSystem(OwnedFd fd) {
        this.fd = new LocalDescriptor(fd);
    }

    /// Opens the device, and installs the process's handler for the signal that [KvmVcpu#kick] sends.
    ///
    /// @throws KvmException if it cannot be opened, or its API version is not the supported one
    public static KvmSystem open(Path device) {
        int result = Libc.open(device.toString(), O_RDWR_CLOEXEC);
        KvmSystem system = new KvmSystem(OwnedFd.of("open", result, device + openHint(-result)));
        try {
            int version = system.apiVersion();
            if (version != API_VERSION) {
                throw new KvmException(
                        "KVM_GET_API_VERSION", Errno.EINVAL, "version " + version + ", not 12");
            }
            KickSignal.install();
        } catch (KvmException e) {
            system.close();
            throw e;
        }
        return system;
    }

    /// A KVM that is not there: whatever it is asked fails with ENOTTY. For what has to work without guests.
    ///
    /// @throws KvmException if the process may open no file
    public static KvmSystem absent() {
        return new KvmSystem(
                OwnedFd.of("open", Libc.open("/dev/null", O_RDWR_CLOEXEC), "/dev/null"));
    }

    /// KVM_GET_API_VERSION; always 12.
    public int apiVersion() {
        return KvmIoctl.KVM_GET_API_VERSION.call(fd, 0);
    }

    /// KVM_CHECK_EXTENSION: 0 if the host lacks the capability, else its version, flags or limit.
    public int checkExtension(KvmCapability capability) {
        return KvmIoctl.KVM_CHECK_EXTENSION.call(fd, capability.number());
    }

    /// The features of the kernel's Xen interface; empty if the kernel was built without CONFIG_KVM_XEN.
    public EnumSet<XenCapability> xenCapabilities() {
        return XenCapability.decode(checkExtension(KvmCapability.XEN_HVM));
    }

    /// KVM_CREATE_VM. The VM belongs to this process: KVM refuses its ioctls from any other with EIO.
    public KvmVm createVm() {
        int mmapSize = vcpuMmapSize(); // may fail, so before there is something to close
        int result = -Errno.EINTR;
        for (int i = 0; i < CREATE_VM_ATTEMPTS && result == -Errno.EINTR; i++) {
            result = KvmIoctl.KVM_CREATE_VM.tryCall(fd, 0);
        }
        return new KvmVm(new LocalDescriptor(OwnedFd.of("KVM_CREATE_VM", result, "")), mmapSize);
    }

    /// KVM_GET_VCPU_MMAP_SIZE: the number of bytes of a vCPU to map for [KvmRun].
    public int vcpuMmapSize() {
        return KvmIoctl.KVM_GET_VCPU_MMAP_SIZE.call(fd, 0);
    }

    /// KVM_GET_SUPPORTED_CPUID: every leaf that this processor and KVM offer a guest.
    public List<CpuidEntry> supportedCpuid() {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment table = CpuidEntry.empty(arena, CpuidEntry.MAX_ENTRIES);
            KvmIoctl.KVM_GET_SUPPORTED_CPUID.call(fd, table);
            return CpuidEntry.read(table);
        }
    }

    /// KVM_GET_SUPPORTED_HV_CPUID: the leaves of Hyper-V that KVM can serve; empty if it serves none, or is older than
    /// 5.11.
    public List<CpuidEntry> supportedHvCpuid() {
        if (checkExtension(KvmCapability.SYS_HYPERV_CPUID) == 0) {
            return List.of();
        }
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment table = CpuidEntry.empty(arena, CpuidEntry.MAX_ENTRIES);
            KvmIoctl.KVM_GET_SUPPORTED_HV_CPUID.call(fd, table);
            return CpuidEntry.read(table);
        }
    }

    /// KVM_GET_MSRS on the system: an MSR whose value says what a guest can have.
    ///
    /// @return 0 if KVM has no such MSR here
    public long featureMsr(int index) {
        if (checkExtension(KvmCapability.GET_MSR_FEATURES) == 0) {
            return 0;
        }
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment table = MsrEntry.table(arena, List.of(new MsrEntry(index, 0)));
            int done = KvmIoctl.KVM_GET_MSRS.call(fd, table);
            return done == 0 ? 0 : MsrEntry.read(table, done).getFirst().data();
        }
    }

    /// KVM_GET_MSR_INDEX_LIST: the MSRs that belong to a vCPU's saved state.
    public int[] msrIndexList() {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment count = arena.allocate(VcpuStructs.KVM_MSR_LIST);
            int result = KvmIoctl.KVM_GET_MSR_INDEX_LIST.tryCall(fd, count);
            if (result < 0 && result != -Errno.E2BIG) {
                throw new KvmException("KVM_GET_MSR_INDEX_LIST", -result);
            }
            int n = count.get(ValueLayout.JAVA_INT, 0);
            MemorySegment list =
                    arena.allocate(VcpuStructs.KVM_MSR_LIST.byteSize() + n * 4L, Integer.BYTES);
            list.set(ValueLayout.JAVA_INT, 0, n);
            KvmIoctl.KVM_GET_MSR_INDEX_LIST.call(fd, list);
            return list.asSlice(VcpuStructs.KVM_MSR_LIST.byteSize()).toArray(ValueLayout.JAVA_INT);
        }
    }

    /// Closes the device; VMs stay open.
    @Override
    public void close() {
        fd.close();
    }

    private static String openHint(int errno) {
        return switch (errno) {
            case Errno.ENOENT, Errno.ENODEV ->
                    ": no KVM here; load kvm-intel or kvm-amd, and enable virtualization";
            case Errno.EACCES, Errno.EPERM ->
                    ": this user may not use KVM; add it to the group that owns the device";
            default -> "";
        };
    }
}
