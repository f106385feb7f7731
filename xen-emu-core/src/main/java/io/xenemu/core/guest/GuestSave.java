package io.xenemu.core.guest;

import io.xenemu.core.boot.BootModule;
import io.xenemu.core.boot.KeptBootFiles;
import io.xenemu.core.domain.BlockedException;
import io.xenemu.core.domain.Domain;
import io.xenemu.core.domain.DomainConfig;
import io.xenemu.core.domain.PartState;
import io.xenemu.core.domain.StuckException;
import io.xenemu.core.domain.XenState;
import io.xenemu.core.hypervisor.DomainOrder;
import io.xenemu.core.hypervisor.Hypervisor;
import io.xenemu.core.migration.BootFile;
import io.xenemu.core.migration.GuestSummary;
import io.xenemu.core.migration.PageEncoding;
import io.xenemu.core.migration.RamSource;
import io.xenemu.core.migration.SaveWriter;
import io.xenemu.core.toolstack.Refused;
import io.xenemu.kvm.abi.IoReason;
import io.xenemu.kvm.abi.KvmException;
import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.Map;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// One save of a guest. What needs no state of the guest, such as the contents of its kernel, is written before the
/// guest stops.
///
/// @param request for the guest's boots
/// @param wanted what an operator wants
/// @param boot the guest now
record GuestSave(
        Hypervisor hypervisor,
        GuestInbox inbox,
        GuestRequest request,
        DriverRequest.Save wanted,
        GuestBoot boot) {
    private static final Logger log = LoggerFactory.getLogger(GuestSave.class);

    /// Saves the guest, which then goes on, or is paused, or has been shut down.
    ///
    /// @return the bytes that were written
    /// @throws Refused if that cannot be done; the guest goes on
    long run() throws Refused {
        try (SaveTarget target = SaveTarget.open(wanted.place())) {
            inbox.cancelWith(() -> cancel(target));
            long bytes = write(target);
            if (wanted.then() == DomainOrder.Then.GO_ON) {
                target.complete();
            }
            return bytes;
        } catch (BlockedException e) {
            throw new Refused(name() + " cannot be saved: " + e.getMessage());
        } catch (StuckException e) {
            throw new Refused(name() + " cannot be stopped: " + e.getMessage());
        } catch (IOException e) {
            throw inbox.isDestroyed() || wanted.progress().isCancelled()
                    ? givenUp()
                    : new Refused(wanted.place().path() + ": " + IoReason.withoutFile(e));
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw givenUp();
        } finally {
            inbox.cancelWith(null);
        }
    }

    private String name() {
        return boot.domain().config().name();
    }

    private Refused givenUp() {
        return inbox.isDestroyed()
                ? Refusal.DESTROYED.of(name())
                : new Refused("the save of " + name() + " was given up");
    }

    /// Ends the save on another thread, also if its reader does not read.
    private void cancel(SaveTarget target) {
        wanted.progress().cancel();
        try {
            target.close();
        } catch (IOException e) {
            log.debug("{}: {}", boot.domain(), e.toString());
        }
    }

    private long write(SaveTarget target)
            throws IOException, Refused, BlockedException, InterruptedException {
        SaveWriter writer = new SaveWriter(target.channel(), PageEncoding.ZSTD);
        describe(writer);
        Domain domain = boot.domain();
        awaitMemory(domain);
        Map<String, PartState> states = domain.parts().quiesceAndSave();
        long stopped = System.nanoTime();
        boolean leaves = false;
        try {
            writer.state(XenState.write(states));
            long _ = writer.ram(RamSource.of(domain.memory()), wanted.progress());
            long bytes = writer.end();
            if (wanted.then() != DomainOrder.Then.GO_ON) {
                target.complete();
            }
            if (domain.shutdownLatch().get() != null) {
                throw givenUp();
            }
            switch (wanted.then()) {
                case END -> {
                    leaves = true;
                    boot.leave();
                }
                case GO_ON -> {}
                case STAY_PAUSED -> domain.pause();
            }
            return bytes;
        } finally {
            if (!leaves) {
                domain.parts().resume();
                hypervisor.saveMetrics().stoodStill(Duration.ofNanos(System.nanoTime() - stopped));
            }
        }
    }

    /// Waits for memory that still comes, before the guest stops.
    private static void awaitMemory(Domain domain) throws IOException {
        try {
            domain.memory().awaitAll();
        } catch (KvmException e) {
            throw new IOException(e.getMessage(), e);
        }
    }

    private void describe(SaveWriter writer) throws IOException, Refused {
        Domain domain = boot.domain();
        DomainConfig config = domain.config();
        writer.guest(
                new GuestSummary(
                        config.name(),
                        domain.id(),
                        config.uuid(),
                        config.vcpus(),
                        config.maxMemoryBytes(),
                        Instant.now()),
                GuestRequestCodec.VERSION,
                GuestRequestCodec.encode(domain.id(), request));
        KeptBootFiles kept = request.kept();
        if (kept == null) {
            file(writer, BootFile.Role.KERNEL, request.kernel().toString());
            for (String module : request.modules()) {
                file(writer, BootFile.Role.MODULE, BootModule.file(module));
            }
            return;
        }
        BootFile.Role role = BootFile.Role.KERNEL;
        for (KeptBootFiles.Kept file : kept.files()) {
            writer.file(role, file.path(), file.content(), true);
            role = BootFile.Role.MODULE;
        }
    }

    /// Writes a file of this host.
    private static void file(SaveWriter writer, BootFile.Role role, String path)
            throws IOException, Refused {
        FileChannel content;
        try {
            content = FileChannel.open(Path.of(path));
        } catch (IOException e) {
            throw new Refused(path + ": " + IoReason.withoutFile(e));
        }
        try (content) {
            writer.file(role, path, content, true);
        }
    }
}
