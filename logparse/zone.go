package logparse

// zone is what stands behind a time to say where it was read.
type zone struct {
	length int  // bytes, with a space before it
	known  bool // offset is one
	offset int  // seconds east of UTC
	short  string
}

// parseZone reads a zone, with a space before it or none.
func parseZone(text []byte) zone {
	space := 0
	if len(text) > 0 && text[0] == ' ' {
		space = 1
	}
	rest := text[space:]
	if len(rest) == 0 {
		return zone{}
	}
	var found zone
	switch c := rest[0]; {
	case c == '+' || c == '-':
		found = parseOffset(rest)
	case c == 'Z' && (len(rest) == 1 || !isLetter(rest[1])):
		found = zone{length: 1, known: true}
	case c >= 'A' && c <= 'Z':
		found = parseShort(rest)
	}
	if found.length == 0 {
		return zone{}
	}
	found.length += space
	return found
}

// parseOffset reads +02, +0200, +02:00 and +020000.
func parseOffset(text []byte) zone {
	var part [3]int
	at, parts := 1, 0
	for parts < 3 && len(text) >= at+2 {
		n, ok := digits2(text[at:])
		if !ok {
			break
		}
		part[parts] = n
		parts++
		at += 2
		if len(text) > at+2 && text[at] == ':' && isDigit(text[at+1]) {
			at++
		}
	}
	if parts == 0 || part[0] > 15 || part[1] > 59 || part[2] > 59 || (len(text) > at && isDigit(text[at])) {
		return zone{}
	}
	offset := part[0]*3600 + part[1]*60 + part[2]
	if text[0] == '-' {
		offset = -offset
	}
	return zone{length: at, known: true, offset: offset}
}

// parseShort reads a short name that the time zone database still uses.
func parseShort(text []byte) zone {
	n := 0
	for n < len(text) && n < 6 && isLetter(text[n]) {
		n++
	}
	if n < 2 || n > 4 || (n < len(text) && (isDigit(text[n]) || text[n] == '_')) {
		return zone{}
	}
	found := shortZone(text[:n])
	if found.known || found.short != "" {
		found.length = n
	}
	return found
}

func isLetter(c byte) bool { return c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z' }

// shortZone knows the short names of the time zone database that are not digits. Those
// that several zones use today have no offset: CST is in Chicago, Shanghai and Havana, IST
// in Kolkata, Jerusalem and Dublin, PST in Los Angeles and Manila.
func shortZone(name []byte) zone {
	const half = 1800
	halves := 0
	switch string(name) {
	case "UTC", "GMT", "WET", "UCT":
	case "CET", "WAT", "WEST", "BST", "MET":
		halves = 2
	case "EET", "CAT", "SAST", "CEST", "MEST":
		halves = 4
	case "MSK", "EAT", "EEST", "IDT":
		halves = 6
	case "PKT":
		halves = 10
	case "WIB":
		halves = 14
	case "AWST", "HKT", "WITA":
		halves = 16
	case "JST", "KST", "WIT":
		halves = 18
	case "ACST":
		halves = 19
	case "AEST", "ChST", "CHST":
		halves = 20
	case "ACDT":
		halves = 21
	case "AEDT":
		halves = 22
	case "NZST":
		halves = 24
	case "NZDT":
		halves = 26
	case "NDT":
		halves = -5
	case "NST":
		halves = -7
	case "ADT":
		halves = -6
	case "AST", "EDT":
		halves = -8
	case "EST":
		halves = -10
	case "MDT":
		halves = -12
	case "MST":
		halves = -14
	case "AKDT":
		halves = -16
	case "AKST", "HDT":
		halves = -18
	case "HST":
		halves = -20
	case "SST":
		halves = -22
	default:
		return zone{short: ambiguous(name)}
	}
	return zone{known: true, offset: halves * half}
}

// ambiguous gives a short name of several zones back as a constant, or "".
func ambiguous(name []byte) string {
	switch string(name) {
	case "CST":
		return "CST"
	case "CDT":
		return "CDT"
	case "IST":
		return "IST"
	case "PST":
		return "PST"
	case "PDT":
		return "PDT"
	}
	return ""
}
