package io.xenemu.core.guest;

import io.xenemu.core.boot.BootException;
import io.xenemu.core.boot.KeptBootFiles;
import io.xenemu.core.device.HostConsole;
import io.xenemu.core.domain.DomainConfig;
import io.xenemu.core.domain.DomainTies;
import io.xenemu.core.host.Teardown;
import io.xenemu.core.hypervisor.DomainDriver;
import io.xenemu.core.hypervisor.Hypervisor;
import io.xenemu.core.machine.DomainSource;
import io.xenemu.core.toolstack.Refused;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/// A saved guest that is being restored: one guest of a [SavedStream]. The contents of the guest's kernel and modules
/// stay until [#close], for its reboots.
final class GuestImage implements DomainImage {
    private final SavedStream stream;
    private final GuestRequest saved;
    private final GuestRequest request;
    private final KeptBootFiles files;

    /// @param saved the request of the saved guest, with the contents of `files`
    /// @param request that of its clone, or the same
    GuestImage(SavedStream stream, GuestRequest saved, GuestRequest request, KeptBootFiles files) {
        this.stream = stream;
        this.saved = saved;
        this.request = request;
        this.files = files;
    }

    /// The guest's request, with the contents of its files.
    @Override
    public GuestRequest request() {
        return request;
    }

    /// Builds the guest's domain, connected to XenStore and its console as it was, and waits for the other guests of
    /// its stream. It is not started. The last guest of a stream can be seen only when all of the stream was read and
    /// checked; of several, all others end if that fails.
    @Override
    public GuestBoot restore(
            Hypervisor hypervisor,
            DomainDriver orders,
            @Nullable HostConsole console,
            @Nullable HostConsole serial)
            throws BootException {
        try (DomainSource.Prepared prepared = stream.prepare(hypervisor, request.config().name())) {
            if (stream.isLive()) {
                stream.awaitTurn(this);
            }
            SavedGuest state = read(hypervisor);
            GuestBoot boot =
                    GuestBoot.restore(
                            hypervisor,
                            prepared,
                            state,
                            isClone() ? request.config() : null,
                            stream.contents(request.config().name()),
                            stream.clock(),
                            orders,
                            console,
                            serial);
            stream.serves(boot.domain());
            if (stream.isLive()) {
                boot.incoming();
            }
            if (stream.isOfService()) {
                boot.stays();
            }
            awaitOthers(boot, state);
            boot.arrived();
            return boot;
        } catch (UncheckedIOException e) {
            throw new BootException(stream.reason(Objects.requireNonNull(e.getCause())));
        } catch (IOException e) {
            throw new BootException(stream.reason(e));
        } catch (Refused e) {
            throw new BootException(e.reason());
        }
    }

    private boolean isClone() {
        return !request.equals(saved);
    }

    private SavedGuest read(Hypervisor hypervisor) throws IOException, Refused {
        SavedGuest state = SavedGuest.read(stream.state());
        DomainConfig config = state.xen().config();
        SavedStream.require(
                state.xen().id().equals(saved.domid())
                        && config.name().equals(saved.config().name())
                        && config.uuid().equals(saved.config().uuid()),
                "its state is that of another guest");
        return isClone() ? state.forClone(hypervisor.devices()) : state;
    }

    private void awaitOthers(GuestBoot boot, SavedGuest state) throws BootException {
        try {
            stream.gate().add(new DomainTies.Restored(boot.domain(), state.domain()));
            stream.gate().pass();
        } catch (BootException e) {
            Teardown made = new Teardown();
            made.add(boot::remove);
            made.closeAfter(e);
            throw e;
        }
    }

    @Override
    public long heldBytes() {
        return stream.heldBytes(request.config().name());
    }

    @Override
    public void cancel() {
        stream.cancel();
    }

    @Override
    public void close() {
        stream.gate().ended(this);
        files.close();
    }
}
