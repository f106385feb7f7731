package io.xenemu.core.backend.net;

import com.google.common.primitives.ImmutableIntArray;
import io.xenemu.core.toolstack.Refused;
import io.xenemu.kvm.abi.Errno;
import io.xenemu.kvm.abi.KvmException;
import io.xenemu.kvm.file.IoVectors;
import io.xenemu.kvm.net.NetInterface;
import io.xenemu.kvm.net.Tap;
import io.xenemu.kvm.net.TapOffload;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.SequencedMap;
import java.util.Set;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.function.Consumer;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// The tap of one device, from when the device is attached until it is gone. Its cable is plugged in while the guest
/// is connected.
///
/// The service makes a tap of that name, for which it needs the right to; or it uses one that somebody has made for it,
/// and then changes nothing of it for which it has no right.
final class HostTap implements HostLink {
    private static final Logger log = LoggerFactory.getLogger(HostTap.class);

    /// The most frames that wait in the kernel for one queue of a guest: each queue of a tap has a ring of this length
    /// (`tun_attach` of drivers/net/tun.c). Frames of 64 KiB make this 16 MiB at worst, as long as a guest posts no
    /// pages, and at most for 10 s ([RxQueue]).
    private static final int QUEUE_LENGTH = 256;

    /// The address of the host's side that keeps a bridge from taking it as its own, as Xen's script sets it.
    private static final byte[] PORT_ADDRESS = {
        (byte) 0xfe, (byte) 0xff, (byte) 0xff, (byte) 0xff, (byte) 0xff, (byte) 0xff
    };

    private final TapNames names;
    private final NetInterface host;
    private final boolean several;
    private final boolean made;
    private final List<Tap> queues = new ArrayList<>();
    private boolean closed;

    /// Whether the log has that the tap is gone.
    private final AtomicBoolean told = new AtomicBoolean();

    private HostTap(TapNames names, NetInterface host, boolean several, boolean made, Tap first) {
        this.names = names;
        this.host = host;
        this.several = several;
        this.made = made;
        queues.add(first);
    }

    /// Opens a tap, and makes it if there is none of that name.
    ///
    /// @param names has the tap's name until [#close]
    /// @throws Refused if it cannot be had, or another device has it
    static HostTap open(String name, TapNames names) throws Refused {
        if (!NetInterface.isName(name)) {
            throw new Refused("an interface cannot have the name " + name);
        }
        if (!names.take(name)) {
            throw new Refused(name + " is in use by another device, or one that still ends");
        }
        HostTap opened = null;
        try {
            opened = opened(name, names);
            return opened;
        } finally {
            if (opened == null) {
                names.giveBack(name);
            }
        }
    }

    private static HostTap opened(String name, TapNames names) throws Refused {
        NetInterface host = new NetInterface(name);
        try {
            if (!host.exists()) {
                return new HostTap(names, host, true, true, Tap.make(name));
            }
            boolean several = true;
            Tap found;
            try {
                found = Tap.open(name, true);
            } catch (KvmException e) {
                if (e.errno() != Errno.EINVAL) {
                    throw e;
                }
                // Somebody has made it with one queue.
                several = false;
                found = Tap.open(name, false);
            }
            requireMadeForUs(found);
            return new HostTap(names, host, several, false, found);
        } catch (KvmException e) {
            throw new Refused(line(name, e));
        }
    }

    /// A tap that is not persistent lives by the queues that another process has open. One of ours would get frames of
    /// them.
    private static void requireMadeForUs(Tap found) throws Refused {
        boolean isOurs = false;
        try {
            isOurs = found.isPersistent();
        } finally {
            if (!isOurs) {
                found.close();
            }
        }
        if (!isOurs) {
            throw new Refused(found.name() + " is in use by another process");
        }
    }

    /// Takes a tap over that another process of this service has open. It is as that has left it.
    ///
    /// @param descriptors of its queues; taken over, also if this fails
    /// @throws Refused if they are not the tap's, or another device has it
    static HostTap received(String name, TapNames names, ImmutableIntArray descriptors)
            throws Refused {
        List<Tap> queues = new ArrayList<>();
        HostTap opened = null;
        boolean isOurs = names.take(name);
        try {
            for (int fd : descriptors.asList()) {
                queues.add(Tap.received(fd, name));
            }
            if (!isOurs || queues.isEmpty()) {
                throw new Refused(name + " is in use by another device, or has no queue");
            }
            Tap first = queues.getFirst();
            opened =
                    new HostTap(
                            names, new NetInterface(name), first.isOneOfSeveral(), false, first);
            opened.queues.addAll(queues.subList(1, queues.size()));
            return opened;
        } catch (KvmException e) {
            throw new Refused(line(name, e));
        } finally {
            if (opened == null) {
                queues.forEach(Tap::close);
            }
            if (opened == null && isOurs) {
                names.giveBack(name);
            }
        }
    }

    /// The descriptors of its queues, for another process.
    ImmutableIntArray descriptors() {
        return ImmutableIntArray.copyOf(queues.stream().mapToInt(Tap::fd));
    }

    private static String line(String name, KvmException e) {
        return switch (e.errno()) {
            case Errno.EPERM ->
                    "no right to make the tap %s: run as root, or make it with ip tuntap and name it with vifname="
                            .formatted(name);
            case Errno.EBUSY, Errno.EINVAL -> "%s is in use, or is no tap".formatted(name);
            case Errno.ENOENT, Errno.ENODEV, Errno.ENXIO ->
                    "the host has no taps: load the module tun";
            default -> String.valueOf(e.getMessage());
        };
    }

    String name() {
        return host.name();
    }

    /// Whether the service has made it.
    boolean isMade() {
        return made;
    }

    /// A tap that somebody has made with one queue can have no more.
    @Override
    public int maxQueues() {
        return several ? NetBackend.MAX_QUEUES : 1;
    }

    @Override
    public boolean takesSegments() {
        return true;
    }

    /// Makes the interface ready: its MTU, up, without a cable.
    ///
    /// @param mtu bytes
    void prepare(int mtu) throws Refused {
        queues.getFirst().carrier(false);
        if (made) {
            change("the queue's length", () -> host.queueLength(QUEUE_LENGTH));
            change("the address", () -> host.address(PORT_ADDRESS));
        }
        if (host.mtu() != mtu) {
            change("the MTU", () -> host.mtu(mtu));
        }
        if (!host.isUp()) {
            change("the state", host::up);
        }
    }

    /// Adds the interface to a bridge.
    void join(String bridge) throws Refused {
        if (!NetInterface.isName(bridge)) {
            throw new Refused("a bridge cannot have the name " + bridge);
        }
        try {
            new NetInterface(bridge).join(host);
        } catch (KvmException e) {
            throw new Refused(
                    switch (e.errno()) {
                        case Errno.ENODEV -> "there is no bridge " + bridge;
                        case Errno.EOPNOTSUPP -> bridge + " is no bridge";
                        case Errno.EBUSY -> host.name() + " is in another bridge";
                        default ->
                                "%s cannot join %s: %s".formatted(name(), bridge, e.getMessage());
                    });
        }
    }

    private void change(String what, Runnable call) throws Refused {
        try {
            call.run();
        } catch (KvmException e) {
            throw new Refused("%s of %s cannot be set: %s".formatted(what, name(), e.getMessage()));
        }
    }

    @Override
    public void connect(int count, Set<TapOffload> offloads) {
        while (queues.size() > count) {
            queues.removeLast().close();
        }
        while (queues.size() < count) {
            queues.add(Tap.open(name(), true));
        }
        queues.getFirst().offload(offloads);
    }

    @Override
    public int fd(int queue) {
        return queues.get(queue).fd();
    }

    @Override
    public FramePort port(int queue) {
        Tap tap = queues.get(queue);
        return new FramePort() {
            @Override
            public long send(IoVectors frame) {
                return tap.write(frame);
            }

            // The kernel drops a frame that it cannot keep.
            @Override
            public boolean canSend() {
                return true;
            }

            // The kernel has taken each frame at once.
            @Override
            public boolean flush() {
                return false;
            }

            @Override
            public long receive(IoVectors frame) {
                return tap.read(frame);
            }
        };
    }

    /// A tap that is gone has no cable.
    @Override
    public void carrier(boolean on) {
        try {
            queues.getFirst().carrier(on);
        } catch (KvmException e) {
            // A guest that connects again and again would fill the log.
            if (!told.getAndSet(true)) {
                log.warn("{}: {}", name(), e.getMessage());
            }
        }
    }

    /// A guest without a node takes its link for up (`io/netif.h`), as it is with a tap.
    @Override
    public Map<String, String> properties() {
        return Map.of();
    }

    /// There is no change.
    @Override
    public void follow(Consumer<SequencedMap<String, String>> changed) {}

    @Override
    public void disconnect() {
        carrier(false);
        while (queues.size() > 1) {
            queues.removeLast().close();
        }
    }

    @Override
    public void close() {
        if (!closed) {
            closed = true;
            queues.forEach(Tap::close);
            names.giveBack(name());
        }
    }
}
