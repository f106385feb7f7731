package io.xenemu.core.backend.net;

import static java.nio.charset.StandardCharsets.ISO_8859_1;

import io.xenemu.core.toolstack.PvDevice;
import io.xenemu.core.toolstack.Refused;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// A script that connects an interface to the host's network, called as xl calls it (libxl's
/// `libxl__get_hotplug_script_info`; Xen, docs/misc/vif-script). It finds the device's other values in XenStore.
///
/// @param path its file
/// @param device the device
/// @param vif the interface's name
/// @param netdev the node `gatewaydev`, or empty
record HotplugScript(Path path, PvDevice device, String vif, String netdev) {
    private static final Logger log = LoggerFactory.getLogger(HotplugScript.class);

    /// xl's limit (`LIBXL_HOTPLUG_TIMEOUT`).
    private static final Duration LIMIT = Duration.ofSeconds(40);

    /// Bytes of the script's words that an operator gets.
    private static final int SAID = 200;

    /// Runs it for a new device.
    ///
    /// @throws Refused if it fails, with its last words
    void online() throws Refused {
        run("online");
    }

    /// Runs it for a device that goes.
    void offline() throws Refused {
        run("offline");
    }

    private void run(String command) throws Refused {
        @Nullable Path said = null;
        try {
            said = Files.createTempFile("vif-script", ".log");
            ProcessBuilder builder =
                    new ProcessBuilder(path.toString(), command, "type_if=vif")
                            .redirectErrorStream(true)
                            .redirectInput(Path.of("/dev/null").toFile())
                            .redirectOutput(said.toFile());
            builder.environment()
                    .putAll(
                            Map.of(
                                    "script",
                                    path.toString(),
                                    "XENBUS_TYPE",
                                    "vif",
                                    "XENBUS_PATH",
                                    device.backendPath().substring("/local/domain/0/".length()),
                                    "XENBUS_BASE_PATH",
                                    "backend",
                                    "netdev",
                                    netdev,
                                    "vif",
                                    vif));
            Process process = builder.start();
            if (!hasEnded(process)) {
                process.destroyForcibly();
                throw new Refused(
                        "%s %s has not ended within %d s"
                                .formatted(path, command, LIMIT.toSeconds()));
            }
            if (process.exitValue() != 0) {
                throw new Refused(
                        "%s %s has failed with %d: %s"
                                .formatted(path, command, process.exitValue(), lastWords(said)));
            }
        } catch (IOException e) {
            throw new Refused("%s cannot be run: %s".formatted(path, e.getMessage()));
        } finally {
            delete(said);
        }
    }

    /// An interruption is as the limit.
    private static boolean hasEnded(Process process) {
        try {
            return process.waitFor(LIMIT.toSeconds(), TimeUnit.SECONDS);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            return false;
        }
    }

    private static String lastWords(Path said) throws IOException {
        String words = Files.readString(said, ISO_8859_1).strip();
        String last = words.substring(Math.max(0, words.length() - SAID));
        return last.replaceAll("[^ -~]+", " ");
    }

    private static void delete(@Nullable Path said) {
        try {
            if (said != null) {
                Files.deleteIfExists(said);
            }
        } catch (IOException e) {
            log.warn("{} cannot be deleted: {}", said, e.getMessage());
        }
    }
}
