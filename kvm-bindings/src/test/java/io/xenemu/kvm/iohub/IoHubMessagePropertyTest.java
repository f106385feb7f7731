package io.xenemu.kvm.iohub;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.xenemu.kvm.wire.WireException;
import java.util.Arrays;
import java.util.List;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.IntRange;
import net.jqwik.api.constraints.Size;

/// Whatever one side sends is a message with possible numbers, or refused.
class IoHubMessagePropertyTest {
    private static List<IoHubMessage> messages(int tag, int pirq, long value) {
        return List.of(
                new IoHubMessage.Hello(tag, (int) value, value, pirq),
                new IoHubMessage.Connect(tag, pirq),
                new IoHubMessage.Release(tag, pirq),
                new IoHubMessage.Counts(tag, pirq, value, ~value),
                new IoHubMessage.SetIrqfd(tag, pirq),
                new IoHubMessage.Result(tag, -pirq, (int) value, value));
    }

    @Property
    void messagesAreReadAsTheyWereWritten(
            @ForAll int tag, @ForAll @IntRange(max = 23) int pirq, @ForAll long value)
            throws WireException {
        for (IoHubMessage message : messages(tag, pirq, value)) {
            assertEquals(message, IoHubMessage.decode(message.encode(), message.descriptors()));
        }
    }

    @Property
    void wrongSizesAndDescriptorsAreRefused(
            @ForAll @IntRange(max = 23) int pirq, @ForAll @IntRange(max = 100) int size) {
        for (IoHubMessage message : messages(1, pirq, 2)) {
            byte[] bytes = message.encode();
            if (size != bytes.length) {
                assertThrows(
                        WireException.class,
                        () ->
                                IoHubMessage.decode(
                                        Arrays.copyOf(bytes, size), message.descriptors()));
            }
            for (int wrong = 0; wrong < 4; wrong++) {
                int descriptors = wrong;
                if (wrong != message.descriptors()) {
                    assertThrows(
                            WireException.class, () -> IoHubMessage.decode(bytes, descriptors));
                }
            }
        }
    }

    @Property
    void linesThatDoNotExistAreRefused(@ForAll int pirq) {
        if (pirq >= 0 && pirq < IoHubMessage.PIRQS) {
            return;
        }
        for (IoHubMessage message :
                List.of(
                        new IoHubMessage.Connect(1, pirq),
                        new IoHubMessage.Release(1, pirq),
                        new IoHubMessage.SetIrqfd(1, pirq),
                        new IoHubMessage.Counts(1, pirq, 0, 0))) {
            assertThrows(
                    WireException.class,
                    () -> IoHubMessage.decode(message.encode(), message.descriptors()));
        }
    }

    @Property
    void anyBytesAreAMessageOrRefused(
            @ForAll @IntRange(max = 40) int type,
            @ForAll @Size(max = 60) byte[] rest,
            @ForAll @IntRange(max = 3) int descriptors) {
        byte[] bytes = new byte[rest.length + 2];
        bytes[0] = (byte) type;
        System.arraycopy(rest, 0, bytes, 2, rest.length);
        try {
            IoHubMessage message = IoHubMessage.decode(bytes, descriptors);
            assertEquals(descriptors, message.descriptors());
            assertTrue(message.encode().length == bytes.length);
        } catch (WireException e) {
            assertNotNull(e.getMessage());
        }
    }
}
