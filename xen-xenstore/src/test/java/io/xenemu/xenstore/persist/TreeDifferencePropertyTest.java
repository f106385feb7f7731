package io.xenemu.xenstore.persist;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;

import io.xenemu.kvm.wire.WireException;
import io.xenemu.xenstore.tree.Path;
import io.xenemu.xenstore.tree.Permissions;
import java.nio.ByteBuffer;
import java.util.List;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.Size;
import org.junit.jupiter.api.Test;

class TreeDifferencePropertyTest {
    private static byte[] bytes(ByteBuffer buffer) {
        byte[] bytes = new byte[buffer.remaining()];
        buffer.get(bytes);
        return bytes;
    }

    private static void applyAll(StoreImage image, RestoredImage to) throws Exception {
        ChangeRecord.all(image, 50, body -> ChangeRecord.apply(bytes(body), to));
    }

    private static void assertLeadsFromTo(StoreImage before, StoreImage after) throws Exception {
        RestoredImage image = new RestoredImage();
        applyAll(before, image);
        assertEquals(ImageSource.text(before), ImageSource.text(image.image()));
        ChangeRecord.apply(bytes(ChangeRecord.between(before, after)), image);
        assertEquals(ImageSource.text(after), ImageSource.text(image.image()));
    }

    @Property(tries = 300)
    void differenceLeadsFromOneVersionToTheOtherAndBack(
            @ForAll @Size(max = 40) List<Integer> first, @ForAll @Size(max = 40) List<Integer> then)
            throws Exception {
        ImageSource source = new ImageSource();
        first.forEach(source::change);
        StoreImage before = source.get();
        then.forEach(source::change);
        assertLeadsFromTo(before, source.get());
        assertLeadsFromTo(source.get(), before);
    }

    @Property(tries = 30)
    void differenceOfLargeDirectoriesLeadsBothWays(@ForAll @Size(max = 300) List<Short> names)
            throws Exception {
        ImageSource source = new ImageSource();
        StoreImage empty = source.get();
        for (short name : names) {
            source.write(Path.of("/d/" + name), "", Permissions.DOM0_ONLY);
        }
        StoreImage full = source.get();
        assertLeadsFromTo(empty, full);
        assertLeadsFromTo(full, empty);
    }

    @Test
    void deepTreesDoNotOverflowTheStack() throws Exception {
        ImageSource source = new ImageSource();
        StoreImage before = source.get();
        source.write(Path.of("/a".repeat(1500)), "", Permissions.DOM0_ONLY);
        assertLeadsFromTo(before, source.get());
    }

    @Test
    void equalTreesHaveNoDifference() throws WireException {
        ImageSource source = new ImageSource();
        source.write(Path.of("/a/b"), "x", Permissions.of("n1"));
        StoreImage before = source.get();
        source.write(Path.of("/a/b"), "x", Permissions.of("n1"));
        assertFalse(before.isSame(source.get()));
        assertFalse(ChangeRecord.between(before, source.get()).hasRemaining());
    }
}
