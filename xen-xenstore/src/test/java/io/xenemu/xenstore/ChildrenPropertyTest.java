package io.xenemu.xenstore;

import static org.junit.jupiter.api.Assertions.assertEquals;

import io.xenemu.xenstore.tree.Node;
import io.xenemu.xenstore.tree.Path;
import io.xenemu.xenstore.tree.Permissions;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import net.jqwik.api.Arbitraries;
import net.jqwik.api.Arbitrary;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.Provide;

/// The children of a node against a map that keeps the order of insertion.
class ChildrenPropertyTest {
    /// Names made of `Aa` and `BB` alone have equal hash codes, which is what a guest would choose to do harm.
    @Provide
    Arbitrary<List<String>> names() {
        Arbitrary<String> colliding =
                Arbitraries.of("Aa", "BB").list().ofSize(4).map(parts -> String.join("", parts));
        Arbitrary<String> plain = Arbitraries.integers().between(0, 300).map(i -> "n" + i);
        return Arbitraries.oneOf(colliding, plain).list().ofMaxSize(300);
    }

    @Property(tries = 300)
    void behaveAsAnOrderedMap(@ForAll("names") List<String> names) {
        Node directory = Node.root(Permissions.DOM0_ONLY);
        Map<String, String> expected = new LinkedHashMap<>();
        List<Node> versions = new ArrayList<>();
        List<List<String>> expectedVersions = new ArrayList<>();
        long generation = 0;
        for (String name : names) {
            Path path = Path.of("/" + name);
            Node child = directory.child(path, 0);
            generation++;
            if (child == null) {
                byte[] bytes = name.getBytes(StandardCharsets.US_ASCII);
                directory =
                        directory.withChild(
                                Node.create(bytes, Permissions.DOM0_ONLY, generation), generation);
                expected.put(name, "");
            } else if (generation % 2 == 0) {
                String value = "v" + generation;
                directory =
                        directory.withChild(
                                child.withValue(
                                        value.getBytes(StandardCharsets.US_ASCII), generation),
                                generation);
                expected.put(name, value);
            } else {
                directory = directory.withoutChild(child, generation);
                expected.remove(name);
            }
            versions.add(directory);
            expectedVersions.add(List.copyOf(expected.keySet()));
        }
        assertEquals(expected, values(directory));
        assertEquals(
                String.join("", expected.keySet().stream().map(n -> n + "\0").toList()),
                new String(directory.children().listing(), StandardCharsets.US_ASCII));
        for (int i = 0; i < versions.size(); i++) {
            assertEquals(expectedVersions.get(i), List.copyOf(values(versions.get(i)).keySet()));
        }
    }

    private static Map<String, String> values(Node directory) {
        Map<String, String> values = new LinkedHashMap<>();
        for (Node child : directory.children().inOrder()) {
            values.put(child.name(), new String(child.value(), StandardCharsets.US_ASCII));
        }
        assertEquals(values.size(), directory.children().size());
        return values;
    }
}
