package io.xenemu.core.control;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import io.xenemu.core.domain.DomainConfig;
import io.xenemu.core.domain.EventChannelConfig;
import io.xenemu.core.guest.GuestRequest;
import io.xenemu.gnttab.GrantLimits;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.UUID;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.CharRange;
import net.jqwik.api.constraints.IntRange;
import net.jqwik.api.constraints.LongRange;
import net.jqwik.api.constraints.NotEmpty;
import org.junit.jupiter.api.Test;

/// The settings of a guest on the control socket.
final class GuestWordsPropertyTest {
    /// Before the halves of those characters that take two.
    static final char LAST = '\ud7ff';

    private static final GuestRequest REQUEST =
            new GuestRequest(
                    new DomainConfig(
                            "web",
                            new UUID(1, 2),
                            512 << 20,
                            4,
                            0x4_0013,
                            new GrantLimits(32, 512, 1),
                            new EventChannelConfig(true, 100, true)),
                    Path.of("/boot/vm linuz"),
                    List.of("/boot/initrd.img", "/boot/module with=an argument"),
                    "console=hvc0 root=/dev/xvda1 % + \u00e4",
                    false,
                    true);

    @Property
    void anyGuestGoesThroughWords(
            @ForAll @LongRange(min = 1) long memory,
            @ForAll @IntRange(min = 1, max = DomainConfig.MAX_VCPUS) int vcpus,
            @ForAll @CharRange(to = LAST) String append,
            @ForAll List<@NotEmpty @CharRange(to = LAST) String> modules,
            @ForAll boolean reboot,
            @ForAll boolean overcommit) {
        DomainConfig config = REQUEST.config();
        GuestRequest request =
                new GuestRequest(
                        new DomainConfig(
                                config.name(),
                                config.uuid(),
                                memory,
                                vcpus,
                                config.xenVersion(),
                                config.grants(),
                                EventChannelConfig.DEFAULT),
                        REQUEST.kernel(),
                        modules,
                        append,
                        reboot,
                        overcommit);

        assertEquals(request, GuestWords.decode(GuestWords.encode(request)));
    }

    @Test
    void guestGoesThroughWords() {
        assertEquals(REQUEST, GuestWords.decode(GuestWords.encode(REQUEST)));
    }

    @Test
    void guestThatCannotBeIsRefused() {
        List<String> good = GuestWords.encode(REQUEST);
        for (String word : good.subList(0, 15)) {
            List<String> less = new ArrayList<>(good);
            less.remove(word);
            assertRefused(less);
            less.add(word);
            less.add(word);
            assertRefused(less);
        }
        assertRefused(with(good, "nonsense"));
        for (String bad :
                List.of(
                        "name=a/b",
                        "name=",
                        "name=a\nb",
                        "uuid=1",
                        "memory=0",
                        "memory=-1",
                        "vcpus=0",
                        "vcpus=129",
                        "vcpus=x",
                        "max_grant_frames=0",
                        "max_maptrack_frames=-1",
                        "max_grant_version=3")) {
            List<String> words = new ArrayList<>(good);
            words.removeIf(word -> word.startsWith(bad.substring(0, bad.indexOf('=') + 1)));
            assertRefused(with(words, bad));
        }
    }

    private static List<String> with(List<String> words, String more) {
        List<String> all = new ArrayList<>(words);
        all.add(more);
        return all;
    }

    private static void assertRefused(List<String> words) {
        assertThrows(IllegalArgumentException.class, () -> GuestWords.decode(words));
    }
}
