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
import java.util.TreeMap;
import java.util.stream.Collectors;
import net.jqwik.api.Arbitraries;
import net.jqwik.api.Arbitrary;
import net.jqwik.api.Combinators;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.Provide;
import net.jqwik.api.Tuple;
import net.jqwik.api.constraints.IntRange;

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

    /// One step: the version to change, which name, and whether the names are asked for before and after.
    record Step(int version, String name, boolean before, boolean after) {}

    @Provide
    Arbitrary<List<Step>> steps() {
        return Combinators.combine(
                        // Mostly the latest version, sometimes an earlier one, as a transaction
                        // has.
                        Arbitraries.frequencyOf(
                                Tuple.of(4, Arbitraries.just(Integer.MAX_VALUE)),
                                Tuple.of(1, Arbitraries.integers().between(0, 400))),
                        Arbitraries.integers().between(0, 40).map(i -> "n" + i),
                        Arbitraries.of(true, false),
                        Arbitraries.of(true, false, false))
                .as(Step::new)
                .list()
                .ofMaxSize(300);
    }

    /// Versions share the array of their names: none may see what another has put there.
    @Property(tries = 500)
    void namesOfAllVersionsAreInOrderOfCreation(@ForAll("steps") List<Step> steps) {
        List<Node> versions = new ArrayList<>(List.of(Node.root(Permissions.DOM0_ONLY)));
        List<List<String>> expected = new ArrayList<>(List.of(List.of()));
        long generation = 0;
        for (Step step : steps) {
            int base = Math.min(step.version, versions.size() - 1);
            Node directory = versions.get(base);
            if (step.before) {
                assertEquals(listing(expected.get(base)), listing(directory));
            }
            List<String> names = new ArrayList<>(expected.get(base));
            Node child = directory.child(step.name);
            generation++;
            byte[] bytes = step.name.getBytes(StandardCharsets.US_ASCII);
            if (child == null) {
                names.add(step.name);
                directory =
                        directory.withChild(
                                Node.create(bytes, Permissions.DOM0_ONLY, generation), generation);
            } else {
                names.remove(step.name);
                directory = directory.withoutChild(child, generation);
            }
            versions.add(directory);
            expected.add(names);
            if (step.after) {
                assertEquals(listing(names), listing(directory));
                int half = directory.children().listingLength() / 2;
                assertEquals(
                        listing(names).substring(half),
                        new String(
                                directory
                                        .children()
                                        .listing(half, directory.children().listingLength()),
                                StandardCharsets.US_ASCII));
            }
        }
        for (int i = 0; i < versions.size(); i++) {
            assertEquals(listing(expected.get(i)), listing(versions.get(i)));
        }
    }

    /// Saved state has children of any order, and changes the place of one.
    @Property(tries = 200)
    void restoredNamesAreInTheOrderOfTheirOrdinals(
            @ForAll List<@IntRange(max = 50) Integer> ordinals) {
        Node directory = Node.root(Permissions.DOM0_ONLY);
        Map<Integer, String> expected = new TreeMap<>();
        for (int ordinal : ordinals) {
            String name = "n" + ordinal % 7;
            Node child =
                    Node.create(name.getBytes(StandardCharsets.US_ASCII), Permissions.DOM0_ONLY, 1)
                            .restored(new byte[0], Permissions.DOM0_ONLY, ordinal, 1);
            if (!expected.containsKey(ordinal) || name.equals(expected.get(ordinal))) {
                expected.values().remove(name);
                expected.put(ordinal, name);
                directory = directory.withChild(child, 1);
            }
            assertEquals(listing(List.copyOf(expected.values())), listing(directory));
        }
    }

    private static String listing(Node directory) {
        return new String(directory.children().listing(), StandardCharsets.US_ASCII);
    }

    private static String listing(List<String> names) {
        return names.stream().map(name -> name + "\0").collect(Collectors.joining());
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
