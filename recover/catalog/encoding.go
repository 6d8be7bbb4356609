package catalog

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// encodingName is the name of a server encoding by its number (pg_enc in
// mb/pg_wchar.h); a negative one means that it is not known.
func encodingName(number int32) string {
	names := [...]string{
		"SQL_ASCII", "EUC_JP", "EUC_CN", "EUC_KR", "EUC_TW", "EUC_JIS_2004", "UTF8", "MULE_INTERNAL",
		"LATIN1", "LATIN2", "LATIN3", "LATIN4", "LATIN5", "LATIN6", "LATIN7", "LATIN8", "LATIN9", "LATIN10",
		"WIN1256", "WIN1258", "WIN866", "WIN874", "KOI8R", "WIN1251", "WIN1252",
		"ISO_8859_5", "ISO_8859_6", "ISO_8859_7", "ISO_8859_8",
		"WIN1250", "WIN1253", "WIN1254", "WIN1255", "WIN1257", "KOI8U",
	}
	if number < 0 {
		return ""
	}
	if int(number) < len(names) {
		return names[number]
	}
	return fmt.Sprintf("encoding %d", number)
}

// readableName makes a name that is not UTF-8 fit for messages and JSON: bytes
// outside ASCII become \xNN. The second result tells whether it had to.
func readableName(name string) (string, bool) {
	if utf8.ValidString(name) {
		return name, false
	}
	var b strings.Builder
	for _, c := range []byte(name) {
		if c < utf8.RuneSelf {
			b.WriteByte(c)
			continue
		}
		fmt.Fprintf(&b, `\x%02X`, c)
	}
	return b.String(), true
}
