package io.xenemu.core.web;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.xenemu.core.hypervisor.HostException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Instant;
import java.util.Optional;
import java.util.concurrent.atomic.AtomicReference;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// The file of tokens, and sessions.
final class AccessTokensTest {
    @TempDir private Path folder = Path.of("");

    @Test
    void firstStartMakesAFileForTheUserAlone() throws Exception {
        Path file = folder.resolve("new/tokens");
        AccessTokens made = AccessTokens.of(file);
        assertTrue(made.isNew());
        assertEquals(
                "rw-------", PosixFilePermissions.toString(Files.getPosixFilePermissions(file)));
        assertNotEquals(made.token(Role.READER), made.token(Role.OPERATOR));
        AccessTokens again = AccessTokens.of(file);
        assertFalse(again.isNew());
        for (Role role : Role.values()) {
            assertEquals(Optional.of(role), again.role(made.token(role)));
        }
        assertEquals(Optional.empty(), again.role(""));
    }

    @Test
    void fileThatOthersMayReadIsRefused() throws Exception {
        Path file = folder.resolve("tokens");
        AccessTokens.of(file);
        Files.setPosixFilePermissions(file, PosixFilePermissions.fromString("rw-r-----"));
        assertThrows(HostException.class, () -> AccessTokens.of(file));
    }

    @Test
    void shortAndMissingTokensAreRefused() throws Exception {
        Path file = folder.resolve("tokens");
        AccessTokens.of(file);
        Files.writeString(file, "reader x\noperator y\n");
        assertThrows(HostException.class, () -> AccessTokens.of(file));
        Files.writeString(file, "operator " + "y".repeat(32) + "\n");
        assertThrows(HostException.class, () -> AccessTokens.of(file));
    }

    @Test
    void sessionsEnd() {
        AtomicReference<Instant> now = new AtomicReference<>(Instant.EPOCH);
        Sessions sessions = new Sessions(now::get);
        String secret = sessions.begin(Role.READER);
        assertEquals(Optional.of(Role.READER), sessions.role(secret));
        now.set(Instant.EPOCH.plus(Sessions.LIFE));
        assertEquals(Optional.empty(), sessions.role(secret));
    }

    @Test
    void oldestSessionMakesRoom() {
        Sessions sessions = new Sessions(() -> Instant.EPOCH);
        String first = sessions.begin(Role.READER);
        for (int i = 0; i < Sessions.MAX; i++) {
            assertEquals(Optional.of(Role.OPERATOR), sessions.role(sessions.begin(Role.OPERATOR)));
        }
        assertEquals(Optional.empty(), sessions.role(first));
    }
}
