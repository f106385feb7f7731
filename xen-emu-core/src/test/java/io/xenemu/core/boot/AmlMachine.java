package io.xenemu.core.boot;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;

/// Loads a DSDT and runs its methods, as a guest's interpreter does, as far as our tables need it. Everything that it
/// does not know is an error. Written from the ACPI specification 6.5, chapter 20.
final class AmlMachine {
    /// The world outside of the interpreter.
    interface Registers {
        /// Reads a register.
        ///
        /// @param space 0 for memory, 1 for I/O ports
        long read(int space, long address, int bytes);
    }

    private record Region(int space, long offset, int length) {}

    private record Field(Region region, int bitOffset, int bits) {}

    private record Method(int arguments, ByteBuffer body) {}

    private final Registers registers;

    /// Named objects by path: numbers, strings, byte arrays, lists, regions, fields, methods.
    private final Map<String, Object> names = new LinkedHashMap<>();

    private final Set<String> devices = new HashSet<>();

    /// The notified devices and values.
    final List<String> notified = new ArrayList<>();

    AmlMachine(byte[] dsdt, Registers registers) {
        this.registers = registers;
        ByteBuffer code = ByteBuffer.wrap(dsdt).order(ByteOrder.LITTLE_ENDIAN);
        code.position(36);
        load(code, dsdt.length, "\\");
    }

    Set<String> devices() {
        return devices;
    }

    /// A named object's value; the result of a method without arguments.
    Object value(String path) {
        Object found = named(path);
        return found instanceof Method ? call(path) : found;
    }

    private Object named(String path) {
        Object found = names.get(path);
        if (found == null) {
            throw new IllegalArgumentException("no " + path);
        }
        return found;
    }

    Object call(String path, long... arguments) {
        Method method = (Method) named(path);
        if ((method.arguments & 7) != arguments.length) {
            throw new IllegalArgumentException(path + " is no such method");
        }
        ByteBuffer body = method.body.duplicate().order(ByteOrder.LITTLE_ENDIAN);
        Frame frame = new Frame(path.substring(0, path.lastIndexOf('.')));
        frame.run(body, body.limit());
        return frame.result;
    }

    private void load(ByteBuffer code, int end, String scope) {
        while (code.position() < end) {
            int op = code.get() & 0xff;
            switch (op) {
                case 0x08 -> define(scope, name(code), constant(code));
                case 0x10 -> {
                    int after = packageEnd(code);
                    load(code, after, path(scope, name(code)));
                }
                case 0x14 -> {
                    int after = packageEnd(code);
                    String name = name(code);
                    int flags = code.get();
                    int start = code.position();
                    define(scope, name, new Method(flags, code.slice(start, after - start)));
                    code.position(after);
                }
                case 0x5b -> loadExtended(code, scope);
                default -> throw new IllegalArgumentException("term %#x".formatted(op));
            }
        }
        if (code.position() != end) {
            throw new IllegalArgumentException("a term is longer than its package");
        }
    }

    private void loadExtended(ByteBuffer code, String scope) {
        int op = code.get() & 0xff;
        switch (op) {
            case 0x80 -> {
                String name = name(code);
                int space = code.get();
                long offset = (long) constant(code);
                define(scope, name, new Region(space, offset, (int) (long) constant(code)));
            }
            case 0x81 -> {
                int after = packageEnd(code);
                Region region = (Region) named(path(scope, name(code)));
                int flags = code.get();
                if (flags != 1 && flags != 3) {
                    throw new IllegalArgumentException("field of " + region);
                }
                int bit = 0;
                while (code.position() < after) {
                    String name = name(code);
                    int bits = code.get();
                    define(scope, name, new Field(region, bit, bits));
                    bit += bits;
                }
                if (bit > region.length * 8) {
                    throw new IllegalArgumentException("fields beyond their region");
                }
            }
            case 0x82 -> {
                int after = packageEnd(code);
                String path = path(scope, name(code));
                devices.add(path);
                load(code, after, path);
            }
            default -> throw new IllegalArgumentException("extended term %#x".formatted(op));
        }
    }

    private void define(String scope, String name, Object value) {
        if (names.putIfAbsent(path(scope, name), value) != null) {
            throw new IllegalArgumentException(path(scope, name) + " is defined twice");
        }
    }

    private static String path(String scope, String name) {
        if (name.startsWith("\\")) {
            return name;
        }
        return scope.equals("\\") ? "\\" + name : scope + "." + name;
    }

    /// A name of one segment, perhaps from the root.
    private static String name(ByteBuffer code) {
        boolean root = code.get(code.position()) == '\\';
        byte[] name = new byte[root ? 5 : 4];
        code.get(name);
        String text = new String(name, StandardCharsets.US_ASCII);
        if (!text.matches("\\\\?[A-Z_][A-Z0-9_]{3}")) {
            throw new IllegalArgumentException("'" + text + "' is no name");
        }
        return text;
    }

    private static int packageEnd(ByteBuffer code) {
        int start = code.position();
        int lead = code.get() & 0xff;
        int more = lead >> 6;
        int length = more == 0 ? lead & 0x3f : lead & 0xf;
        for (int i = 0; i < more; i++) {
            length |= (code.get() & 0xff) << (4 + 8 * i);
        }
        if (start + length > code.limit()) {
            throw new IllegalArgumentException("a package ends beyond the table");
        }
        return start + length;
    }

    private static Object constant(ByteBuffer code) {
        int op = code.get() & 0xff;
        return switch (op) {
            case 0x00 -> 0L;
            case 0x01 -> 1L;
            case 0x0a -> code.get() & 0xffL;
            case 0x0b -> code.getShort() & 0xffffL;
            case 0x0c -> code.getInt() & 0xffff_ffffL;
            case 0x0d -> {
                StringBuilder text = new StringBuilder();
                for (byte b = code.get(); b != 0; b = code.get()) {
                    text.append((char) b);
                }
                yield text.toString();
            }
            case 0x11 -> {
                int after = packageEnd(code);
                byte[] bytes = new byte[(int) (long) constant(code)];
                code.get(bytes);
                if (code.position() != after) {
                    throw new IllegalArgumentException("a buffer of another size");
                }
                yield bytes;
            }
            case 0x12 -> {
                int after = packageEnd(code);
                int count = code.get();
                List<Object> elements = new ArrayList<>();
                while (code.position() < after) {
                    elements.add(constant(code));
                }
                if (elements.size() != count) {
                    throw new IllegalArgumentException("a package of another size");
                }
                yield elements;
            }
            default -> throw new IllegalArgumentException("constant %#x".formatted(op));
        };
    }

    /// A method that runs.
    private final class Frame {
        private final String scope;
        private final Map<Integer, Long> locals = new HashMap<>();
        private Object result = 0L;
        private boolean returned;

        Frame(String scope) {
            this.scope = scope;
        }

        void run(ByteBuffer code, int end) {
            while (!returned && code.position() < end) {
                int op = code.get() & 0xff;
                switch (op) {
                    case 0x70 -> {
                        long from = number(code);
                        int local = code.get() - 0x60;
                        if (local < 0 || local > 7) {
                            throw new IllegalArgumentException("no local variable");
                        }
                        locals.put(local, from);
                    }
                    case 0x86 -> {
                        String device = resolve(name(code));
                        notified.add(device + " " + number(code));
                    }
                    case 0xa0 -> {
                        int after = packageEnd(code);
                        if (number(code) != 0) {
                            run(code, after);
                        }
                        code.position(after);
                    }
                    case 0xa4 -> {
                        result = number(code);
                        returned = true;
                    }
                    default -> throw new IllegalArgumentException("statement %#x".formatted(op));
                }
            }
        }

        private long number(ByteBuffer code) {
            int op = code.get(code.position()) & 0xff;
            if (op >= 0x60 && op <= 0x67) {
                code.get();
                return locals.getOrDefault(op - 0x60, 0L);
            }
            if (op == 0x7b || op == 0x91) {
                code.get();
                long left = number(code);
                long right = number(code);
                if (op == 0x91) {
                    return left != 0 || right != 0 ? 1 : 0;
                }
                if (code.get() != 0) {
                    throw new IllegalArgumentException("And has a target");
                }
                return left & right;
            }
            if ((op >= 'A' && op <= 'Z') || op == '_') {
                return read((Field) named(resolve(name(code))));
            }
            return (long) constant(code);
        }

        private long read(Field field) {
            int bytes = field.bits / 8;
            return registers.read(
                    field.region.space, field.region.offset + field.bitOffset / 8, bytes);
        }

        /// A single segment is looked for in the scope, and then in each one around it.
        private String resolve(String name) {
            for (String at = scope; ; at = at.substring(0, Math.max(1, at.lastIndexOf('.')))) {
                String path = path(at, name);
                if (names.containsKey(path) || devices.contains(path)) {
                    return path;
                }
                if (at.equals("\\")) {
                    throw new IllegalArgumentException("no object " + name + " seen from " + scope);
                }
            }
        }
    }
}
