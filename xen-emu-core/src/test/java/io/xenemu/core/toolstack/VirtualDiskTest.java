package io.xenemu.core.toolstack;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.OptionalInt;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

final class VirtualDiskTest {
    @ParameterizedTest
    @CsvSource({
        "xvda,51712",
        "xvdb,51728",
        "xvda1,51713",
        "xvdp15,51967",
        "xvdq,268439552",
        "xvda16,268435472",
        "xvdaa,268442112",
        "d0p0,51712",
        "d0x10p1,268439553",
        "sda,2048",
        "sdb2,2066",
        "hda,768",
        "hdb1,833",
        "hdc,5632",
        "hdd63,5759",
        "51712,51712",
        "0xca00,51712",
        "0,0"
    })
    void nameHasXensNumber(String name, int number) {
        assertEquals(OptionalInt.of(number), VirtualDisk.number(name));
    }

    @ParameterizedTest
    @CsvSource({
        "xvda,0", "xvdc,2", "xvdp,15", "hda,0", "hdb,1", "hdc,2", "hdd,3", "xvda1,", "hdb1,",
        "sda,", "xvdq,"
    })
    void wholeDisksHaveTheirPlaceOnAController(String name, @Nullable Integer place) {
        int number = VirtualDisk.number(name).orElseThrow();
        assertEquals(
                place == null ? OptionalInt.empty() : OptionalInt.of(place),
                VirtualDisk.emulated(number));
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "",
                "xvd",
                "xvd1",
                "xvda0",
                "xvda01",
                "xvda256",
                "xvda-1",
                "xvdA",
                "hde",
                "hda64",
                "sdq",
                "sda16",
                "vda",
                "d1",
                "d1p256",
                "d1048576p0",
                "-1",
                "2147483648",
                "08",
                "xvdzzzzzzzzzzzz",
                "xvda99999999999"
            })
    void otherNamesHaveNoNumber(String name) {
        assertEquals(OptionalInt.empty(), VirtualDisk.number(name));
    }
}
