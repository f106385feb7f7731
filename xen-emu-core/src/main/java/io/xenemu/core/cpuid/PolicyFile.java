package io.xenemu.core.cpuid;

import com.google.common.base.Splitter;
import io.xenemu.kvm.abi.IoReason;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/// A policy as text. Each leaf is a line of hexadecimal numbers, followed by comments that name its features.
///
/// ```
/// xen-emu-cpu-policy 1
/// 0x00000001 eax=0x00a60f12 ebx=0x00000800 ecx=0x76fa3203 edx=0x078bfbff
/// #   fpu vme de pse ...
/// 0x7.0 eax=...
/// msr 0x10a eax=0x00000000 edx=0x00000000
/// ```
public final class PolicyFile {
    /// No policy is as long. A file is read as a whole.
    public static final int MAX_BYTES = 1 << 17;

    private static final String HEADER = "xen-emu-cpu-policy ";
    private static final String VERSION = "1";
    private static final char COMMENT = '#';
    private static final String INDENT = "#   ";
    private static final int WIDTH = 100;
    private static final Splitter WORDS = Splitter.on(' ').omitEmptyStrings();

    private PolicyFile() {}

    /// Reads a file.
    ///
    /// @throws CannotOfferException with the file's name, if it cannot be read or is no policy
    public static CpuPolicy read(Path file) throws CannotOfferException {
        try {
            if (!Files.isRegularFile(file)) {
                throw new CannotOfferException(
                        file + (Files.exists(file) ? ": not a file" : ": no such file"));
            }
            byte[] content;
            try (var in = Files.newInputStream(file)) {
                content = in.readNBytes(MAX_BYTES + 1);
            }
            if (content.length > MAX_BYTES) {
                throw new CannotOfferException(file + ": too long for a CPU policy");
            }
            return parse(new String(content, StandardCharsets.UTF_8));
        } catch (IOException e) {
            throw new CannotOfferException(file + ": cannot be read: " + IoReason.withoutFile(e));
        } catch (IllegalArgumentException e) {
            throw new CannotOfferException(file + ": " + e.getMessage());
        }
    }

    /// Reads the text form.
    ///
    /// @throws IllegalArgumentException if it is none; the message has the number of the line
    public static CpuPolicy parse(String text) {
        List<String> lines = text.lines().toList();
        if (lines.isEmpty() || !lines.getFirst().startsWith(HEADER)) {
            throw new IllegalArgumentException("not a CPU policy of xen-emu");
        }
        String version = lines.getFirst().substring(HEADER.length()).strip();
        if (!version.equals(VERSION)) {
            throw new IllegalArgumentException(
                    "a CPU policy of version %s; this xen-emu reads version %s"
                            .formatted(version.matches("[0-9]{1,9}") ? version : "?", VERSION));
        }
        Map<PolicyLeaf, Registers> leaves = new TreeMap<>();
        for (int i = 1; i < lines.size(); i++) {
            String line = lines.get(i).strip();
            if (line.isEmpty() || line.charAt(0) == COMMENT) {
                continue;
            }
            try {
                add(leaves, line);
            } catch (IllegalArgumentException e) {
                throw new IllegalArgumentException("line " + (i + 1) + ": " + e.getMessage(), e);
            }
        }
        return new CpuPolicy(leaves);
    }

    private static void add(Map<PolicyLeaf, Registers> leaves, String line) {
        int values = line.indexOf('=');
        int end = values < 0 ? -1 : line.lastIndexOf(' ', values);
        if (end < 0) {
            throw new IllegalArgumentException("not a leaf with its registers");
        }
        PolicyLeaf leaf = PolicyText.leaf(line.substring(0, end).strip());
        Registers answer = Registers.ZERO;
        List<Register> given = new ArrayList<>();
        for (String word : WORDS.split(line.substring(end))) {
            int equals = word.indexOf('=');
            if (equals < 0) {
                throw new IllegalArgumentException(
                        PolicyText.shown(word) + " is not REGISTER=NUMBER");
            }
            Register register = PolicyText.register(word.substring(0, equals));
            if (given.contains(register)) {
                throw new IllegalArgumentException(register.word() + " twice");
            }
            given.add(register);
            answer = answer.with(register, PolicyText.u32(word.substring(equals + 1)));
        }
        if (leaves.putIfAbsent(leaf, answer) != null) {
            throw new IllegalArgumentException("leaf " + leaf + " twice");
        }
    }

    /// The text form, which [#parse] reads.
    public static String format(CpuPolicy policy) {
        StringBuilder text = new StringBuilder(HEADER).append(VERSION).append('\n');
        policy.leaves().forEach((leaf, answer) -> append(text, leaf, answer));
        return text.toString();
    }

    private static void append(StringBuilder text, PolicyLeaf leaf, Registers answer) {
        text.append(leaf);
        for (Register register : Register.values()) {
            if (!leaf.isMsr() || register == Register.EAX || register == Register.EDX) {
                text.append(' ').append(register.word()).append('=');
                text.append(PolicyText.hex(answer.get(register)));
            }
        }
        text.append('\n');
        StringBuilder line = new StringBuilder(INDENT);
        for (Register register : Register.values()) {
            for (String name : FeatureNames.named(leaf, register, answer.get(register))) {
                if (line.length() + name.length() > WIDTH) {
                    text.append(line.toString().stripTrailing()).append('\n');
                    line.setLength(INDENT.length());
                }
                line.append(name).append(' ');
            }
        }
        if (line.length() > INDENT.length()) {
            text.append(line.toString().stripTrailing()).append('\n');
        }
    }
}
