package io.xenemu.core.xlcfg;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.nio.charset.StandardCharsets;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/// The syntax of xl.cfg(5), as `libxlu_cfg_l.l` and `libxlu_cfg_y.y` have it.
final class XlCfgTest {
    private static XlCfg parse(String text, String... overrides) throws XlCfgException {
        return XlCfg.parse("web.cfg", text.getBytes(StandardCharsets.UTF_8), List.of(overrides));
    }

    private static XlSetting setting(XlCfg cfg, String name) {
        XlSetting setting = cfg.find(name);
        assertNotNull(setting, name);
        return setting;
    }

    private static String refusal(String text, String... overrides) {
        return assertThrows(XlCfgException.class, () -> parse(text, overrides)).getMessage();
    }

    @Test
    void aFileOfDailyUseIsRead() throws XlCfgException {
        XlCfg cfg =
                parse(
                        """
                        # a guest
                        name = "web"   # its name
                        memory=512; vcpus = 0x2
                        extra = 'console=hvc0 quote=\\'"\\\\'
                        disk = [
                            'phy:/dev/vg/web,xvda,w',  # the first

                            "format=qcow2, vdev=xvdb, target=/srv/b.qcow2",
                        ]
                        vif = [ ]
                        vnuma = [ [ "pnode=0", "size=512" ], [ "pnode=1" ] ]
                        on_crash="preserve\"\
                        """);

        assertEquals("web", setting(cfg, "name").text());
        assertEquals(512, setting(cfg, "memory").number());
        assertEquals(2, setting(cfg, "vcpus").number());
        assertEquals("console=hvc0 quote='\"\\", setting(cfg, "extra").text());
        assertEquals(
                List.of("phy:/dev/vg/web,xvda,w", "format=qcow2, vdev=xvdb, target=/srv/b.qcow2"),
                setting(cfg, "disk").texts());
        assertEquals(List.of(), setting(cfg, "vif").texts());
        assertEquals("preserve", setting(cfg, "on_crash").text());
        assertEquals(12, setting(cfg, "on_crash").place().line());
        assertEquals(List.of(), cfg.warnings());
    }

    @Test
    void theCommandLineComesAfterTheFileWithoutAWarning() throws XlCfgException {
        XlCfg cfg = parse("memory=512\nextra='quiet'", "memory=1024", "extra+=\" single\"");

        assertEquals(1024, setting(cfg, "memory").number());
        assertEquals("command line:1", setting(cfg, "memory").place().toString());
        assertEquals("quiet single", setting(cfg, "extra").text());
        assertEquals(List.of(), cfg.warnings());
    }

    @Test
    void theLaterOfTwoValuesCountsAndAWarningNamesTheLines() throws XlCfgException {
        XlCfg cfg = parse("name='a'\nmemory=1\nname='b'\n");

        assertEquals("b", setting(cfg, "name").text());
        assertEquals(
                List.of(
                        "web.cfg:3: warning: name is set again; the value of line 1 does not count"),
                cfg.warnings());
    }

    @Test
    void plusAddsListsAndTexts() throws XlCfgException {
        XlCfg cfg = parse("disk=['a']\ndisk+=['b','c']\nroot='/dev/'\nroot+='xvda'\nvif+=['d']");

        assertEquals(List.of("a", "b", "c"), setting(cfg, "disk").texts());
        assertEquals("/dev/xvda", setting(cfg, "root").text());
        assertEquals(List.of("d"), setting(cfg, "vif").texts());
        assertEquals(
                "web.cfg:2: +=" + " cannot add a list to a text, or a text to a list",
                refusal("root='a'\nroot+=['b']"));
    }

    @ParameterizedTest
    @CsvSource({"10,10", "0x1f,31", "010,8", "0,0", "'\"-3600\"',-3600", "'\"+7\"',7"})
    void numbersAreAsByStrtol(String text, long number) throws XlCfgException {
        assertEquals(number, setting(parse("n=" + text), "n").number());
    }

    @ParameterizedTest
    @ValueSource(strings = {"'512M'", "''", "'--1'", "'0x'", "08", "'1 '", "99999999999999999999"})
    void whatIsNoNumberIsRefused(String text) throws XlCfgException {
        XlSetting setting = setting(parse("\n\nn=" + text), "n");

        assertEquals(
                "web.cfg:3: n: not a whole number",
                assertThrows(XlCfgException.class, setting::number).getMessage());
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "name=web|web.cfg:1: text has quotes: \"web\"",
                "name='web|web.cfg:1: a string has no closing ' in its line",
                "name|web.cfg:1: 'name' needs a = after it",
                "name=|web.cfg:1: a value is needed, not the end of the file",
                "disk=['a' 'b']|web.cfg:1: a list needs a comma or ], not a string",
                "disk=['a',,'b']|web.cfg:1: a value is needed, not ','",
                "a=1 b=2|web.cfg:1: unexpected 'b' after the value of 'a'",
                "a='\\x41'|web.cfg:1: a numeric escape in a string, which xl cannot read either",
                "a='\\q'|web.cfg:1: no such escape in a string: a backslash is \\\\",
                "Name='a'|web.cfg:1: unexpected 'N': names have small letters, and text has quotes",
                "1=2|web.cfg:1: a setting's name is needed, not '1'"
            })
    void aMistakeIsOneLine(String text, String message) {
        assertEquals(message, refusal(text));
    }

    @Test
    void mistakesHaveTheirLine() {
        assertEquals(
                "web.cfg:4: a value is needed, not the end of the file",
                refusal("a=1\ndisk=[\n'a', # one\n"));
        assertEquals(
                "web.cfg:2: unexpected '(': a configuration has no Python code, and text has quotes",
                refusal("a=1\nb=(1)"));
        assertEquals(
                "web.cfg:1: a carriage return: lines end with a newline alone", refusal("a=1\r\n"));
        assertEquals(
                "command line:2: text has quotes: \"db\"", refusal("a=1", "memory=1", "name=db"));
    }

    @Test
    void commentsMayHaveAnyBytesAndStringsAreUtf8() throws XlCfgException {
        byte[] latin1 = "# \u00e9\nname='a'".getBytes(StandardCharsets.ISO_8859_1);
        assertEquals("a", setting(XlCfg.parse("f", latin1, List.of()), "name").text());
        assertEquals("\u00e9\u20ac", setting(parse("name='\u00e9\u20ac'"), "name").text());
        byte[] wrong = "\nname='\u00e9'".getBytes(StandardCharsets.ISO_8859_1);
        assertEquals(
                "f:2: a string is not UTF-8",
                assertThrows(XlCfgException.class, () -> XlCfg.parse("f", wrong, List.of()))
                        .getMessage());
    }

    @Test
    void sizeAndDepthAreLimited() throws XlCfgException {
        assertEquals(
                "f: more than 1048576 bytes",
                assertThrows(
                                XlCfgException.class,
                                () -> XlCfg.parse("f", new byte[(1 << 20) + 1], List.of()))
                        .getMessage());
        String open = "[".repeat(XlCfg.MAX_DEPTH);
        String close = "]".repeat(XlCfg.MAX_DEPTH);
        assertNotNull(parse("a=" + open + close).find("a"));
        assertEquals(
                "web.cfg:1: lists within lists, deeper than 8",
                refusal("a=[" + open + close + "]"));
        assertEquals(
                "web.cfg:1: lists within lists, deeper than 8",
                refusal("a=" + "[".repeat(500_000)));
        assertEquals(
                "web.cfg:1: more than 20000 values",
                refusal("a=[" + "1,".repeat(XlCfg.MAX_VALUES) + "]"));
        assertEquals(
                "web.cfg:2: a text of more than 65536 characters",
                refusal("a='" + "x".repeat(XlCfg.MAX_TEXT) + "'\na+='x'"));
        assertEquals(
                "web.cfg:1: a name of more than 64 characters", refusal("a".repeat(65) + "=1"));
    }
}
