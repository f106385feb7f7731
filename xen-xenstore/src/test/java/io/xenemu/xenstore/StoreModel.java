package io.xenemu.xenstore;

import java.util.ArrayList;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/// A store as simple as it gets: one ordered map from path to node, copied for each transaction. No quotas.
final class StoreModel {
    /// Letter and domain of each permission entry, the owner's first.
    record Node(String value, List<String> permissions) {}

    record Op(String type, String path, String argument) {}

    /// A change to one path, as watches see it.
    record Event(String path, boolean removed, List<List<String>> readableBy) {}

    record Answered(Op op, String answer) {}

    static final class Transaction {
        final Map<String, Node> snapshot;
        final StoreModel view;
        final List<Answered> answered = new ArrayList<>();
        final Set<Integer> died = new HashSet<>();

        Transaction(Map<String, Node> snapshot) {
            this.snapshot = snapshot;
            this.view = new StoreModel(snapshot);
        }
    }

    private final LinkedHashMap<String, Node> nodes;
    final List<Event> events = new ArrayList<>();

    StoreModel() {
        nodes = new LinkedHashMap<>();
        nodes.put("/", new Node("", List.of("n0")));
    }

    private StoreModel(Map<String, Node> nodes) {
        this.nodes = new LinkedHashMap<>(nodes);
    }

    Map<String, Node> copy() {
        return new LinkedHashMap<>(nodes);
    }

    void become(StoreModel other) {
        nodes.clear();
        nodes.putAll(other.nodes);
    }

    StoreModel trial() {
        return new StoreModel(nodes);
    }

    static @Nullable String parent(String path) {
        if (path.equals("/")) {
            return null;
        }
        int slash = path.lastIndexOf('/');
        return slash == 0 ? "/" : path.substring(0, slash);
    }

    static boolean allows(int domain, List<String> permissions, char wanted) {
        if (domain == 0 || names(permissions.getFirst(), domain)) {
            return true;
        }
        char letter = permissions.getFirst().charAt(0);
        for (String entry : permissions.subList(1, permissions.size())) {
            if (names(entry, domain)) {
                letter = entry.charAt(0);
                break;
            }
        }
        return letter == wanted || letter == 'b';
    }

    /// 32757 is every domain.
    private static boolean names(String entry, int domain) {
        String named = entry.substring(1);
        return named.equals(Integer.toString(domain)) || named.equals("32757");
    }

    private String nearest(String path) {
        String at = path;
        while (!nodes.containsKey(at)) {
            at = Objects.requireNonNull(parent(at));
        }
        return at;
    }

    private Node node(String path) {
        return Objects.requireNonNull(nodes.get(path));
    }

    String run(int domain, Op op) {
        boolean reads = List.of("READ", "DIRECTORY", "GET_PERMS").contains(op.type);
        if (!allows(domain, node(nearest(op.path)).permissions, reads ? 'r' : 'w')) {
            return "EACCES";
        }
        boolean exists = nodes.containsKey(op.path);
        if (reads && !exists) {
            return "ENOENT";
        }
        return switch (op.type) {
            case "READ" -> node(op.path).value;
            case "GET_PERMS" -> String.join("\0", node(op.path).permissions) + "\0";
            case "DIRECTORY" -> directory(op.path);
            case "WRITE" -> write(domain, op.path, op.argument);
            case "MKDIR" -> exists ? "OK\0" : write(domain, op.path, "");
            case "RM" -> rm(op.path);
            case "SET_PERMS" ->
                    exists
                            ? setPermissions(domain, op.path, List.of(op.argument.split(" ")))
                            : "ENOENT";
            default -> throw new IllegalArgumentException(op.type);
        };
    }

    private String directory(String path) {
        StringBuilder names = new StringBuilder();
        for (String other : nodes.keySet()) {
            if (path.equals(parent(other))) {
                names.append(other.substring(other.lastIndexOf('/') + 1)).append('\0');
            }
        }
        return names.toString();
    }

    private String write(int domain, String path, String value) {
        Node before = nodes.get(path);
        if (before != null) {
            nodes.put(path, new Node(value, before.permissions));
            changed(path, before.permissions, before.permissions);
            return "OK\0";
        }
        String above = nearest(path);
        List<String> permissions = new ArrayList<>(node(above).permissions);
        if (domain != 0) {
            permissions.set(0, permissions.getFirst().charAt(0) + "" + domain);
        }
        List<String> missing = new ArrayList<>();
        for (String at = path; !at.equals(above); at = Objects.requireNonNull(parent(at))) {
            missing.addFirst(at);
        }
        missing.forEach(at ->
                nodes.put(at, new Node(at.equals(path) ? value : "", List.copyOf(permissions))));
        changed(path, permissions, permissions);
        return "OK\0";
    }

    private void changed(String path, List<String> before, List<String> after) {
        List<List<String>> readable =
                new ArrayList<>(List.of(List.copyOf(before), List.copyOf(after)));
        String parent = parent(path);
        if (parent != null) {
            readable.add(node(parent).permissions);
        }
        events.add(new Event(path, false, readable));
    }

    private String rm(String path) {
        String parent = parent(path);
        if (parent == null) {
            return "EINVAL";
        }
        if (!nodes.containsKey(path)) {
            return nodes.containsKey(parent) ? "OK\0" : "ENOENT";
        }
        List<String> gone =
                nodes.keySet().stream()
                        .filter(other -> other.equals(path) || other.startsWith(path + "/"))
                        .toList();
        for (String each : gone.reversed()) {
            events.add(
                    new Event(
                            each,
                            true,
                            List.of(
                                    node(each).permissions,
                                    node(Objects.requireNonNull(parent(each))).permissions)));
        }
        gone.forEach(nodes::remove);
        return "OK\0";
    }

    private String setPermissions(int domain, String path, List<String> permissions) {
        Node before = node(path);
        String owner = before.permissions.getFirst().substring(1);
        if (domain != 0 && !names(before.permissions.getFirst(), domain)) {
            return "EACCES";
        }
        if (domain != 0 && !owner.equals(permissions.getFirst().substring(1))) {
            return "EPERM";
        }
        nodes.put(path, new Node(before.value, permissions));
        changed(path, before.permissions, permissions);
        return "OK\0";
    }

    /// Removes what a dead domain owns and was given.
    void forget(int domain) {
        forget("/", Integer.toString(domain));
    }

    private void forget(String path, String domain) {
        List<String> permissions = node(path).permissions;
        boolean owned = permissions.getFirst().substring(1).equals(domain);
        if (owned && !path.equals("/")) {
            rm(path);
            return;
        }
        List<String> rest = new ArrayList<>(permissions.subList(1, permissions.size()));
        rest.removeIf(entry -> entry.substring(1).equals(domain));
        rest.addFirst(owned ? permissions.getFirst().charAt(0) + "0" : permissions.getFirst());
        if (!rest.equals(permissions)) {
            setPermissions(0, path, rest);
        }
        for (String below : List.copyOf(nodes.keySet())) {
            if (path.equals(parent(below))) {
                forget(below, domain);
            }
        }
    }

    private static int depth(String path) {
        return path.equals("/") ? 0 : Math.toIntExact(path.chars().filter(c -> c == '/').count());
    }

    /// Whether a watch on `watched` of some depth by `domain` is to fire for `event`, which came with `all`.
    static boolean fires(Event event, List<Event> all, String watched, int depth, int domain) {
        boolean top =
                !event.removed
                        || all.stream()
                                .noneMatch(e ->
                                        e.removed
                                                && !e.equals(event)
                                                && event.path.startsWith(e.path + "/"));
        boolean matches =
                event.path.equals(watched)
                        || (top
                                && (watched.equals("/") || event.path.startsWith(watched + "/"))
                                && depth(event.path) - depth(watched) <= depth);
        return matches && event.readableBy.stream().anyMatch(p -> allows(domain, p, 'r'));
    }
}
