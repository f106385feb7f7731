package io.xenemu.core.paging;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import io.xenemu.kvm.wire.WireException;
import java.nio.ByteBuffer;
import java.util.List;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.Size;
import net.jqwik.api.constraints.StringLength;

final class PageMessagePropertyTest {
    @Property
    void messagesComeBack(
            @ForAll int guest,
            @ForAll @StringLength(max = 40) String text,
            @ForAll long number,
            @ForAll @Size(max = PageMessage.MAX_MAPPINGS) List<Long> numbers)
            throws WireException {
        PageOrigin.Kind[] kinds = PageOrigin.Kind.values();
        List<PageMessage> messages =
                List.of(
                        new PageMessage.Add(
                                guest,
                                text.codePoints()
                                        .filter(Character::isLetter)
                                        .collect(
                                                StringBuilder::new,
                                                StringBuilder::appendCodePoint,
                                                StringBuilder::append)
                                        .toString(),
                                kinds[Math.floorMod(guest, kinds.length)],
                                number,
                                ~number,
                                numbers.stream()
                                        .map(it -> new MappedRam(it, it + 1, it + 2))
                                        .toList()),
                        new PageMessage.BringAll(guest),
                        new PageMessage.Share(
                                guest, ~guest, "vhost", List.of(new MappedRam(number, 1, 2))),
                        new PageMessage.Join(guest, ~guest),
                        new PageMessage.Running(guest),
                        new PageMessage.Need(guest, ~guest),
                        new PageMessage.Page(guest, ~guest, ByteBuffer.wrap(text.getBytes(UTF_8))),
                        new PageMessage.Lost(guest, ~guest, "because"),
                        new PageMessage.Unshare(guest, ~guest),
                        new PageMessage.NotShared(guest, ~guest, "because"),
                        new PageMessage.Drop(guest),
                        new PageMessage.Done(guest, ~guest),
                        new PageMessage.Failed(guest, "because"),
                        new PageMessage.Dropped(guest));
        for (PageMessage message : messages) {
            assertEquals(message, PageMessage.decode(message.encode()));
        }
    }

    @Property
    void anyBytesAreAMessageOrRefused(@ForAll byte[] bytes) {
        PageMessage message;
        try {
            message = PageMessage.decode(bytes);
        } catch (WireException _) {
            return;
        }
        assertArrayEquals(bytes, message.encode());
    }
}
