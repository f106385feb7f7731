/// All byte-level contracts with the outside: KVM's uapi, libc calls, guest memory, the Xen ABI basics that all
/// modules share, the framing of saved state, files of the host, threads that wait, and the sockets of a service. Only
/// this module calls restricted methods of `java.lang.foreign`.
@SuppressWarnings("module") // core, the one reader of ioctl, is built later
module io.xenemu.kvm {
    requires com.google.common;
    requires jdk.net;
    requires static org.jspecify;

    exports io.xenemu.kvm.abi;
    exports io.xenemu.kvm.abi.xen;
    exports io.xenemu.kvm.attach to
            io.xenemu.core;
    exports io.xenemu.kvm.file;
    exports io.xenemu.kvm.ioctl to
            io.xenemu.core;
    exports io.xenemu.kvm.iohub;
    exports io.xenemu.kvm.memory;
    exports io.xenemu.kvm.net to
            io.xenemu.core;
    exports io.xenemu.kvm.socket;
    exports io.xenemu.kvm.thread;
    exports io.xenemu.kvm.wire;
}
