package io.xenemu.core.web;

import static java.nio.charset.StandardCharsets.UTF_8;

import com.google.common.base.Splitter;
import io.xenemu.core.hypervisor.HostException;
import io.xenemu.kvm.abi.IoReason;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.SeekableByteChannel;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.PosixFilePermission;
import java.nio.file.attribute.PosixFilePermissions;
import java.security.MessageDigest;
import java.security.SecureRandom;
import java.util.Base64;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;

/// The two tokens by which somebody shows that he may use the page: one for readers, one for operators. They are in a
/// file that only the user of this process can read, a word for the role and the token in each line.
public final class AccessTokens {
    /// Bytes of a token, too many to be guessed.
    private static final int BYTES = 32;

    private static final Set<PosixFilePermission> OWNER_ALONE =
            Set.of(PosixFilePermission.OWNER_READ, PosixFilePermission.OWNER_WRITE);

    private final Map<Role, String> tokens;
    private final boolean isNew;

    private AccessTokens(Map<Role, String> tokens, boolean isNew) {
        this.tokens = tokens;
        this.isNew = isNew;
    }

    /// The tokens of a file, which is made with new ones if there is none.
    ///
    /// @throws HostException if it cannot be read or made, or others could read it
    public static AccessTokens of(Path file) throws HostException {
        try {
            return read(file);
        } catch (NoSuchFileException e) {
            return create(file);
        } catch (IOException e) {
            throw new HostException("tokens: " + file + ": " + IoReason.of(e), e);
        }
    }

    private static AccessTokens read(Path file) throws IOException, HostException {
        if (!OWNER_ALONE.containsAll(Files.getPosixFilePermissions(file))) {
            throw new HostException("tokens: others may use " + file + ": its mode has to be 0600");
        }
        Map<Role, String> found = new EnumMap<>(Role.class);
        for (String line : Files.readAllLines(file)) {
            List<String> words = Splitter.on(' ').splitToList(line);
            for (Role role : Role.values()) {
                if (words.size() == 2 && words.getFirst().equals(role.word())) {
                    found.put(role, words.get(1));
                }
            }
        }
        for (Role role : Role.values()) {
            // A short one could be guessed.
            if (found.getOrDefault(role, "").length() < BYTES) {
                throw new HostException(
                        "tokens: %s has no line '%s TOKEN' with %d characters"
                                .formatted(file, role.word(), BYTES));
            }
        }
        return new AccessTokens(found, false);
    }

    private static AccessTokens create(Path file) throws HostException {
        Map<Role, String> made = new EnumMap<>(Role.class);
        StringBuilder text = new StringBuilder();
        for (Role role : Role.values()) {
            String token = random();
            made.put(role, token);
            text.append(role.word()).append(' ').append(token).append('\n');
        }
        try {
            Path folder = file.toAbsolutePath().getParent();
            if (folder != null) {
                Files.createDirectories(
                        folder,
                        PosixFilePermissions.asFileAttribute(
                                PosixFilePermissions.fromString("rwx------")));
            }
            Set<StandardOpenOption> options =
                    Set.of(StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE);
            try (SeekableByteChannel out =
                    Files.newByteChannel(
                            file, options, PosixFilePermissions.asFileAttribute(OWNER_ALONE))) {
                ByteBuffer bytes = UTF_8.encode(text.toString());
                while (bytes.hasRemaining()) {
                    out.write(bytes);
                }
            }
        } catch (IOException e) {
            throw new HostException("tokens: " + file + ": " + IoReason.of(e), e);
        }
        return new AccessTokens(made, true);
    }

    /// A new secret, as text for a header or an address.
    static String random() {
        byte[] bytes = new byte[BYTES];
        new SecureRandom().nextBytes(bytes);
        return Base64.getUrlEncoder().withoutPadding().encodeToString(bytes);
    }

    /// Whether the file has been made now, so that nobody knows the tokens yet.
    public boolean isNew() {
        return isNew;
    }

    /// The token of a role.
    public String token(Role role) {
        return tokens.getOrDefault(role, "");
    }

    /// The role of somebody who shows a token. Takes as long for each wrong one.
    Optional<Role> role(String shown) {
        Optional<Role> found = Optional.empty();
        byte[] bytes = shown.getBytes(UTF_8);
        for (Role role : Role.values()) {
            if (MessageDigest.isEqual(token(role).getBytes(UTF_8), bytes)) {
                found = Optional.of(role);
            }
        }
        return found;
    }
}
