package io.xenemu.xenstore.persist;

import io.micrometer.core.instrument.simple.SimpleMeterRegistry;
import io.xenemu.kvm.wire.WireException;
import io.xenemu.xenstore.tree.Node;
import io.xenemu.xenstore.tree.Path;
import io.xenemu.xenstore.tree.Permissions;
import io.xenemu.xenstore.tree.TreeDifference;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.Map;
import java.util.TreeMap;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/// A store to be kept: small changes by number, and what it holds as text.
final class ImageSource implements Supplier<StoreImage> {
    private static final String[] NAMES = {"a", "b", "a-b", "Aa", "BB"};

    private final RestoredImage image = new RestoredImage();
    private long generation;

    ImageSource() {
        image.special(Permissions.DOM0_ONLY, Permissions.DOM0_ONLY);
    }

    @Override
    public StoreImage get() {
        StoreImage now = image.image();
        if (now == null) {
            throw new IllegalStateException("has its permissions");
        }
        return now;
    }

    /// Makes one change, which depends on the number alone: writes a node with the missing ones above, removes one, or
    /// sets the permissions of a special watch.
    void change(int number) {
        int n = Math.abs(number % 1_000_000);
        Path path = Path.of("/" + NAMES[n % 5] + (n % 3 == 0 ? "" : "/" + NAMES[n / 5 % 5]));
        try {
            switch (n % 7) {
                case 0 -> remove(path);
                case 1 -> image.special(Permissions.of("n0", "r" + n % 100), Permissions.of("b0"));
                default -> write(path, n % 11 == 0 ? "" : "v" + n, Permissions.of("n" + n % 4));
            }
        } catch (WireException e) {
            throw new IllegalStateException(e);
        }
    }

    private void remove(Path path) throws WireException {
        if (get().root().find(path) != null) {
            image.remove(path);
        }
    }

    void write(Path path, String value, Permissions permissions) throws WireException {
        for (int depth = 1; depth <= path.depth(); depth++) {
            Path at = path.prefix(depth);
            Node known = get().root().find(at);
            boolean last = depth == path.depth();
            if (known == null || last) {
                long ordinal = known == null ? ++generation : known.ordinal();
                byte[] bytes = (last ? value : "").getBytes(StandardCharsets.ISO_8859_1);
                image.put(at, bytes, permissions, ordinal, ++generation);
            }
        }
    }

    /// All that is kept, node by node; null for nothing.
    static @Nullable String text(@Nullable StoreImage image) {
        if (image == null) {
            return null;
        }
        Map<String, String> nodes = new TreeMap<>();
        TreeDifference.between(
                null,
                image.root(),
                new TreeDifference.Changes() {
                    @Override
                    public void put(byte[] path, Node node) {
                        nodes.put(
                                latin(path),
                                latin(node.value())
                                        + " "
                                        + node.permissions()
                                        + " "
                                        + latin(node.children().listing()).replace('\0', ','));
                    }

                    @Override
                    public void removed(byte[] path) {
                        throw new IllegalStateException("there was nothing before");
                    }
                });
        return nodes + " " + image.introduce() + " " + image.release();
    }

    private static String latin(byte[] bytes) {
        return new String(bytes, StandardCharsets.ISO_8859_1);
    }

    static JournalMetrics metrics() {
        return new JournalMetrics(new SimpleMeterRegistry());
    }

    /// The store that a file holds.
    static @Nullable String recovered(java.nio.file.Path file) throws IOException {
        try (Journal journal = Journal.open(file, metrics())) {
            return text(journal.recovered());
        }
    }
}
