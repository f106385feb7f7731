package io.xenemu.kvm.ioctl;

import io.xenemu.kvm.libc.KickSignal;
import io.xenemu.kvm.libc.Libc;
import io.xenemu.kvm.libc.OwnedFd;
import java.lang.foreign.MemorySegment;

/// A vCPU's descriptor of this process. One thread runs the vCPU.
final class LocalVcpuDescriptor implements VcpuDescriptor {
    private static final long KVM_RUN = KvmIoctl.KVM_RUN.request();

    private final OwnedFd fd;
    private final LocalDescriptor descriptor;
    private final KvmRun run;

    /// The kernel id of that thread; 0 until its first KVM_RUN.
    private volatile int thread;

    LocalVcpuDescriptor(OwnedFd fd, KvmRun run) {
        this.fd = fd;
        this.descriptor = new LocalDescriptor(fd);
        this.run = run;
    }

    @Override
    public int run() {
        if (thread == 0) {
            thread = Libc.gettid();
        }
        return Libc.ioctlWithoutErrno(fd.number(), KVM_RUN, 0);
    }

    /// Repeats the failed call, to learn the reason. The pending exit is complete by now, and a request for immediate
    /// exit still stands. A guest that went no further fails once more, or goes on.
    @Override
    public int runAgain() {
        if (thread == 0) {
            thread = Libc.gettid();
        }
        return Libc.ioctl(fd.number(), KVM_RUN, 0);
    }

    @Override
    public void kick() {
        // The order matters: a thread that has not published its id yet, or is not in KVM_RUN yet,
        // will see the request.
        run.requestImmediateExit();
        int target = thread;
        if (target != 0) {
            KickSignal.send(target);
        }
    }

    @Override
    public int ioctl(long request, long argument) {
        return descriptor.ioctl(request, argument);
    }

    @Override
    public int ioctl(long request, MemorySegment argument) {
        return descriptor.ioctl(request, argument);
    }

    @Override
    public int ioctl(long request, MemorySegment argument, Link... links) {
        return descriptor.ioctl(request, argument, links);
    }

    @Override
    public void close() {
        descriptor.close();
    }
}
