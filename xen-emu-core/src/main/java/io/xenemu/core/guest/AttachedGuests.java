package io.xenemu.core.guest;

import com.google.common.base.Splitter;
import com.google.common.collect.Sets;
import io.xenemu.core.boot.MachineLayout;
import io.xenemu.core.domain.DomainConfig;
import io.xenemu.core.toolstack.Refused;
import io.xenemu.kvm.abi.Errno;
import io.xenemu.kvm.abi.KvmException;
import io.xenemu.kvm.attach.AttachConnection;
import io.xenemu.kvm.attach.AttachMessage;
import io.xenemu.kvm.attach.AttachedVm;
import io.xenemu.kvm.memory.MemFd;
import io.xenemu.kvm.socket.MessageSocket;
import io.xenemu.kvm.wire.WireException;
import java.io.IOException;
import java.util.List;
import java.util.Set;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// The guests of attached VMMs. Each has a thread for its VMM's messages beside its driver.
public final class AttachedGuests {
    private static final Logger log = LoggerFactory.getLogger(AttachedGuests.class);
    private static final Splitter LINES = Splitter.on('\n').omitEmptyStrings();

    /// How long the service and a VMM poll for a vCPU before they sleep.
    public static final int POLL_MICROS = 50;

    /// Settings that the VMM's machine decides.
    static final Set<GuestSetting> OF_THE_MACHINE =
            Sets.union(
                            Set.of(
                                    GuestSetting.KERNEL,
                                    GuestSetting.RAMDISK,
                                    GuestSetting.CMDLINE,
                                    GuestSetting.FIRMWARE,
                                    GuestSetting.MEMORY,
                                    GuestSetting.MAXMEM,
                                    GuestSetting.VCPUS,
                                    GuestSetting.MAXVCPUS,
                                    GuestSetting.DEVICE_MODEL),
                            DeviceModelConfig.SETTINGS)
                    .immutableCopy();

    /// Whoever has started a VMM. It is told of the VMM's guest on the thread that serves the VMM.
    interface Starter {
        /// Of a VMM that an operator has started.
        Starter OPERATOR =
                new Starter() {
                    @Override
                    public boolean pauses() {
                        return false;
                    }

                    @Override
                    public void begun(HostedGuest guest) {
                        // It is in the list of guests.
                    }

                    @Override
                    public void refused(String reason) {
                        // The VMM says it.
                    }

                    @Override
                    public void lost() {
                        // It knows.
                    }
                };

        /// Whether the guest begins paused.
        boolean pauses();

        /// The guest has begun.
        void begun(HostedGuest guest);

        /// The VMM was refused something.
        void refused(String reason);

        /// The VMM has gone while its guest ran.
        void lost();
    }

    private final HostedGuests guests;
    private final int spinMicros;

    /// @param spinMicros how long the service and a VMM poll for a vCPU before they sleep
    public AttachedGuests(HostedGuests guests, int spinMicros) {
        this.guests = guests;
        this.spinMicros = spinMicros;
    }

    /// Serves a VMM until it has gone.
    ///
    /// @param socket closed at the end
    public void serve(MessageSocket socket) {
        serve(socket, Starter.OPERATOR);
    }

    /// As [#serve(MessageSocket)].
    ///
    /// @param starter of the VMM
    void serve(MessageSocket socket, Starter starter) {
        try (AttachConnection connection = new AttachConnection(socket);
                Session session = new Session(connection, starter)) {
            connection.receive(session);
        } catch (IOException e) {
            log.warn("an attached VMM is given up: {}", e.getMessage());
        }
    }

    /// One VMM.
    private final class Session implements AttachConnection.Requests, AutoCloseable {
        private final AttachConnection connection;
        private final Starter starter;
        private final AttachedVm vm;
        private @Nullable GuestSettings settings;
        private @Nullable AttachedImage image;
        private @Nullable HostedGuest guest;

        Session(AttachConnection connection, Starter starter) {
            this.connection = connection;
            this.starter = starter;
            vm = new AttachedVm(connection, spinMicros);
        }

        @Override
        public void asked(int tag, AttachMessage message, int descriptor) throws WireException {
            try {
                requireHello(message, descriptor);
                carryOut(tag, message, descriptor);
            } catch (Refused | WrongSetting | IllegalArgumentException e) {
                refuse(tag, Errno.EINVAL, e);
            } catch (KvmException e) {
                refuse(tag, e.errno(), e);
            }
        }

        private void refuse(int tag, int errno, Exception cause) {
            String reason = String.valueOf(cause.getMessage());
            starter.refused(reason);
            connection.refuse(tag, errno, reason);
        }

        /// @param descriptor closed if there was no hello
        private void requireHello(AttachMessage message, int descriptor) throws WireException {
            if (settings == null && !(message instanceof AttachMessage.Hello)) {
                AttachedVm.refuse(descriptor);
                throw new WireException("it has not said hello");
            }
        }

        /// @param descriptor closed if a guest cannot have its memory there
        private static void requireLayout(AttachMessage.Ram memory, int descriptor) throws Refused {
            try {
                MachineLayout _ = AttachedImage.layout(memory);
            } catch (IllegalArgumentException e) {
                AttachedVm.refuse(descriptor);
                throw new Refused(String.valueOf(e.getMessage()));
            }
        }

        private void carryOut(int tag, AttachMessage message, int descriptor)
                throws WireException, Refused, WrongSetting {
            switch (message) {
                case AttachMessage.Hello hello -> hello(tag, hello);
                case AttachMessage.Ram memory -> {
                    requireLayout(memory, descriptor);
                    vm.memory(memory, descriptor);
                    connection.done(tag);
                }
                case AttachMessage.Vcpu vcpu -> {
                    if (image != null) {
                        AttachedVm.refuse(descriptor);
                        throw new Refused("a vCPU of a machine that has started");
                    }
                    MemFd exchange = vm.add(vcpu, descriptor);
                    connection.done(tag, exchange.fd());
                }
                case AttachMessage.Start _ -> start(tag);
                case AttachMessage.Reset _ -> reset(tag);
            }
        }

        private void hello(int tag, AttachMessage.Hello hello) throws WireException, Refused {
            if (settings != null) {
                throw new WireException("it says hello again");
            }
            if (hello.version() != AttachConnection.VERSION) {
                throw new Refused(
                        "the VMM speaks version %d of the protocol, the service %d"
                                .formatted(hello.version(), AttachConnection.VERSION));
            }
            GuestSettings given = GuestSettings.of(LINES.splitToList(hello.settings()));
            for (GuestSetting setting : given.values().keySet()) {
                if (OF_THE_MACHINE.contains(setting)) {
                    throw new Refused(setting.key() + ": the VMM's machine has that");
                }
            }
            settings = given;
            connection.welcome(tag);
        }

        private void start(int tag) throws Refused, WrongSetting {
            AttachedImage known = image;
            if (known == null) {
                known = begin();
            }
            known.started(tag);
        }

        /// Makes the guest.
        private AttachedImage begin() throws Refused, WrongSetting {
            AttachMessage.Ram memory = vm.ranges();
            GuestSettings given = settings;
            int vcpus = vm.vcpus().size();
            if (memory == null || given == null || vcpus == 0) {
                throw new Refused("a machine without memory or without vCPUs");
            }
            GuestRequest request =
                    given.with(GuestSetting.KERNEL, List.of("/"))
                            .with(GuestSetting.VCPUS, List.of(Integer.toString(vcpus)))
                            .request();
            DomainConfig config = request.config().ofMemory(memory.bytes());
            AttachedImage made =
                    new AttachedImage(request.withConfig(config), connection, vm, memory);
            HostedGuest hosted = guests.add(made, starter.pauses());
            image = made;
            guest = hosted;
            hosted.begin();
            starter.begun(hosted);
            log.info("{}: a VMM has attached its machine", config.name());
            return made;
        }

        private void reset(int tag) {
            AttachedImage known = image;
            if (known == null) {
                connection.done(tag);
            } else {
                known.reset(tag);
            }
        }

        /// Ends the guest: its VMM has gone.
        @Override
        public void close() {
            AttachedImage known = image;
            HostedGuest hosted = guest;
            if (known != null && hosted != null) {
                if (known.isRunning()) {
                    starter.lost();
                }
                known.cancel();
                hosted.destroy();
                try {
                    hosted.awaitEnd();
                } catch (InterruptedException e) {
                    Thread.currentThread().interrupt();
                }
            }
            vm.close();
        }
    }
}
