package io.xenemu.core.hypervisor;

import io.xenemu.core.machine.DomainBuilder;
import io.xenemu.kvm.abi.KvmException;
import io.xenemu.kvm.ioctl.KvmCapability;
import io.xenemu.kvm.ioctl.KvmSystem;
import io.xenemu.kvm.ioctl.XenCapability;
import java.util.EnumSet;

/// The host's KVM, checked for the capabilities that this service needs.
///
/// @param system the open device
/// @param capabilities the parts of Xen that it emulates
public record HostKvm(KvmSystem system, EnumSet<XenCapability> capabilities)
        implements AutoCloseable {
    /// Opens the device.
    ///
    /// @throws HostException if there is none, it may not be used, or its Xen interface is missing or too old
    public static HostKvm open() throws HostException {
        KvmSystem system;
        try {
            system = KvmSystem.open(KvmSystem.DEVICE);
        } catch (KvmException e) {
            throw new HostException(KvmSystem.DEVICE + ": " + e.getMessage(), e);
        }
        try {
            EnumSet<XenCapability> capabilities = system.xenCapabilities();
            if (!capabilities.containsAll(DomainBuilder.REQUIRED)) {
                throw new HostException(
                        capabilities.isEmpty()
                                ? "this kernel's KVM has no Xen support (CONFIG_KVM_XEN): Debian's kernels have it from 6.12"
                                        + " on; 'run' and 'demo' do without, in the lab"
                                : "this kernel's Xen support in KVM is too old: it has only "
                                        + capabilities);
            }
            if (system.checkExtension(KvmCapability.SYNC_REGS) == 0) {
                throw new HostException("this kernel's KVM has no KVM_CAP_SYNC_REGS");
            }
            return new HostKvm(system, capabilities);
        } catch (HostException e) {
            system.close();
            throw e;
        }
    }

    /// Whether [#open] would succeed.
    public static boolean isUsable() {
        try {
            open().close();
            return true;
        } catch (HostException e) {
            return false;
        }
    }

    @Override
    public void close() {
        system.close();
    }
}
