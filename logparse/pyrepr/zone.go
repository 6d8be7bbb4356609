package pyrepr

import (
	"fmt"
	"strconv"
	"strings"
)

// zoneText writes a tzinfo as PostgreSQL reads it behind a time: +02, or a name after a space. It reports false
// for a zone that its repr does not tell; nil is no zone.
func zoneText(zone *Value) (string, bool) {
	if zone == nil || zone.Kind == None {
		return "", true
	}
	name := zone.Name[strings.LastIndexByte(zone.Name, '.')+1:]
	switch {
	case isUTC(name) || (name == "TzInfo" && (len(zone.Items) == 0 || isUTC(zone.Items[0].Name))):
		return "+00", true
	case name == "timezone" && len(zone.Items) > 0 && zone.Items[0].Kind == Interval:
		return intervalOffset(zone.Items[0].Text)
	case name == "ZoneInfo" && len(zone.Items) > 0 && zone.Items[0].Kind == Str:
		return " " + zone.Items[0].Text, !zone.Cut
	case name == "FixedOffsetTimezone" && len(zone.Items) > 0:
		return minutesOffset(zone.Items[0])
	case zone.Kind == Object && strings.HasPrefix(zone.Text, "<"):
		return namedOffset(zone.Text)
	}
	return "", false
}

func isUTC(name string) bool {
	return strings.EqualFold(name, "utc") || strings.EqualFold(name, "tzutc") || strings.EqualFold(name, "UTCTimezone")
}

// offset writes seconds east of Greenwich.
func offset(seconds int) string {
	sign := '+'
	if seconds < 0 {
		sign, seconds = '-', -seconds
	}
	text := fmt.Sprintf("%c%02d", sign, seconds/3600)
	if seconds%3600 != 0 {
		text += fmt.Sprintf(":%02d", seconds/60%60)
	}
	if seconds%60 != 0 {
		text += fmt.Sprintf(":%02d", seconds%60)
	}
	return text
}

// intervalOffset reads what duration made: "02:00:00", "-1 days +20:00:00".
func intervalOffset(text string) (string, bool) {
	var days, h, m, s int
	before, after, found := strings.Cut(text, " days")
	if found {
		number, err := strconv.Atoi(before)
		if err != nil {
			return "", false
		}
		days, text = number, strings.TrimPrefix(strings.TrimSpace(after), "+")
	}
	if text != "" {
		if n, err := fmt.Sscanf(text, "%d:%d:%d", &h, &m, &s); n != 3 || err != nil {
			return "", false
		}
	}
	return bounded(days*86400 + h*3600 + m*60 + s)
}

// bounded gives an offset of less than a day, as Python's are.
func bounded(seconds int) (string, bool) {
	if seconds <= -86400 || seconds >= 86400 {
		return "", false
	}
	return offset(seconds), true
}

// minutesOffset reads psycopg2's FixedOffsetTimezone(offset=120, name=None), or offset=datetime.timedelta(…).
func minutesOffset(value Value) (string, bool) {
	if value.Kind == Interval {
		return intervalOffset(value.Text)
	}
	minutes, err := strconv.Atoi(value.Text)
	if value.Kind != Int || err != nil || minutes <= -1440 || minutes >= 1440 {
		return "", false
	}
	return offset(minutes * 60), true
}

// namedOffset reads the offset out of pytz's <UTC> and <DstTzInfo 'Europe/Berlin' CEST+2:00:00 DST>, whose
// Sao Paulo is -1 day, 21:00:00.
func namedOffset(text string) (string, bool) {
	inside := strings.Trim(text, "<>")
	if isUTC(inside) {
		return "+00", true
	}
	_, after, found := strings.Cut(inside, "' ")
	at := strings.IndexAny(after, "+-")
	if !found || at < 0 {
		return "", false
	}
	sign, rest := 1, after[at+1:]
	seconds := 0
	if after[at] == '-' {
		sign = -1
	}
	if day, clock, ok := strings.Cut(rest, " day, "); ok {
		days, err := strconv.Atoi(day)
		if err != nil || days != 1 {
			return "", false
		}
		seconds, sign, rest = sign*86400, 1, clock
	}
	var h, m int
	if n, err := fmt.Sscanf(rest, "%d:%d", &h, &m); n != 2 || err != nil || h < 0 || h > 24 || m < 0 || m > 59 {
		return "", false
	}
	return bounded(seconds + sign*(h*3600+m*60))
}
