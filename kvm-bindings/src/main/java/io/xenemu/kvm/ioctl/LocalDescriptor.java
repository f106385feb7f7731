package io.xenemu.kvm.ioctl;

import io.xenemu.kvm.libc.Libc;
import io.xenemu.kvm.libc.OwnedFd;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/// A descriptor of this process.
record LocalDescriptor(OwnedFd fd) implements KvmDescriptor {
    @Override
    public int ioctl(long request, long argument) {
        return Libc.ioctl(fd.number(), request, argument);
    }

    @Override
    public int ioctl(long request, MemorySegment argument) {
        return Libc.ioctl(fd.number(), request, argument);
    }

    @Override
    public int ioctl(long request, MemorySegment argument, Link... links) {
        for (Link link : links) {
            switch (link) {
                case Link.Address(long at, MemorySegment memory) ->
                        argument.set(ValueLayout.JAVA_LONG, at, memory.address());
                case Link.Descriptor _ -> {}
            }
        }
        return Libc.ioctl(fd.number(), request, argument);
    }

    @Override
    public void close() {
        fd.close();
    }
}
