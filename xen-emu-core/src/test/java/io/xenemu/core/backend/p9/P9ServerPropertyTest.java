package io.xenemu.core.backend.p9;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.google.common.io.MoreFiles;
import com.google.common.io.RecursiveDeleteOption;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import net.jqwik.api.Arbitraries;
import net.jqwik.api.Arbitrary;
import net.jqwik.api.Combinators;
import net.jqwik.api.ForAll;
import net.jqwik.api.From;
import net.jqwik.api.Property;
import net.jqwik.api.Provide;
import net.jqwik.api.constraints.Size;

/// Whatever bytes a guest sends, each request has an answer, and nothing is left of it.
final class P9ServerPropertyTest {
    /// A request of any number and any content.
    @Provide
    Arbitrary<byte[]> anyBytes() {
        return Combinators.combine(
                        Arbitraries.integers().between(0, 255),
                        Arbitraries.bytes().array(byte[].class).ofMaxSize(80))
                .as((type, body) -> P9TestClient.bytes(type, 1, body));
    }

    /// A request that is nearly right: few fids, names that exist, counts and flags of all kinds.
    @Provide
    Arbitrary<byte[]> nearlyRight() {
        Arbitrary<Object> fid = Arbitraries.of(P9TestClient.ROOT, 1, 2, 3);
        Arbitrary<Object> name =
                Arbitraries.of("a", "b", "f", "link", "..", "", "user.x", "9P2000.L", "x/y");
        Arbitrary<Object> number = Arbitraries.integers().map(n -> (Object) n);
        Arbitrary<Object> small = Arbitraries.integers().between(0, 1030).map(n -> (Object) n);
        Arbitrary<Object> wide = Arbitraries.longs().map(n -> (Object) n);
        Arbitrary<Object> some = Arbitraries.longs().between(0, 100).map(n -> (Object) n);
        Arbitrary<Object> half = Arbitraries.of((short) 0, (short) 1, (short) 2, (short) -1);
        Arbitrary<List<Object>> fields =
                Arbitraries.oneOf(List.of(fid, name, number, small, wide, some, half, fid, small))
                        .list()
                        .ofMaxSize(6);
        return Combinators.combine(Arbitraries.of(P9Operation.values()), fid, fields)
                .as((operation, first, rest) -> {
                    List<Object> all = new ArrayList<>(List.of(first));
                    all.addAll(rest);
                    return P9TestClient.bytes(operation.number(), 1, all.toArray());
                });
    }

    @Property(tries = 200)
    void anyBytesGetAnAnswer(@ForAll("anyBytes") byte[] one, @ForAll("anyBytes") byte[] other)
            throws IOException {
        serve(List.of(one, other));
    }

    @Property(tries = 150)
    void anySequenceOfRequestsLeavesNothing(
            @ForAll @Size(max = 60) List<@From("nearlyRight") byte[]> requests) throws IOException {
        serve(requests);
    }

    private static void serve(List<byte[]> requests) throws IOException {
        Path folder = Files.createTempDirectory("p9");
        try {
            Path share = Files.createDirectory(folder.resolve("share"));
            Files.createDirectories(share.resolve("a/b"));
            Files.writeString(share.resolve("f"), "text");
            Files.createSymbolicLink(share.resolve("link"), Path.of(".."));
            P9Server server =
                    new P9Server(
                            P9Export.plain(
                                    share, false, new P9Limits(20, P9Limits.MIN_DESCRIPTORS)),
                            P9Observer.NONE);
            try (P9TestClient client = P9TestClient.attached(server)) {
                for (byte[] request : requests) {
                    client.send(request);
                    assertTrue(server.openFiles() <= P9Limits.MIN_DESCRIPTORS);
                }
            }
            assertEquals(0, server.openFiles());
            try (var files = Files.list(folder)) {
                assertEquals(List.of(share), files.toList());
            }
        } finally {
            MoreFiles.deleteRecursively(folder, RecursiveDeleteOption.ALLOW_INSECURE);
        }
    }
}
