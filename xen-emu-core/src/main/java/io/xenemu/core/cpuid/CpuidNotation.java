package io.xenemu.core.cpuid;

import com.google.common.base.Splitter;
import com.google.common.collect.ImmutableSortedMap;
import io.xenemu.core.cpuid.CpuidOverrides.Place;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/// xl's notations of `cpuid=`.
///
/// libxl's is one text of names: `host,tm=0,sse3=0,family=6`. xend's is a text for each leaf: `1:ecx=xxxx...`, with a
/// character for each of the 32 bits, the highest first. Besides leaves it has an MSR here, as `msr-0x10a`.
///
/// Source: xl.cfg(5).
final class CpuidNotation {
    private static final Splitter COMMA = Splitter.on(',');
    private static final String HOST = "host";
    private static final String MSR = "msr-";
    private static final String ALL = "xks";
    private static final String VALUES = "01" + ALL;

    /// The family has 8 extended bits at 20, the model 4 at 16. Both have 4 others.
    private static final int BASE_BITS = 4;

    private static final int FAMILY_BITS = 8;
    private static final int FAMILY_AT = 20;
    private static final int MODEL_AT = 16;
    private static final int MAX_BASE_FAMILY = 15;
    private static final int MAX_FAMILY = 255 + MAX_BASE_FAMILY;

    /// Bits that are never a policy's: the service gives each vCPU its own, or the guest itself turns them on.
    private static final Map<String, Integer> OWN =
            Map.of(
                    "0x1:ebx",
                    0xffff_0000,
                    "0x1:ecx",
                    1 << 27, // osxsave
                    "0x1:edx",
                    1 << 28, // htt
                    "0x4:eax",
                    0xffff_c000,
                    "0x7:ecx",
                    1 << 4, // ospke
                    "0x80000001:ecx",
                    1 << 1, // cmp-legacy
                    "0x80000008:ecx",
                    0xffff,
                    "0x8000001d:eax",
                    0xffff_c000);

    private CpuidNotation() {}

    /// Reads the texts, each in one of the notations. Later ones win.
    ///
    /// @throws IllegalArgumentException if one is in neither; the message says where
    static CpuidOverrides parse(List<String> texts) {
        Map<Place, String> bits = new TreeMap<>();
        for (String text : texts) {
            if (text.equals(HOST) || text.startsWith(HOST + ",")) {
                COMMA.splitToList(text).stream().skip(1).forEach(word -> name(bits, word));
            } else if (text.startsWith(MSR)
                    || (!text.isEmpty() && Character.digit(text.charAt(0), 10) >= 0)) {
                xend(bits, text);
            } else {
                throw new IllegalArgumentException(
                        "'%s' begins neither with \"host\" nor with the number of a leaf"
                                .formatted(text));
            }
        }
        bits.values().removeIf(CpuidOverrides.DEFAULT::equals);
        return new CpuidOverrides(ImmutableSortedMap.copyOf(bits));
    }

    /// xend's notation of one register.
    static String xend(Place place, String bits) {
        PolicyLeaf leaf = place.leaf();
        String number = "0x" + Integer.toHexString(leaf.function());
        if (leaf.isMsr()) {
            number = MSR + number;
        } else if (leaf.index() != PolicyLeaf.NO_INDEX) {
            number += "," + leaf.index();
        }
        return number + ":" + place.register().word() + "=" + bits;
    }

    /// One `name=value` of libxl's notation.
    private static void name(Map<Place, String> bits, String word) {
        int equals = word.indexOf('=');
        if (equals < 0) {
            throw new IllegalArgumentException("'" + word + "' is not name=value");
        }
        CpuFeature feature = FeatureNames.named(word.substring(0, equals));
        if (feature == null) {
            throw new IllegalArgumentException(
                    "'" + word.substring(0, equals) + "' is no name of a CPU feature");
        }
        Place place = new Place(feature.leaf(), feature.register());
        String value = value(feature, word, word.substring(equals + 1));
        set(bits, place, feature, value);
    }

    /// The characters of a field, the highest bit first.
    private static String value(CpuFeature feature, String word, String value) {
        if (value.length() == 1 && ALL.indexOf(value.charAt(0)) >= 0) {
            return value.repeat(feature.length());
        }
        if (feature.isFlag()) {
            if (value.equals("0") || value.equals("1")) {
                return value;
            }
            throw new IllegalArgumentException("'" + word + "': the value is one of 0, 1, x, k, s");
        }
        int number;
        try {
            number = PolicyText.u32(value);
        } catch (IllegalArgumentException e) {
            throw new IllegalArgumentException(
                    "'" + word + "': the value is a number, x, k or s", e);
        }
        boolean family = feature.name().equals("family");
        long most = family ? MAX_FAMILY : (1L << feature.length()) - 1;
        if (Integer.toUnsignedLong(number) > most) {
            throw new IllegalArgumentException("'" + word + "': the value is at most " + most);
        }
        return family ? family(number) : binary(number, feature.length());
    }

    /// The eight bits of the extended family, then the four of the family.
    private static String family(int family) {
        int base = Math.min(family, MAX_BASE_FAMILY);
        return binary(family - base, FAMILY_BITS) + binary(base, BASE_BITS);
    }

    private static String binary(int number, int length) {
        String digits = Integer.toBinaryString(number);
        return "0".repeat(length - digits.length()) + digits;
    }

    private static void set(
            Map<Place, String> bits, Place place, CpuFeature feature, String value) {
        if (!feature.isSplit()) {
            put(bits, place, feature.bit(), value);
            return;
        }
        int cut = value.length() - BASE_BITS;
        boolean family = feature.name().equals("family");
        // A character that stands for all bits has been repeated for eight of the family's twelve.
        String extended = family && cut < FAMILY_BITS ? value : value.substring(0, cut);
        put(bits, place, family ? FAMILY_AT : MODEL_AT, extended);
        put(bits, place, feature.bit(), value.substring(cut));
    }

    private static void put(Map<Place, String> bits, Place place, int low, String value) {
        StringBuilder all = new StringBuilder(bits.getOrDefault(place, CpuidOverrides.DEFAULT));
        int at = Integer.SIZE - low - value.length();
        all.replace(at, at + value.length(), value);
        checkOwner(place, all);
        bits.put(place, all.toString());
    }

    private static void checkOwner(Place place, CharSequence all) {
        PolicyLeaf leaf = place.leaf();
        if (leaf.isMsr()) {
            return;
        }
        boolean hypervisors = leaf.isHypervisors();
        int own =
                hypervisors
                        ? hypervisorsOwn(place)
                        : CpuidTopology.owns(leaf.function()) || leaf.function() == 0x8000_001e
                                ? -1
                                : OWN.getOrDefault(
                                        "0x"
                                                + Integer.toHexString(leaf.function())
                                                + ":"
                                                + place.register().word(),
                                        0);
        for (int bit = 0; bit < Integer.SIZE; bit++) {
            if ((own >>> bit & 1) != 0 && all.charAt(Integer.SIZE - 1 - bit) != 'x') {
                throw new IllegalArgumentException(
                        "%s bit %d cannot be changed: %s"
                                .formatted(
                                        place,
                                        bit,
                                        hypervisors
                                                ? "of hypervisors' leaves only maxhvleaf can"
                                                : "it is the vCPU's own"));
            }
        }
    }

    /// As with Xen, the low byte of the highest leaf is all that can be changed.
    private static int hypervisorsOwn(Place place) {
        boolean highest =
                place.register() == Register.EAX
                        && (place.leaf().function() & 0xff) == 0
                        && place.leaf().index() == PolicyLeaf.NO_INDEX;
        return highest ? ~0xff : -1;
    }

    /// One text of xend's notation: `LEAF[,SUBLEAF]:REGISTER=BITS[,REGISTER=BITS...]`.
    private static void xend(Map<Place, String> bits, String text) {
        int colon = text.indexOf(':');
        if (colon < 0) {
            throw new IllegalArgumentException("'" + text + "' is not LEAF:REGISTER=BITS");
        }
        PolicyLeaf leaf = xendLeaf(text.substring(0, colon));
        for (String assignment : COMMA.splitToList(text.substring(colon + 1))) {
            int equals = assignment.indexOf('=');
            if (equals < 0) {
                throw new IllegalArgumentException("'" + assignment + "' is not REGISTER=BITS");
            }
            Register register = PolicyText.register(assignment.substring(0, equals).strip());
            String value = assignment.substring(equals + 1);
            if (value.length() != Integer.SIZE
                    || value.chars().anyMatch(it -> VALUES.indexOf(it) < 0)) {
                throw new IllegalArgumentException(
                        "'" + value + "' is not 32 characters of 0, 1, x, k, s");
            }
            put(bits, new Place(leaf, register), 0, value);
        }
    }

    private static PolicyLeaf xendLeaf(String text) {
        if (text.startsWith(MSR)) {
            PolicyLeaf msr =
                    new PolicyLeaf(PolicyText.u32(text.substring(MSR.length())), PolicyLeaf.MSR);
            if (!msr.equals(PolicyLeaf.ARCH_CAPABILITIES)) {
                throw new IllegalArgumentException(msr + " has no features");
            }
            return msr;
        }
        List<String> numbers = COMMA.splitToList(text);
        return switch (numbers.size()) {
            case 1 -> PolicyLeaf.of(PolicyText.u32(text));
            case 2 -> PolicyText.leaf(numbers.get(0) + "." + numbers.get(1));
            default -> throw new IllegalArgumentException("'" + text + "' is not LEAF,SUBLEAF");
        };
    }
}
