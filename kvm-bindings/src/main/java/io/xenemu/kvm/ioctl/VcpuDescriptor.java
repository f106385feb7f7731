package io.xenemu.kvm.ioctl;

/// A vCPU's descriptor.
public interface VcpuDescriptor extends KvmDescriptor {
    /// KVM_RUN. Does not allocate.
    ///
    /// @return 0 or more for an exit; less for a failure, of which [#runAgain] tells the errno
    int run();

    /// KVM_RUN, with the errno of a failure.
    ///
    /// @return 0 or more for an exit, else the negated errno
    int runAgain();

    /// Makes KVM_RUN return EINTR: at once if the vCPU is in the guest, else at its next call. Any thread may call
    /// this.
    void kick();
}
